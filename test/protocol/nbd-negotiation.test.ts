import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { until } from '../support/lab.ts';
import { generator } from '../support/generator.ts';
import {
  run,
  MIB,
  URI,
  serve,
  serveSwap,
  exportOf,
  MemoryStore,
  RawClient,
  u32,
  request,
} from '../support/nbd-server.ts';

describe('negotiation', () => {
  it('by EXPORT_NAME ends with 124 zeros unless the client wants none', async () => {
    await serveSwap();
    for (const [flags, length] of [
      [3, 10],
      [1, 134],
      [0, 134],
    ] as const) {
      const client = new RawClient();
      await client.greet(flags);
      client.option(1, Buffer.from('swap-16G'));
      client.request(3, 0, 0, { cookie: 9 });
      const welcome = await client.read(length);
      expect([welcome.readBigUInt64BE(0), welcome.readUInt16BE(8)]).toEqual([16n * 1024n ** 3n, 0x96d]);
      expect(welcome.subarray(10).every((byte) => byte === 0)).toBe(true);
      expect(await client.reply()).toEqual({ cookie: 9, error: 0 });
    }
    const lost = new RawClient();
    await lost.greet();
    lost.option(1, Buffer.from('other'));
    await lost.closed();
  });

  it('answers what is unknown or wrong and goes on', async () => {
    await serveSwap();
    const client = new RawClient();
    await client.greet();
    const name = Buffer.from('swap-16G');
    const cases: [number, Buffer, number][] = [
      [5, Buffer.alloc(0), 0x80000001],
      [10, Buffer.alloc(30), 0x80000001],
      [0xffffffff, Buffer.alloc(100), 0x80000001],
      [3, Buffer.alloc(1), 0x80000003],
      [8, Buffer.alloc(1), 0x80000003],
      [7, Buffer.alloc(5), 0x80000003],
      [7, Buffer.concat([u32(9), name, Buffer.alloc(2)]), 0x80000003],
      [7, Buffer.concat([u32(0xffffffff), name, Buffer.alloc(2)]), 0x80000003],
      [7, Buffer.concat([u32(8), name, Buffer.from([0, 2, 0, 0])]), 0x80000003],
      [6, Buffer.concat([u32(4), Buffer.from('nope'), Buffer.alloc(2)]), 0x80000006],
    ];
    for (const [option, data, type] of cases) {
      client.option(option, data);
      expect(await client.optionReply()).toMatchObject({ option, type });
    }
    client.option(7, Buffer.concat([u32(0), Buffer.from([0, 2, 0, 1, 0, 2])]));
    const infos = [];
    for (let reply = await client.optionReply(); reply.type === 3; reply = await client.optionReply())
      infos.push([reply.data.readUInt16BE(0), reply.data.subarray(2).toString('latin1')]);
    expect(infos.slice(2)).toEqual([
      [1, 'swap-16G'],
      [2, 'Swap space, empty at power-on'],
    ]);
    client.request(3, 0, 0, { cookie: 1 });
    expect(await client.reply()).toEqual({ cookie: 1, error: 0 });
  });

  it('ends with ABORT, with flags or options that make no sense, and with too much of them', async () => {
    await serveSwap();
    const polite = new RawClient();
    await polite.greet();
    polite.option(2);
    expect((await polite.optionReply()).type).toBe(1);
    await polite.closed();
    const strange = new RawClient();
    await strange.greet(4);
    await strange.closed();
    const junk = new RawClient();
    await junk.greet();
    junk.socket.write('GET / HTTP/1.0\r\n\r\n');
    await junk.closed();
    const long = new RawClient();
    await long.greet();
    long.option(7, Buffer.alloc(0), 0x7fffffff);
    expect((await long.optionReply()).type).toBe(0x80000009);
    await long.closed();
    const endless = new RawClient();
    await endless.greet();
    for (let option = 0; option < 65; option++) endless.option(3);
    await endless.closed();
  });

  it('must come to an end in time', async () => {
    const { events } = await serve(() => [], 50);
    const idle = new RawClient();
    const slow = new RawClient();
    await slow.greet();
    await Promise.all([idle.closed(), slow.closed()]);
    await until(
      'both refused',
      () => events.length,
      (count) => count === 2,
    );
    expect(events[0]).toMatchObject({ phase: 'refused', cause: 'no export was chosen in time' });
  });

  it('tells of an export that cannot be opened', async () => {
    const broken = exportOf(new MemoryStore(1), MIB, { open: () => Promise.reject(new Error('no disk')) });
    const { events } = await serve(() => [broken]);
    const client = new RawClient();
    await client.greet();
    client.option(7, Buffer.concat([u32(0), Buffer.alloc(2)]));
    const types = [];
    for (let count = 0; count < 3; count++) types.push((await client.optionReply()).type);
    expect(types).toEqual([3, 3, 0x80000006]);
    client.option(1, Buffer.from('disk'));
    await client.closed();
    expect(events[0]).toMatchObject({
      phase: 'refused',
      path: 'disk',
      cause: 'it cannot be opened: no disk',
    });
  });
});

