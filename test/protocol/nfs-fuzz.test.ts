import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { generator } from '../support/generator.ts';
import { exportTo, handleOf, Inode, smallTree } from '../support/nfs-tree.ts';
import { accepted, askUdp, mount, nfs, portmap, record, RpcTcpClient, xdr } from '../support/rpc-client.ts';

const MIB = 1024 * 1024;
const tree = smallTree();
const server = new NfsServer({
  address: '127.0.0.1',
  exports: exportTo('127.0.0.1', tree),
  publish: () => {},
});
beforeAll(() => server.start());
afterAll(() => server.close());

/** One valid call of every procedure. */
function samples(): Buffer[] {
  const handle = (inode: number): Buffer => xdr().opaque(handleOf(tree, inode)).bytes();
  const file = Buffer.concat([handle(Inode.big), xdr().u64(5n).u32(3000, 2).opaque('data').bytes()]);
  const directory = Buffer.concat([handle(Inode.many), xdr().u64(0n).u64(0n).u32(8192, 8192).bytes()]);
  const name = Buffer.concat([handle(Inode.root), xdr().opaque('etc').bytes(), directory]);
  const calls = [file, directory, name].flatMap((args) =>
    Array.from({ length: 22 }, (_, procedure) => nfs(procedure, args)),
  );
  const mounts = [0, 1, 2, 3, 4, 5].map((procedure) => mount(procedure, xdr().opaque('/export').bytes()));
  const maps = [0, 1, 2, 3, 4, 5].map((procedure) => portmap(procedure, xdr().u32(100003, 3, 6, 0).bytes()));
  return [...calls, ...mounts, ...maps];
}

const INTERESTING = [0, 1, 4, 20, 64, 65, 255, 1024, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];

/** Where arguments begin behind the head and our AUTH_SYS credential. */
const ARGUMENTS = 68;

/** A call with some of it changed: bytes, words, its length; or plain junk. */
function mutate(source: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(source);
  for (let change = random(4); change >= 0; change--) {
    const kind = random(5);
    // The head stays right most of the time, or nothing but the head would be tested.
    const from = random(200) === 0 ? 0 : Math.min(ARGUMENTS, bytes.length - 4);
    if (kind < 2) bytes[from + random(bytes.length - from)] = random(256);
    else if (kind < 4) {
      const word = from + 4 * random(Math.floor((bytes.length - from) / 4));
      bytes.writeUInt32BE(INTERESTING[random(INTERESTING.length)] ?? 0, word);
    } else if (random(40) === 0) return bytes.subarray(0, random(bytes.length));
  }
  return random(1000) === 0 ? Buffer.from(Array.from({ length: random(300) }, () => random(256))) : bytes;
}

/** Sends batches of records and waits until the server has worked each off, or has closed the connection on it. */
class JunkSender {
  connections = 0;
  finished = 0;
  #socket: Socket | undefined;
  #xid = 0;
  #tail = Buffer.alloc(0);
  #settle: () => void = () => {};

  /** `cut`: the stream is not made of records any more, so it ends here. */
  async send(bytes: Buffer, cut: boolean): Promise<void> {
    const socket = await this.#connected();
    const last = xdr().u32(0, 0, 2, 100003, 3, 0, 0, 0, 0, 0).bytes();
    last.writeUInt32BE(0x7000_0000 + ++this.#xid, 0);
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      if (cut) socket.end(bytes);
      else socket.write(Buffer.concat([bytes, record(last)]));
    });
  }

  async #connected(): Promise<Socket> {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    this.connections++;
    const socket = connect(2049, '127.0.0.1');
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => this.#settle());
    socket.on('data', (chunk) => this.#onData(chunk));
    await once(socket, 'connect');
    return socket;
  }

  /** A batch is done when the answer to its last call, a NULL, has come; others may come behind it. */
  #onData(chunk: Buffer): void {
    const wanted = Buffer.alloc(4);
    wanted.writeUInt32BE(0x7000_0000 + this.#xid);
    const known = Buffer.concat([this.#tail, chunk]);
    this.#tail = known.subarray(-3);
    if (!known.includes(wanted)) return;
    this.finished++;
    this.#settle();
  }
  close(): void {
    this.#socket?.destroy();
  }
}

async function expectHealthy(before: number): Promise<void> {
  const call = nfs(6, xdr().opaque(handleOf(tree, Inode.passwd)).u64(0n).u32(100).bytes());
  const client = await RpcTcpClient.open(2049);
  const { status, results } = await client.ask(call);
  expect([
    status,
    results.u32(),
    results
      .skip(88 + 8)
      .opaque()
      .toString(),
  ]).toEqual([0, 0, 'root:x:0:0\n']);
  client.close();
  expect(accepted(call, await askUdp(2049, call)).results.u32()).toBe(0);
  const map = portmap(4);
  expect(accepted(map, await askUdp(111, map)).status).toBe(0);
  expect(process.memoryUsage.rss() - before).toBeLessThan(250 * MIB);
}

describe('junk', () => {
  it('over TCP: 100,000 mutated records do no harm', async () => {
    const before = process.memoryUsage.rss();
    const random = generator(1);
    const sources = samples();
    const sender = new JunkSender();
    for (let batch = 0; batch < 10_000; batch++) {
      let cut = false;
      const records = Array.from({ length: 10 }, () => {
        const message = mutate(sources[random(sources.length)] ?? Buffer.alloc(0), random);
        const framed = record(message);
        if (random(500) !== 0) return framed;
        cut = true;
        framed.writeUInt32BE(INTERESTING[random(INTERESTING.length)] ?? 0, 0);
        return framed;
      });
      await sender.send(Buffer.concat(records), cut);
    }
    sender.close();
    // Most batches were worked off to their end; the others made the server close the connection.
    expect(sender.finished).toBeGreaterThan(5000);
    expect(sender.connections).toBeGreaterThan(100);
    await expectHealthy(before);
  });

  it('over UDP: 100,000 mutated datagrams do no harm', async () => {
    const before = process.memoryUsage.rss();
    const random = generator(2);
    const sources = samples();
    const socket = createSocket('udp4');
    socket.on('message', () => {});
    for (let sent = 0; sent < 100_000; sent++) {
      const message = mutate(sources[random(sources.length)] ?? Buffer.alloc(0), random);
      const port = random(4) === 0 ? 111 : 2049;
      if (sent % 50 !== 0) socket.send(message, port, '127.0.0.1');
      else await new Promise((resolve) => socket.send(message, port, '127.0.0.1', resolve));
    }
    socket.close();
    await expectHealthy(before);
  });
});
