import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import type { MemoryTree } from '../support/memory-tree.ts';
import { exportTo, handleOf, Inode, smallTree } from '../support/nfs-tree.ts';
import {
  accepted,
  askUdp,
  mount,
  nfs,
  portmap,
  record,
  RpcTcpClient,
  xdr,
  type Reply,
} from '../support/rpc-client.ts';

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

const NODE = '127.0.0.1';
const OTHER = '127.0.0.2';
const MIB = 1024 * 1024;

async function serve(
  tree = smallTree(),
): Promise<{ tree: MemoryTree; server: NfsServer; events: EventBody[] }> {
  const events: EventBody[] = [];
  const server = new NfsServer({
    address: '127.0.0.1',
    exports: exportTo(NODE, tree),
    publish: (e) => events.push(e),
  });
  await server.start();
  cleanup.push(() => server.close());
  return { tree, server, events };
}
async function client(port = 2049, address = NODE, localPort?: number): Promise<RpcTcpClient> {
  const opened = await RpcTcpClient.open(port, address, localPort);
  cleanup.push(() => opened.close());
  return opened;
}
const getattr = (tree: MemoryTree, inode: number): Buffer =>
  nfs(1, xdr().opaque(handleOf(tree, inode)).bytes());
const read = (tree: MemoryTree, inode: number, offset: number, count: number): Buffer =>
  nfs(6, xdr().opaque(handleOf(tree, inode)).u64(BigInt(offset)).u32(count).bytes());

/** Data of a READ reply, after a check of its head. */
function dataOf(results: Reply): Buffer {
  expect(results.u32()).toBe(0);
  results.skip(88 + 8);
  return results.opaque();
}
function pattern(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = (offset + index) % 251;
  return bytes;
}

