import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import type { NbdExport, NbdStore } from '../../backend/protocols/nbd/export.ts';
import { NbdServer } from '../../backend/protocols/nbd/server.ts';
import { SparseFile } from '../../backend/protocols/nbd/sparse-file.ts';
import { SwapExports } from '../../backend/protocols/nbd/swap-exports.ts';
import { until } from '../support/lab.ts';
import { generator } from '../support/generator.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const URI = 'nbd://127.0.0.1/swap-16G';
const cleanup: (() => Promise<unknown> | void)[] = [];
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'by-nbd-'));
});
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

interface Served {
  server: NbdServer;
  events: (EventBody & { kind: 'nbd' })[];
}
async function serve(exports: (client: string) => readonly NbdExport[], timeout?: number): Promise<Served> {
  const events: Served['events'] = [];
  const server = new NbdServer({
    exports,
    publish: (event) => event.kind === 'nbd' && events.push(event),
    handshakeTimeout: timeout,
  });
  await server.listen('127.0.0.1');
  cleanup.push(() => server.close());
  return { server, events };
}
async function serveSwap(limit?: number, place = folder): Promise<Served & { swap: SwapExports }> {
  const swap = new SwapExports(place, limit);
  cleanup.push(() => swap.close());
  return { ...(await serve(swap.of)), swap };
}
function exportOf(store: NbdStore, size: number, more: Partial<NbdExport> = {}): NbdExport {
  const open = (): Promise<NbdStore> => Promise.resolve(store);
  const release = (): Promise<void> => Promise.resolve();
  return { name: 'disk', size, description: 'a disk', readOnly: false, shared: true, open, release, ...more };
}
/** A store in memory whose reads and writes can be held up. */
class MemoryStore implements NbdStore {
  readonly bytes: Buffer;
  storedBytes = 0;
  begun = 0;
  flushes = 0;
  /** what a read or write at a position waits for */
  gates = new Map<number, Promise<void>>();
  failing: string | undefined;
  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
  }
  async read(target: Uint8Array, position: number): Promise<void> {
    await this.#enter(position);
    target.set(this.bytes.subarray(position, position + target.length));
  }
  async write(data: Uint8Array, position: number): Promise<void> {
    await this.#enter(position);
    this.bytes.set(data, position);
  }
  async flush(): Promise<void> {
    this.flushes++;
  }
  async zero(position: number, length: number): Promise<void> {
    this.bytes.fill(0, position, position + length);
  }
  async trim(): Promise<void> {}
  isHole(): boolean {
    return false;
  }
  async #enter(position: number): Promise<void> {
    this.begun++;
    await this.gates.get(position);
    if (this.failing) throw Object.assign(new Error('expected'), { code: this.failing });
  }
}
function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

