import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { bufferSource, type FileSource } from '../../backend/protocols/file-source.ts';
import type { BootHttpServerParts } from '../../backend/protocols/http/parts.ts';
import { BootHttpServer } from '../../backend/protocols/http/server.ts';

export const run = promisify(execFile);
export const folder = mkdtempSync(join(tmpdir(), 'bootyard-http-'));
export const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const URL_BASE = 'http://127.0.0.1';
export const MIB = 1024 * 1024;
export const big = randomBytes(20 * MIB + 3);
export const SUBMODEL = '/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe';
export const broken: FileSource = {
  size: 2 * MIB,
  read: (target, position) => (position > MIB ? 0 : target.fill(1).length),
};
/** Larger than any socket buffer, without any memory. */
export const endless: FileSource = { size: 2 ** 40, read: (target) => target.fill(7).length };

export const files = new Map<string, FileSource>([
  ['/start.ipxe', bufferSource(Buffer.from('#!ipxe\n'))],
  ['/big', bufferSource(big)],
  ['/empty', bufferSource(Buffer.alloc(0))],
  ['/broken', broken],
  ['/endless', endless],
  [SUBMODEL, bufferSource(Buffer.from('params\n'))],
]);

export interface Served {
  server: BootHttpServer;
  events: EventBody[];
  /** resolves with the next event of this phase */
  next: (phase: string) => Promise<EventBody>;
  asked: string[];
}
export async function serve(parts: Partial<BootHttpServerParts> = {}): Promise<Served> {
  const events: EventBody[] = [];
  const waiting: { phase: string; resolve: (event: EventBody) => void }[] = [];
  const asked: string[] = [];
  const server = new BootHttpServer({
    address: '127.0.0.1',
    resolve: (client, path, query) => {
      asked.push(`${client} ${path} ${query.toString()}`);
      return files.get(path) ?? { missing: `image tiny has no /boot/pc-x86-64${path}` };
    },
    publish: (event) => {
      events.push(event);
      const at = waiting.findIndex(({ phase }) => 'phase' in event && event.phase === phase);
      if (at >= 0) waiting.splice(at, 1)[0]?.resolve(event);
    },
    ...parts,
  });
  await server.start();
  cleanup.push(() => server.close());
  const next = (phase: string): Promise<EventBody> =>
    new Promise((resolve) => waiting.push({ phase, resolve }));
  return { server, events, next, asked };
}

export async function curl(
  ...args: string[]
): Promise<{ status: number; headers: Map<string, string>; body: Buffer }> {
  const head = join(folder, 'head');
  const { stdout } = await run('curl', ['-s', '--max-time', '30', '-D', head, ...args], {
    encoding: 'buffer',
    maxBuffer: 64 * MIB,
  });
  const lines = readFileSync(head, 'latin1').trim().split('\r\n');
  const headers = new Map(lines.slice(1).map((line) => line.toLowerCase().split(': ') as [string, string]));
  return { status: Number(lines[0]?.split(' ')[1]), headers, body: stdout };
}
export const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export async function open(address = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port: 80, host: '127.0.0.1', localAddress: address });
  socket.on('error', () => {});
  cleanup.push(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}
/** All that comes until the server closes. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('latin1');
}

export function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
