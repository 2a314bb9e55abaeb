import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { generator } from '../support/generator.ts';
import { INTERESTING, JunkSender, mutate } from '../support/nfs-junk.ts';
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