/** A client that says what it is told to, right or wrong. */
class RawClient {
  readonly socket: Socket;
  isClosed = false;
  #chunks: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => {};
  constructor() {
    this.socket = connect(10809, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    cleanup.push(() => void this.socket.destroy());
  }
  async read(count: number): Promise<Buffer> {
    while (this.#length < count) {
      if (this.isClosed) throw new Error(`closed with ${this.#length} of ${count} bytes`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#length -= count;
    return all.subarray(0, count);
  }
  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
  async greet(flags = 3): Promise<void> {
    const greeting = (await this.read(18)).toString('latin1');
    if (greeting !== 'NBDMAGICIHAVEOPT\0\x03') throw new Error(`wrong greeting: ${greeting}`);
    this.socket.write(u32(flags));
  }
  option(option: number, data: Buffer = Buffer.alloc(0), length = data.length): void {
    this.socket.write(Buffer.concat([Buffer.from('IHAVEOPT'), u32(option, length), data]));
  }
  async optionReply(): Promise<{ option: number; type: number; data: Buffer }> {
    const head = await this.read(20);
    if (head.toString('hex', 0, 8) !== '0003e889045565a9') throw new Error('not an option reply');
    return {
      option: head.readUInt32BE(8),
      type: head.readUInt32BE(12),
      data: await this.read(head.readUInt32BE(16)),
    };
  }
  /** To the transmission phase by EXPORT_NAME. */
  async choose(name: string): Promise<void> {
    await this.greet();
    this.option(1, Buffer.from(name));
    await this.read(10);
  }
  request(
    command: number,
    offset: number,
    length: number,
    more: { flags?: number; cookie?: number } = {},
  ): void {
    this.socket.write(request(command, offset, length, more));
  }
  async reply(): Promise<{ cookie: number; error: number }> {
    const head = await this.read(16);
    if (head.readUInt32BE(0) !== 0x67446698) throw new Error('not a simple reply');
    return { error: head.readUInt32BE(4), cookie: head.readUInt32BE(12) };
  }
}
function u32(...words: number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => bytes.writeUInt32BE(word >>> 0, 4 * index));
  return bytes;
}
function request(
  command: number,
  offset: number,
  length: number,
  { flags = 0, cookie = 0 }: { flags?: number; cookie?: number } = {},
): Buffer {
  return u32(0x25609513, flags * 65536 + command, 0, cookie, Math.floor(offset / 2 ** 32), offset, length);
}
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** What a script of Python with libnbd printed. */
async function libnbd(script: string, uri = URI): Promise<string> {
  const lines = script.split('\n').map((line) => line.replace(/^ {6}/, ''));
  const head = `import errno\nh.set_strict_mode(0)\ndef fails(f, *a, **k):
  try: f(*a, **k)
  except nbd.Error as e: return errno.errorcode.get(e.errnum, e.errnum)
  return 'ok'\n`;
  const whole = `import nbd\nh = nbd.NBD()\n${head}uri='${uri}'\n${lines.join('\n')}`;
  return (await run('/usr/bin/python3', ['-c', whole])).stdout.trim();
}

describe('libnbd and QEMU', () => {
  it('list the exports and their qualities', async () => {
    const { events } = await serveSwap();
    const list = JSON.parse((await run('nbdinfo', ['--list', '--json', 'nbd://127.0.0.1'])).stdout);
    expect(list).toMatchObject({ protocol: 'newstyle-fixed', structured: true, TLS: false });
    expect(list.exports).toHaveLength(1);
    const { stdout } = await run('nbdinfo', ['--json', 'nbd://127.0.0.1']);
    expect(JSON.parse(stdout).exports[0]).toMatchObject({
      description: 'Swap space, empty at power-on',
      'export-size': 16 * 1024 * MIB,
      is_read_only: false,
      can_df: true,
      can_cache: false,
      can_fast_zero: true,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    });
    expect((await run('nbd-client', ['-l', '127.0.0.1'])).stdout).toContain('swap-16G');
    await expect(run('nbdinfo', ['nbd://127.0.0.1/other'])).rejects.toThrow('No such file');
    await until(
      'refusal',
      () => events.at(-1),
      (event) => event?.phase === 'refused',
    );
    expect(events.at(-1)).toMatchObject({ client: '127.0.0.1', path: 'other', cause: /no export/ });
  });

  it("nodes' own client gets through the handshake", async () => {
    await serveSwap();
    // The device is missing here; the negotiation comes before it.
    const ended = await run('nbd-client', ['-N', 'swap-16G', '127.0.0.1', '/dev/nbd0']).catch(
      (error) => error,
    );
    expect(String(ended.stdout)).toContain('size = 16384MB');
  });

  it('nbdcopy copies there and back over several connections', async () => {
    const { events, swap } = await serveSwap();
    const content = randomBytes(40 * MIB + 12_345);
    writeFileSync(join(folder, 'in'), content);
    await run('nbdcopy', ['--connections=4', join(folder, 'in'), URI]);
    expect(swap.usage()[0]?.storedBytes).toBe(Math.ceil(content.length / 4096) * 4096);
    const copy = `nbdcopy ${URI} - | head -c ${content.length} | sha256sum`;
    expect((await run('sh', ['-c', copy])).stdout).toContain(sha(content));
    const count = (phase: string): number => events.filter((event) => event.phase === phase).length;
    await until(
      'all ends',
      () => [count('start'), count('end')],
      ([starts, ends]) => starts === ends,
    );
    expect(count('end')).toBeGreaterThanOrEqual(3);
    const written = events.reduce((sum, event) => sum + event.bytesWritten, 0);
    expect(written).toBe(content.length);
  });

  it('qemu-img converts into and out of an export', async () => {
    const size = 24 * MIB;
    const file = await SparseFile.create(folder, size);
    cleanup.push(() => file.close());
    await serve(() => [exportOf(file, size)]);
    const content = Buffer.concat([randomBytes(5 * MIB), Buffer.alloc(10 * MIB), randomBytes(9 * MIB)]);
    writeFileSync(join(folder, 'in'), content);
    const uri = 'nbd://127.0.0.1/disk';
    await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', join(folder, 'in'), uri]);
    expect(file.storedBytes).toBe(14 * MIB);
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uri, join(folder, 'out')]);
    expect(sha(readFileSync(join(folder, 'out')))).toBe(sha(content));
  });

  it('qemu-io writes, zeroes, discards and reads patterns of any alignment', async () => {
    const { swap } = await serveSwap();
    const commands = [
      'write -P 0x55 1M 3M',
      'write -z -u 1M 1M',
      'discard 2M 1M',
      'write -P 0x66 1234567 100',
      'write -f -P 0x77 15G 32M',
      'flush',
      'read -P 0 1M 185991',
      'read -P 0x66 1234567 100',
      'read -P 0 1234667 4096',
      'read -P 0x55 3M 1M',
      'read -P 0x77 15G 32M',
      'read -P 0 10G 4M',
    ].flatMap((command) => ['-c', command]);
    const { stdout } = await run('qemu-io', ['-f', 'raw', ...commands, URI]);
    expect(stdout).not.toMatch(/fail|error/i);
    // What was zeroed or discarded takes no space.
    expect(swap.usage()[0]?.storedBytes).toBe(33 * MIB + 4096);
  });

  it('answer odd requests with the errors of the protocol', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.connect_uri(uri)
      size = h.get_size()
      print(fails(h.pread, 0, 0), fails(h.pread, 2, size - 1), fails(h.pread, 33 << 20, 0))
      print(fails(h.pwrite, b'xx', size - 1), fails(h.zero, 2, size - 1), fails(h.trim, 2, size - 1))
      print(fails(h.pwrite, b'x', 0, flags=nbd.CMD_FLAG_DF), fails(h.cache, 1, 0))
      print(fails(h.zero, 4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO))
      print(fails(h.zero, 4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE))
      h.pwrite(b'yes', 5, flags=nbd.CMD_FLAG_FUA)
      print(fails(h.pread, 3 << 20, 0, flags=nbd.CMD_FLAG_DF), fails(h.block_status, 1, 0, lambda *a: 0))
      h.flush()
      print(bytes(h.pread(5, 4)))`);
    expect(printed.split('\n')).toEqual([
      'EINVAL EINVAL EINVAL',
      'ENOSPC ENOSPC EINVAL',
      'EINVAL EINVAL',
      'ok',
      expect.stringMatching(/^E(OPNOTSUPP|NOTSUP)$/),
      'EOVERFLOW EINVAL',
      String.raw`b'\x00yes\x00'`,
    ]);
  });

  it('see holes as holes, and data that is not fragmented when they ask for it', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.connect_uri(uri)
      h.pwrite(b'x' * 4096, 8192)
      def seen(*a, **k):
        chunks = []
        h.pread_structured(*a, lambda b, o, s, e: chunks.append((o, len(b), s)), **k)
        return chunks
      print(seen(8192, 0), seen(8192, 4096), seen(12288, 0, flags=nbd.CMD_FLAG_DF))
      print(seen(5 << 20, 0), nbd.READ_DATA, nbd.READ_HOLE)
      h.zero(4096, 8192, flags=nbd.CMD_FLAG_NO_HOLE)
      print(seen(4096, 8192))
      h.zero(4096, 8192)
      print(seen(4096, 8192))`);
    const chunks = '[(0, 2097152, 1), (2097152, 2097152, 1), (4194304, 1048576, 1)]';
    expect(printed.split('\n')).toEqual([
      '[(0, 8192, 2)] [(4096, 8192, 1)] [(0, 12288, 1)]',
      `${chunks} 1 2`,
      '[(8192, 4096, 1)]',
      '[(8192, 4096, 2)]',
    ]);
  });

  it('get simple replies without structured ones, the longest read among them', async () => {
    await serveSwap();
    const printed = await libnbd(`
      h.set_request_structured_replies(False)
      h.connect_uri(uri)
      data = bytes(range(256)) * (32 << 12)
      h.pwrite(data, 1 << 30)
      print(bytes(h.pread(32 << 20, 1 << 30)) == data, bytes(h.pread(3, (1 << 30) + 1)), h.can_df())
      print(fails(h.pread, 1, h.get_size()), bytes(h.pread(1, (1 << 30) + 7)))`);
    expect(printed).toBe(String.raw`True b'\x01\x02\x03' False` + '\n' + String.raw`EINVAL b'\x07'`);
  });

  it('cannot write to what is read-only', async () => {
    const store = new MemoryStore(MIB);
    await serve(() => [exportOf(store, MIB, { readOnly: true, shared: false })]);
    const uri = 'nbd://127.0.0.1/disk';
    const { stdout } = await run('nbdinfo', ['--json', uri]);
    const qualities = { is_read_only: true, can_trim: false, can_zero: false, can_multi_conn: false };
    expect(JSON.parse(stdout).exports[0]).toMatchObject(qualities);
    const script = `
      h.connect_uri(uri)
      print(fails(h.pwrite, b'x', 0), fails(h.trim, 1, 0), fails(h.zero, 1, 0), fails(h.flush))`;
    expect(await libnbd(script, uri)).toBe('EPERM EPERM EPERM ok');
    expect(store.bytes[0]).toBe(0);
  });
});

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

