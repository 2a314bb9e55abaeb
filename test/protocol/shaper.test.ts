import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrameSplitter } from '../../backend/lab/shaper/frames.ts';
import { shaperSockets, type ShapedCard } from '../../backend/lab/shaper/sockets.ts';
import { generator } from '../support/generator.ts';

const PROGRAM = join(import.meta.dirname, '../../backend/lab/shaper/main.ts');
let folder: string;
let shaper: ChildProcess | undefined;
let said: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'by-s-'));
  said = '';
});
afterEach(() => {
  shaper?.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

interface Wire {
  source: Socket;
  target: Socket;
  /** frames that came out, without their headers, and when */
  arrived: { bytes: Buffer; at: number }[];
}
const wireOf = (source: Socket, target: Socket): Wire => {
  const arrived: Wire['arrived'] = [];
  const splitter = new FrameSplitter();
  target.on('data', (chunk: Buffer) => {
    for (const frame of splitter.push(chunk) ?? [])
      arrived.push({ bytes: frame.subarray(4), at: performance.now() });
  });
  return { source, target, arrived };
};

/** The shaper of one card, connected as QEMU does it. */
async function start(limits: ShapedCard['limits']): Promise<{ fromGuest: Wire; toGuest: Wire }> {
  const path = join(folder, 'n');
  shaper = spawn(process.execPath, [PROGRAM, JSON.stringify([{ path, limits }])], { stdio: 'pipe' });
  shaper.stderr?.on('data', (text) => (said += String(text)));
  if (shaper.stdout) await once(shaper.stdout, 'data');
  const { fromGuest, toGuest } = shaperSockets(path);
  const paths = [fromGuest.source, fromGuest.target, toGuest.source, toGuest.target];
  const [a, b, c, d] = paths.map((one) => connect(one).on('error', () => undefined));
  if (!a || !b || !c || !d) throw new Error('no sockets');
  await Promise.all([a, b, c, d].map((socket) => once(socket, 'connect')));
  return { fromGuest: wireOf(a, b), toGuest: wireOf(c, d) };
}
const framed = (bytes: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
};
const arrival = async (wire: Wire, count: number): Promise<void> => {
  while (wire.arrived.length < count) await delay(5);
};
const ended = async (): Promise<number | null> => {
  const child = shaper;
  if (child && child.exitCode === null) await once(child, 'exit');
  return child?.exitCode ?? null;
};

test('frames arrive whole, in order and not before their time, in both directions', async () => {
  const { fromGuest, toGuest } = await start({ delayMs: 40, bandwidth: 8e6 });
  const sentAt = performance.now();
  for (const wire of [fromGuest, toGuest]) {
    for (let i = 0; i < 30; i++) wire.source.write(framed(Buffer.alloc(1000, i)));
  }
  for (const wire of [fromGuest, toGuest]) {
    await arrival(wire, 30);
    wire.arrived.forEach(({ bytes, at }, i) => {
      expect(bytes.equals(Buffer.alloc(1000, i))).toBe(true);
      // Each takes 1 ms to send, and 40 ms to arrive.
      expect(at - sentAt).toBeGreaterThanOrEqual(i + 1 + 40);
    });
  }
});

test('ends when QEMU does, without a word', async () => {
  const { fromGuest } = await start({ loss: 0.5 });
  fromGuest.source.write(framed(Buffer.alloc(60)));
  fromGuest.source.destroy();
  expect([await ended(), said]).toEqual([0, '']);
});

test('a stream that makes no sense ends it, and is not an error of its own', async () => {
  const next = generator(17);
  for (let round = 0; round < 6; round++) {
    const { fromGuest, toGuest } = await start({ delayMs: 1 });
    for (const { source } of [fromGuest, toGuest]) {
      for (let i = 0; i < 20; i++)
        source.write(Buffer.from(Array.from({ length: next(3000) }, () => next(256))));
      source.write(Buffer.alloc(4, 0xff));
    }
    expect([await ended(), said]).toEqual([0, '']);
  }
}, 60_000);

test('a flood that nobody takes costs bounded memory', async () => {
  const { fromGuest } = await start({ delayMs: 1 });
  fromGuest.target.pause();
  const chunk = Buffer.concat(Array.from({ length: 600 }, () => framed(Buffer.alloc(100))));
  // A gigabyte: what is kept is bounded, what waits for the garbage collector comes on top.
  for (let i = 0; i < 16_000; i++) if (!fromGuest.source.write(chunk)) await once(fromGuest.source, 'drain');
  const status = readFileSync(`/proc/${shaper?.pid}/status`, 'latin1');
  expect(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(500_000);
  expect(shaper?.exitCode).toBeNull();
}, 60_000);