describe('over TCP', () => {
  it('answers pipelined calls of all sizes in order', async () => {
    const { tree } = await serve();
    const connection = await client();
    const counts = [1, 4096, 131_072, 7, MIB, 65_536, MIB, 3, 1000, 130_900, MIB];
    const calls = counts.map((count, index) => read(tree, Inode.big, index * 1001, count));
    connection.socket.write(Buffer.concat(calls.map(record)));
    for (const [index, call] of calls.entries()) {
      const { status, results } = accepted(call, await connection.next());
      expect(status).toBe(0);
      expect(dataOf(results).equals(pattern(index * 1001, counts[index] ?? 0))).toBe(true);
    }
  });

  it('puts records together from fragments in the smallest segments', async () => {
    const { tree } = await serve();
    const connection = await client();
    const calls = Array.from({ length: 20 }, (_, index) => read(tree, Inode.big, index, 300));
    const stream: Buffer[] = [];
    for (const [index, call] of calls.entries()) {
      const cut = (index * 7) % call.length;
      stream.push(xdr().u32(cut).bytes(), call.subarray(0, cut), record(call.subarray(cut)));
    }
    const bytes = Buffer.concat(stream);
    for (let at = 0; at < bytes.length; at += 37) {
      await new Promise((resolve) => connection.socket.write(bytes.subarray(at, at + 37), resolve));
    }
    for (const [index, call] of calls.entries()) {
      expect(dataOf(accepted(call, await connection.next()).results).equals(pattern(index, 300))).toBe(true);
    }
  });

  it('reads what is not warm through the thread pool, while other calls go on', async () => {
    const { tree } = await serve();
    tree.cold.add(Inode.big);
    const connection = await client();
    const cold = [0, 1, 2].map((index) => read(tree, Inode.big, index * MIB, MIB));
    const warm = getattr(tree, Inode.etc);
    connection.socket.write(Buffer.concat([...cold, warm].map(record)));
    const first = await connection.next();
    expect(accepted(warm, first).status).toBe(0);
    const replies = [await connection.next(), await connection.next(), await connection.next()];
    for (const [index, call] of cold.entries()) {
      const reply = replies.find((candidate) => candidate.readUInt32BE(0) === call.readUInt32BE(0));
      const { results } = accepted(call, reply ?? Buffer.alloc(0));
      expect(dataOf(results).equals(pattern(index * MIB, MIB))).toBe(true);
    }
    expect(tree.coldReads).toBe(3);
    tree.failing = true;
    expect((await connection.ask(read(tree, Inode.big, 0, 10))).results.u32()).toBe(5);
  });

  it('stops working for a client that does not read, and goes on when it does', async () => {
    const { tree } = await serve();
    let bytesRead = 0;
    const readTree = tree.read.bind(tree);
    tree.read = (...args) => {
      const count = readTree(...args);
      bytesRead += count;
      return count;
    };
    const lazy = await client();
    lazy.socket.pause();
    const CALLS = 200;
    const calls = Array.from({ length: CALLS }, (_, index) => read(tree, Inode.big, index, MIB));
    lazy.socket.write(Buffer.concat(calls.map(record)));
    const other = await client();
    // The server does something else meanwhile, and works off what it has of the lazy client's calls.
    for (let turn = 0; turn < 50; turn++) expect((await other.ask(getattr(tree, Inode.etc))).status).toBe(0);
    expect(bytesRead).toBeGreaterThan(0);
    expect(bytesRead).toBeLessThan(40 * MIB);
    lazy.socket.resume();
    for (const [index, call] of calls.entries()) {
      const { results } = accepted(call, await lazy.next());
      expect(dataOf(results)[0]).toBe(index % 251);
    }
    expect(bytesRead).toBe(CALLS * MIB);
  });

  it('breaks off a long reply that cannot be read to its end, and then says so', async () => {
    const { tree } = await serve();
    const readTree = tree.read.bind(tree);
    tree.read = (inode, position, target, at, length) => {
      if (position + length > 600 * 1024) throw new Error('EIO');
      return readTree(inode, position, target, at, length);
    };
    const connection = await client();
    await expect(connection.ask(read(tree, Inode.big, 0, MIB))).rejects.toThrow('closed');
    const again = await client();
    expect((await again.ask(read(tree, Inode.big, 0, MIB))).results.u32()).toBe(5);
    expect(dataOf((await again.ask(read(tree, Inode.big, 0, 500 * 1024))).results).length).toBe(500 * 1024);
  });

  it('bounds what many clients that do not read may hold, also when they vanish', async () => {
    const { tree } = await serve();
    const before = process.memoryUsage.rss();
    const lazy = await Promise.all(Array.from({ length: 24 }, () => client()));
    const calls = Array.from({ length: 200 }, (_, index) => record(read(tree, Inode.huge, index, MIB)));
    for (const { socket } of lazy) {
      socket.pause();
      socket.write(Buffer.concat(calls));
    }
    const other = await client();
    for (let turn = 0; turn < 50; turn++) expect((await other.ask(getattr(tree, Inode.etc))).status).toBe(0);
    expect(process.memoryUsage.rss() - before).toBeLessThan(250 * MIB);
    for (const connection of lazy) connection.socket.resetAndDestroy();
    expect((await other.ask(read(tree, Inode.big, 0, MIB))).status).toBe(0);
  });

  it('ends a connection that does not speak RPC', async () => {
    const { tree } = await serve();
    for (const junk of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      record(Buffer.from('nonsense')),
      record(Buffer.alloc(0)),
    ]) {
      const connection = await client();
      connection.socket.write(junk);
      await expect(connection.next()).rejects.toThrow('closed');
    }
    expect((await (await client()).ask(getattr(tree, Inode.etc))).status).toBe(0);
  });

  it('lets one client have only so many connections', async () => {
    const { tree } = await serve();
    const many = await Promise.all(Array.from({ length: 40 }, () => client()));
    const answers = await Promise.allSettled(
      many.map((connection) => connection.ask(getattr(tree, Inode.etc))),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled').length).toBe(32);
    const other = await client(111, OTHER);
    expect((await other.ask(portmap(0))).status).toBe(0);
  });
});