describe('swap space', () => {
  it('outlives a server that is killed and a client that comes again, not a power-off', async () => {
    const { server, swap } = await serveSwap();
    const write = `qemu-io -f raw -c 'write -P 5 1M 1M' ${URI}`;
    await run('sh', ['-c', write]);
    const holding = new RawClient();
    await holding.choose('swap-16G');
    await server.close();
    await holding.closed();
    const { server: next } = await serve(swap.of);
    expect((await run('qemu-io', ['-f', 'raw', '-c', 'read -P 5 1M 1M', URI])).stdout).not.toContain(
      'failed',
    );
    await next.dropClient('127.0.0.1');
    await swap.discard('127.0.0.1');
    expect(swap.usage()).toEqual([]);
    expect((await run('qemu-io', ['-f', 'raw', '-c', 'read -P 0 1M 1M', URI])).stdout).not.toContain(
      'failed',
    );
  });

  it('a client that is killed while it writes may come again at once', async () => {
    const { swap } = await serveSwap();
    for (let round = 0; round < 5; round++) {
      const load = spawn('nbdcopy', ['/dev/zero', URI], { stdio: 'ignore' });
      await until(
        'some data',
        () => swap.usage()[0]?.storedBytes ?? 0,
        (bytes) => bytes > round * 8 * MIB,
      );
      load.kill('SIGKILL');
      await once(load, 'exit');
    }
    expect((await run('nbdinfo', ['--size', URI])).stdout.trim()).toBe(String(16 * 1024 * MIB));
  });

  it('on a full disk: ENOSPC, and on as soon as there is room', async () => {
    const place = join(folder, 'small');
    mkdirSync(place);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', place]);
    cleanup.push(() => run('umount', ['-l', place]));
    const { swap } = await serveSwap(undefined, place);
    const printed = await libnbd(`
      h.connect_uri(uri)
      h.pwrite(b'a' * (6 << 20), 0)
      print(fails(h.pwrite, b'b' * (4 << 20), 6 << 20), fails(h.pwrite, b'c' * 4096, 12 << 30))
      print(bytes(h.pread(2, (6 << 20) - 2)), fails(h.flush))
      h.trim(10 << 20, 0)
      h.pwrite(b'd' * (7 << 20), 3 << 30)
      print(bytes(h.pread(2, (3 << 30) + (7 << 20) - 1)))`);
    expect(printed.split('\n')).toEqual(['ENOSPC ENOSPC', "b'aa' ok", String.raw`b'd\x00'`]);
    expect(swap.usage()[0]?.fileBytes).toBeLessThan(12 * MIB);
  });

  it('stays within its limit', async () => {
    const { swap } = await serveSwap(3 * MIB);
    const printed = await libnbd(`
      h.connect_uri(uri)
      print([fails(h.pwrite, b'x' * (1 << 20), n << 30) for n in range(5)])
      h.trim(1 << 20, 1 << 30)
      print(fails(h.pwrite, b'x' * (1 << 20), 9 << 30))`);
    expect(printed).toBe("['ok', 'ok', 'ok', 'ENOSPC', 'ENOSPC']\nok");
    expect(swap.usage()).toEqual([{ client: '127.0.0.1', storedBytes: 3 * MIB, fileBytes: 3 * MIB }]);
  });
});