describe('junk', () => {
  const INTERESTING = [0, 1, 2, 3, 4, 6, 7, 8, 255, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
  const option = (number: number, data: Buffer): Buffer =>
    Buffer.concat([Buffer.from('IHAVEOPT'), u32(number, data.length), data]);
  const named = Buffer.concat([u32(8), Buffer.from('swap-16G'), Buffer.from([0, 1, 0, 3])]);
  const options = [
    option(1, Buffer.from('swap-16G')),
    option(3, Buffer.alloc(0)),
    option(6, named),
    option(7, named),
    option(8, Buffer.alloc(0)),
    option(10, named),
  ];
  const requests = [0, 1, 3, 4, 5, 6, 7].flatMap((command) =>
    [0, 5000, 9 * 1024 ** 3].map((offset) => {
      const head = request(command, offset, 300, { cookie: command });
      return command === 1 ? Buffer.concat([head, Buffer.alloc(300, 7)]) : head;
    }),
  );

  /** `from`: what is before it stays right most of the time, or nothing but the magic would be tested. */
  function mutate(source: Buffer, from: number, random: (below: number) => number): Buffer {
    const bytes = Buffer.from(source);
    for (let change = random(3); change > 0; change--) {
      const start = random(300) === 0 ? 0 : from;
      if (random(2) === 0) bytes[start + random(bytes.length - start)] = random(256);
      else {
        const word = start + 4 * random(Math.floor((bytes.length - start) / 4));
        bytes.writeUInt32BE(INTERESTING[random(INTERESTING.length)] ?? 0, word);
      }
    }
    return random(2000) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
  }

  /** A WRITE for which the server may wait for more data than follows. */
  function isHungry(packet: Buffer): boolean {
    if (packet.length < 28 || packet.readUInt16BE(6) !== 1) return false;
    return packet.readUInt32BE(24) > 2000 && packet.readUInt32BE(24) <= 32 * MIB;
  }

  /** Sends, and waits until the server has closed the connection or answered the last of many FLUSHes. */
  async function torment(packets: Buffer[]): Promise<boolean> {
    const socket = connect(10809, '127.0.0.1');
    const last = Array.from({ length: 200 }, () => request(3, 0, 0, { cookie: 0x7777_7777 }));
    socket.on('error', () => {});
    let tail = Buffer.alloc(0);
    const isDone = new Promise<boolean>((resolve) => {
      socket.on('close', () => resolve(false));
      socket.on('data', (chunk) => {
        tail = Buffer.concat([tail, chunk]).subarray(-16);
        if (tail.length === 16 && tail.readUInt32BE(12) === 0x7777_7777) resolve(true);
      });
    });
    const bytes = Buffer.concat([...packets, ...last]);
    if (packets.some(isHungry)) socket.end(bytes);
    else socket.write(bytes);
    const answered = await isDone;
    socket.destroy();
    return answered;
  }

  it('100,000 mutated options and requests do no harm', async () => {
    const { swap, events } = await serveSwap(64 * MIB);
    const random = generator(7);
    const pick = (list: Buffer[]): Buffer => list[random(list.length)] ?? Buffer.alloc(0);
    const before = process.memoryUsage.rss();
    let connections = 0;
    let answered = 0;
    for (let sent = 0; sent < 100_000; connections++) {
      const packets = [u32(random(50) === 0 ? random(2 ** 32) : 3)];
      for (let count = random(6); count > 0; count--) packets.push(mutate(pick(options), 8, random));
      packets.push(option(random(2) === 0 ? 1 : 7, random(2) === 0 ? Buffer.from('swap-16G') : named));
      for (let count = random(random(10) === 0 ? 120 : 30); count > 0; count--)
        packets.push(mutate(pick(requests), 4, random));
      sent += packets.length;
      if (await torment(packets)) answered++;
    }
    // Many streams went through to their end; the others ended where they made no sense any more.
    expect(connections).toBeGreaterThan(1000);
    expect(answered).toBeGreaterThan(300);
    expect(process.memoryUsage.rss() - before).toBeLessThan(250 * MIB);
    expect(swap.usage()[0]?.fileBytes).toBeLessThanOrEqual(64 * MIB);
    expect(events.length).toBeLessThan(20_000);
    await run('qemu-io', ['-f', 'raw', '-c', 'write -P 9 4k 1M', '-c', 'read -P 9 4k 1M', URI]);
  });
});
