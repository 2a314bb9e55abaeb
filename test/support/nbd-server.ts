import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import type { NbdExport, NbdStore } from '../../backend/protocols/nbd/export.ts';
import { NbdServer } from '../../backend/protocols/nbd/server.ts';
import { SwapExports } from '../../backend/protocols/nbd/swap-exports.ts';

export const run = promisify(execFile);
export const MIB = 1024 * 1024;
export const URI = 'nbd://127.0.0.1/swap-16G';
export const cleanup: (() => Promise<unknown> | void)[] = [];
export let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'by-nbd-'));
});
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

export interface Served {
  server: NbdServer;
  events: (EventBody & { kind: 'nbd' })[];
}
export async function serve(
  exports: (client: string) => readonly NbdExport[],
  timeout?: number,
): Promise<Served> {
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
export async function serveSwap(limit?: number, place = folder): Promise<Served & { swap: SwapExports }> {
  const swap = new SwapExports(place, limit);
  cleanup.push(() => swap.close());
  return { ...(await serve(swap.of)), swap };
}
export function exportOf(store: NbdStore, size: number, more: Partial<NbdExport> = {}): NbdExport {
  const open = (): Promise<NbdStore> => Promise.resolve(store);
  const release = (): Promise<void> => Promise.resolve();
  return { name: 'disk', size, description: 'a disk', readOnly: false, shared: true, open, release, ...more };
}
/** A store in memory whose reads and writes can be held up. */
export class MemoryStore implements NbdStore {
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
export function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

/** A client that says what it is told to, right or wrong. */
export class RawClient {
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
export function u32(...words: number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => bytes.writeUInt32BE(word >>> 0, 4 * index));
  return bytes;
}
export function request(
  command: number,
  offset: number,
  length: number,
  { flags = 0, cookie = 0 }: { flags?: number; cookie?: number } = {},
): Buffer {
  return u32(0x25609513, flags * 65536 + command, 0, cookie, Math.floor(offset / 2 ** 32), offset, length);
}
export const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** What a script of Python with libnbd printed. */
export async function libnbd(script: string, uri = URI): Promise<string> {
  const lines = script.split('\n').map((line) => line.replace(/^ {6}/, ''));
  const head = `import errno\nh.set_strict_mode(0)\ndef fails(f, *a, **k):
  try: f(*a, **k)
  except nbd.Error as e: return errno.errorcode.get(e.errnum, e.errnum)
  return 'ok'\n`;
  const whole = `import nbd\nh = nbd.NBD()\n${head}uri='${uri}'\n${lines.join('\n')}`;
  return (await run('/usr/bin/python3', ['-c', whole])).stdout.trim();
}
