import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { BenchRow } from './row.ts';

/** Figures of both sides, taken in turn so that what else the machine does hits both. */
export interface Figures {
  ours: number[];
  peer: number[];
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Takes `rounds` figures of each side, in turn. */
export async function inTurn(
  rounds: number,
  ours: () => Promise<number> | number,
  peer: () => Promise<number> | number,
): Promise<Figures> {
  const figures: Figures = { ours: [], peer: [] };
  for (let round = 0; round < rounds; round++) {
    figures.peer.push(await peer());
    figures.ours.push(await ours());
  }
  return figures;
}

/** `target` null: reported only. `less`: a smaller figure is the better one. */
export function compared(
  what: { name: string; unit: string; peerName: string; target: number | null; less?: boolean },
  figures: Figures,
): BenchRow {
  const ours = median(figures.ours);
  const peer = median(figures.peer);
  const ratio = what.less ? peer / ours : ours / peer;
  const { name, unit, peerName, target } = what;
  return { name, unit, ours, peer, peerName, ratio, target, met: target === null ? null : ratio >= target };
}

/** Compiles a C file of this folder; returns the program's path. */
export function compileC(source: string, folder: string): string {
  const program = join(folder, source.replace(/\.c$/, ''));
  execFileSync('gcc', ['-O2', '-o', program, join(import.meta.dirname, source)]);
  return program;
}

/** Starts a server and waits until it accepts connections on `port` of 127.0.0.1. */
export async function startServer(port: number, program: string, ...args: string[]): Promise<ChildProcess> {
  const server = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(server, 'exit').then(() => {
    throw new Error(`${program} ended before it served`);
  });
  // A later end is the bench's own doing.
  ended.catch(() => {});
  await Promise.race([ended, answering(port)]);
  return server;
}

export async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
}

async function answering(port: number): Promise<void> {
  for (const started = Date.now(); Date.now() - started < 60_000;) {
    const socket = connect(port, '127.0.0.1');
    const there = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers on port ${port}`);
}
