import { describe, expect, it } from 'vitest';
import { until } from '../support/lab.ts';
import {
  MIB,
  type Served,
  serve,
  exportOf,
  MemoryStore,
  gate,
  RawClient,
  request,
} from '../support/nbd-server.ts';

describe('transmission', () => {
  async function memory(size = 8 * MIB): Promise<Served & { store: MemoryStore }> {
    const store = new MemoryStore(size);
    return { store, ...(await serve(() => [exportOf(store, size)])) };
  }
  async function choose(): Promise<RawClient> {
    const client = new RawClient();
    await client.choose('disk');
    return client;
  }

  it('takes requests byte by byte', async () => {
    const { store } = await memory();
    const client = await choose();
    client.socket.setNoDelay(true);
    const bytes = Buffer.concat([request(1, 77, 30), Buffer.alloc(30, 5), request(0, 76, 3, { cookie: 2 })]);
    for (const byte of bytes)
      await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
    expect(await client.reply()).toEqual({ cookie: 0, error: 0 });
    expect(await client.reply()).toEqual({ cookie: 2, error: 0 });
    expect([...(await client.read(3))]).toEqual([0, 5, 5]);
    expect(store.bytes.filter((byte) => byte === 5)).toHaveLength(30);
  });

  it('answers what is done first, whatever came first, and DISC only after all', async () => {
    const { store } = await memory();
    const slow = gate();
    store.gates.set(0, slow.promise);
    const client = await choose();
    client.request(0, 0, 4, { cookie: 1 });
    client.request(0, 4096, 4, { cookie: 2 });
    client.request(3, 0, 0, { cookie: 3 });
    client.request(2, 0, 0);
    const cookies = [await client.reply()];
    await client.read(cookies[0]?.cookie === 2 ? 4 : 0);
    cookies.push(await client.reply());
    if (cookies[1]?.cookie === 2) await client.read(4);
    expect(cookies.map(({ cookie }) => cookie).toSorted()).toEqual([2, 3]);
    expect([client.isClosed, store.flushes]).toEqual([false, 1]);
    slow.open();
    expect((await client.reply()).cookie).toBe(1);
    await client.read(4);
    await client.closed();
  });

  it('begins no more than it may, and goes on when replies are read', async () => {
    const { store } = await memory();
    const slow = gate();
    store.gates.set(0, slow.promise);
    const client = await choose();
    for (let cookie = 0; cookie < 100; cookie++) client.request(0, 0, 1, { cookie });
    const other = await choose();
    await until(
      '32 begun',
      () => store.begun,
      (begun) => begun >= 32,
    );
    other.request(0, 4096, 1);
    await other.reply();
    expect(store.begun).toBe(33);
    slow.open();
    for (let cookie = 0; cookie < 100; cookie++) {
      expect((await client.reply()).error).toBe(0);
      await client.read(1);
    }
  });

  it('holds little for a client that reads nothing', async () => {
    const { store } = await memory();
    const lazy = await choose();
    lazy.socket.pause();
    for (let cookie = 0; cookie < 200; cookie++) lazy.request(0, 0, MIB);
    const other = await choose();
    for (let turn = 0; turn < 50; turn++) {
      other.request(0, 0, 1);
      await other.reply();
      await other.read(1);
    }
    // 4 MiB of ours, and what the kernel's buffers took.
    expect(store.begun - 50).toBeLessThan(30);
    lazy.socket.resume();
    for (let turn = 0; turn < 200; turn += 10) await lazy.read(10 * (MIB + 16));
    expect(store.begun - 50).toBe(200);
  });

  it('passes over the data of a write that is refused', async () => {
    await memory();
    const client = await choose();
    const refused = [request(1, 8 * MIB, 70_000, { cookie: 1 }), Buffer.alloc(70_000, 0x25)];
    client.socket.write(Buffer.concat([...refused, request(3, 0, 0, { cookie: 2 })]));
    expect([await client.reply(), await client.reply()]).toEqual([
      { cookie: 1, error: 28 },
      { cookie: 2, error: 0 },
    ]);
    const tooLong = await choose();
    tooLong.request(1, 0, 33 * MIB);
    await tooLong.closed();
    const junk = await choose();
    junk.socket.write(Buffer.alloc(100, 1));
    await junk.closed();
  });

  it('says which error the store had', async () => {
    const { store } = await memory();
    const client = await choose();
    for (const [code, error] of [
      ['EIO', 5],
      ['ENOSPC', 28],
      ['EDQUOT', 28],
      ['ENOMEM', 12],
      ['EBADF', 5],
    ] as const) {
      store.failing = code;
      client.request(0, 0, 100);
      expect((await client.reply()).error).toBe(error);
      client.socket.write(Buffer.concat([request(1, 0, 3 * MIB), Buffer.alloc(3 * MIB)]));
      expect((await client.reply()).error).toBe(error);
    }
    // A long reply has begun when the store fails: only an end of the connection can say so.
    store.failing = undefined;
    const late = gate();
    store.gates.set(2 * MIB, late.promise);
    client.request(0, 0, 5 * MIB);
    expect((await client.reply()).error).toBe(0);
    store.failing = 'EIO';
    late.open();
    await client.closed();
  });

  it('a flood of wrong requests is answered', async () => {
    await memory();
    const client = await choose();
    const wrong = Buffer.concat(Array.from({ length: 20_000 }, (_, cookie) => request(1, 0, 0, { cookie })));
    client.socket.write(wrong);
    const replies = await client.read(16 * 20_000);
    expect(replies.readUInt32BE(16 * 19_999 + 12)).toBe(19_999);
  });

  it('a client that vanishes in the middle of a write harms nobody', async () => {
    const { store, events } = await memory();
    const client = await choose();
    client.socket.write(Buffer.concat([request(1, 0, 3 * MIB), Buffer.alloc(MIB + 5, 9)]));
    await until(
      'the first piece',
      () => store.bytes[MIB - 1],
      (byte) => byte === 9,
    );
    client.socket.resetAndDestroy();
    await until(
      'its end',
      () => events.at(-1),
      (event) => event?.phase === 'end',
    );
    expect(events.at(-1)).toMatchObject({ bytesWritten: MIB, bytes: 0 });
    expect(store.bytes[MIB]).toBe(0);
    const next = await choose();
    next.request(0, 0, 1);
    await next.reply();
    expect([...(await next.read(1))]).toEqual([9]);
  });

  it('a client has a number of connections, and loses them when its machine is off', async () => {
    const { store, server, events } = await memory();
    const slow = gate();
    store.gates.set(0, slow.promise);
    const clients = await Promise.all(Array.from({ length: 16 }, choose));
    const oneMore = new RawClient();
    await oneMore.closed();
    clients[0]?.request(0, 0, 1);
    await until(
      'its read',
      () => store.begun,
      (begun) => begun === 1,
    );
    let isDropped = false;
    const dropped = server.dropClient('127.0.0.1').then(() => (isDropped = true));
    await Promise.all(clients.map((client) => client.closed()));
    // Not before the store is at rest.
    await until(
      '15 ends',
      () => events.filter(({ phase }) => phase === 'end').length,
      (n) => n === 15,
    );
    expect(isDropped).toBe(false);
    slow.open();
    await dropped;
    await choose();
  });
});