describe('clients', () => {
  it('reach only what is exported to their address', async () => {
    const { tree, events } = await serve();
    const good = await client(2049, NODE);
    const stranger = await client(2049, OTHER);
    const ask = mount(1, xdr().opaque('/export').bytes());
    expect((await good.ask(ask)).results.u32()).toBe(0);
    expect((await stranger.ask(ask)).results.u32()).toBe(13);
    expect((await good.ask(getattr(tree, Inode.etc))).results.u32()).toBe(0);
    expect((await stranger.ask(getattr(tree, Inode.etc))).results.u32()).toBe(70);
    expect(events).toMatchObject([
      { kind: 'mount', client: NODE, ok: true },
      { kind: 'mount', client: OTHER, ok: false, cause: '/export is not exported' },
    ]);
  });

  it('are reset when their machine is off, others not', async () => {
    const { server, tree } = await serve();
    const dead = [await client(2049), await client(111), await client(2049)];
    const alive = await client(2049, OTHER);
    for (const connection of [...dead, alive]) await connection.ask(portmap(0));
    const ends = dead.map(async ({ socket }) => ((await once(socket, 'error')) as [Error])[0]);
    server.dropClient(NODE);
    for (const error of await Promise.all(ends)) expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect((await alive.ask(nfs(0))).status).toBe(0);
    // The next boot may come from the same port.
    const again = await client(2049, NODE, dead[0]?.socket.localPort);
    expect((await again.ask(getattr(tree, Inode.etc))).results.u32()).toBe(0);
  });

  it('go on with their handles and cookies after a restart of the server', async () => {
    const { server, tree } = await serve();
    const list = (cookie: bigint, verifier: bigint): Buffer =>
      nfs(16, xdr().opaque(handleOf(tree, Inode.many)).u64(cookie).u64(verifier).u32(1024).bytes());
    const first = (await (await client()).ask(list(0n, 0n))).results;
    expect(first.u32()).toBe(0);
    const verifier = first.skip(88).u64();
    await server.close();
    await serve(smallTree());
    const connection = await client();
    expect((await connection.ask(getattr(tree, Inode.passwd))).results.u32()).toBe(0);
    const second = (await connection.ask(list(9n, verifier))).results;
    expect(second.u32()).toBe(0);
    expect(second.skip(88 + 8).u32()).toBe(1);
  });

  it('see their totals published, at their end too', async () => {
    const { tree, events } = await serve();
    const connection = await client();
    for (let turn = 0; turn < 5; turn++) await connection.ask(read(tree, Inode.big, 0, 1000));
    connection.socket.end();
    await once(connection.socket, 'close');
    const closed = await client();
    await closed.ask(nfs(0));
    const totals = events.filter(({ kind }) => kind === 'nfs');
    expect(totals).toMatchObject([{ kind: 'nfs', client: NODE, operations: 5, bytesRead: 5000 }]);
  });
});

describe('over UDP', () => {
  it('answers all three programs', async () => {
    const { tree } = await serve();
    const port = portmap(3, xdr().u32(100003, 3, 17, 0).bytes());
    expect(accepted(port, await askUdp(111, port)).results.u32()).toBe(2049);
    const path = mount(1, xdr().opaque('/export').bytes());
    expect(accepted(path, await askUdp(2049, path)).results.u32()).toBe(0);
    const attributes = getattr(tree, Inode.etc);
    expect(accepted(attributes, await askUdp(2049, attributes)).results.u32()).toBe(0);
  });

  it('keeps replies within a datagram', async () => {
    const { tree } = await serve();
    const info = nfs(19, xdr().opaque(handleOf(tree, Inode.root)).bytes());
    const sizes = accepted(info, await askUdp(2049, info)).results;
    expect(sizes.skip(4 + 88).u32()).toBe(32 * 1024);
    tree.cold.add(Inode.huge);
    for (const inode of [Inode.big, Inode.huge]) {
      const call = read(tree, inode, 5, MIB);
      const data = dataOf(accepted(call, await askUdp(2049, call)).results);
      expect(data.equals(pattern(5, 32 * 1024))).toBe(true);
    }
    const list = nfs(17, xdr().opaque(handleOf(tree, Inode.many)).u64(0n).u64(0n).u32(MIB, MIB).bytes());
    const reply = await askUdp(2049, list);
    expect(accepted(list, reply).results.u32()).toBe(0);
    expect(reply.length).toBeLessThan(33 * 1024);
  });

  it('is silent about what is no call', async () => {
    const { tree } = await serve();
    const socket = createSocket('udp4');
    cleanup.push(() => void socket.close());
    const call = getattr(tree, Inode.etc);
    for (const junk of [
      Buffer.alloc(0),
      Buffer.from('junk'),
      Buffer.alloc(60_000, 7),
      call.subarray(0, 30),
      call,
    ]) {
      socket.send(junk, 2049, '127.0.0.1');
    }
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(accepted(call, answer).results.u32()).toBe(0);
  });
});

describe('ports', () => {
  it('says which port it cannot have, and holds none then', async () => {
    const { server } = await serve();
    const parts = { address: '127.0.0.1', exports: exportTo(NODE, smallTree()), publish: () => {} };
    const second = new NfsServer({ ...parts, portmapPort: 1111 });
    await expect(second.start()).rejects.toThrow(
      'The NFS server cannot use TCP port 2049 of 127.0.0.1: another program has it',
    );
    await expect(RpcTcpClient.open(1111)).rejects.toThrow('ECONNREFUSED');
    await server.close();
    const third = new NfsServer({ ...parts, mountPort: 20048 });
    cleanup.push(() => third.close());
    await third.start();
    const connection = await client(111);
    const port = portmap(3, xdr().u32(100005, 3, 6, 0).bytes());
    expect((await connection.ask(port)).results.u32()).toBe(20048);
    expect((await (await client(20048)).ask(mount(0))).status).toBe(0);
    expect((await (await client(2049)).ask(mount(0))).status).toBe(1);
  });
});
