import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { BootyardError, messageOf } from '../../errors.ts';
import { endGroup } from '../process-group.ts';
import { cancelled } from '../rpc-error.ts';
import { consoleText } from './console-text.ts';

/** What was printed, its middle left out when it is too long. */
export interface Kept {
  text: string;
  leftOutBytes: number;
}
export interface CommandOutcome {
  /** null: time was up */
  exitCode: number | null;
  stdout: Kept;
  stderr: Kept;
}

/**
 * Runs a program to its end. When time is up or `signal` is aborted it ends with all that it has started on this host.
 * Throws `call.cancelled`, or `node.run` when it cannot be started.
 */
export async function runBounded(
  [program = '', ...args]: readonly string[],
  options: { signal: AbortSignal; timeoutSeconds: number; maxBytes: number },
): Promise<CommandOutcome> {
  if (options.signal.aborted) throw cancelled();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = (): void => endGroup(child);
  const limit = AbortSignal.timeout(options.timeoutSeconds * 1000);
  for (const signal of [options.signal, limit]) signal.addEventListener('abort', stop);
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => keepEnds(stream, options.maxBytes));
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) =>
        reject(new BootyardError('node.run', `${program} cannot be started: ${messageOf(error)}.`)),
      );
      child.once('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    if (options.signal.aborted) throw cancelled();
    const kept = { stdout: stdout?.() ?? NOTHING, stderr: stderr?.() ?? NOTHING };
    return { exitCode: limit.aborted ? null : exitCode, ...kept };
  } finally {
    for (const signal of [options.signal, limit]) signal.removeEventListener('abort', stop);
  }
}

const NOTHING: Kept = { text: '', leftOutBytes: 0 };

/** The first and the last half of what is allowed; how a command begins and how it ends is what tells. */
function keepEnds(stream: Readable, maxBytes: number): () => Kept {
  const half = Math.floor(maxBytes / 2);
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  let total = 0;
  stream.on('data', (chunk: Buffer) => {
    total += chunk.length;
    const room = half - head.length;
    if (room > 0) head = Buffer.concat([head, chunk.subarray(0, room)]);
    tail = Buffer.concat([tail, chunk.subarray(Math.max(0, room))]).subarray(-half);
  });
  return () => {
    const leftOutBytes = total - head.length - tail.length;
    if (leftOutBytes === 0) return { text: consoleText(Buffer.concat([head, tail])), leftOutBytes };
    return {
      text: `${consoleText(head)}\n[${leftOutBytes} bytes left out]\n${consoleText(tail)}`,
      leftOutBytes,
    };
  };
}
