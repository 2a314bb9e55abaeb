import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { linesOf } from '../../backend/api/lines.ts';
import { endGroup } from '../../backend/api/process-group.ts';
import type { WriteLine } from './run-terminal.ts';
import { INTERRUPTED } from './run-text.ts';

/** Runs a program of this machine and hands over the lines that it prints. Resolves with its exit code. */
export async function runProcess(
  argv: readonly string[],
  signal: AbortSignal,
  write: WriteLine,
): Promise<number> {
  const [program = '', ...rest] = argv;
  if (signal.aborted) return INTERRUPTED;
  // In a group of its own: what enters the lab's namespaces forks, and the whole of it has to end.
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = (): void => endGroup(child);
  signal.addEventListener('abort', stop);
  const readers = [child.stdout, child.stderr].map((stream) => copy(stream, write));
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? INTERRUPTED));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await Promise.all(readers);
  }
}

async function copy(stream: Readable, write: WriteLine): Promise<void> {
  const decoder = new TextDecoder();
  for await (const line of linesOf(stream)) await write(decoder.decode(line));
}
