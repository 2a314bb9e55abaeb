import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { BootyardError, messageOf } from '../../errors.ts';
import { endGroup } from '../process-group.ts';

/** What is kept of what a program says: a node may say more. */
const MAX_SAID = 64 * 1024;

export interface Ended {
  /** null: ended by a signal */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, until the signal, or until it has said far too much. */
export async function run(argv: readonly string[], signal?: AbortSignal): Promise<Ended> {
  const { child, ended, stop } = start(argv, ['ignore', 'pipe', 'pipe'], signal);
  const stdout = keep(child.stdout, stop);
  const end = await ended;
  signal?.throwIfAborted();
  return { ...end, stdout: stdout() };
}

/**
 * Runs two programs, the output of one being the input of the other, and tells which of them failed first: that is the
 * reason, the other one only lost its partner. Throws when the signal comes; both have ended then.
 */
export async function pipe(
  sender: readonly string[],
  receiver: readonly string[],
  options: { signal: AbortSignal; onBytes: (count: number) => void },
): Promise<{ sender: Ended; receiver: Ended; first: 'sender' | 'receiver' | undefined }> {
  const from = start(sender, ['ignore', 'pipe', 'pipe'], options.signal);
  const to = start(receiver, ['pipe', 'ignore', 'pipe'], options.signal);
  const bytes = from.child.stdout;
  const input = to.child.stdin;
  bytes?.on('data', (chunk: Buffer) => options.onBytes(chunk.length));
  if (input) bytes?.pipe(input);
  // A reader that has the last member may leave the padding: the sender should not fail by that.
  input?.on('error', () => bytes?.resume());
  let first: 'sender' | 'receiver' | undefined;
  from.child.on('exit', (code) => {
    if (code !== 0) first ??= 'sender';
  });
  to.child.on('exit', (code) => {
    bytes?.unpipe();
    bytes?.resume();
    if (code === 0) return;
    first ??= 'receiver';
    from.stop();
  });
  const [sent, received] = await Promise.all([from.ended, to.ended]);
  options.signal.throwIfAborted();
  return { sender: { ...sent, stdout: '' }, receiver: { ...received, stdout: '' }, first };
}

/** In a group of its own: ctrl-C is ours to handle, and what the program started ends with it. */
function start(argv: readonly string[], stdio: StdioOptions, signal: AbortSignal | undefined) {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio, detached: true });
  const stop = () => endGroup(child);
  const stderr = keep(child.stderr);
  const ended = new Promise<Omit<Ended, 'stdout'>>((resolve, reject) => {
    child.on('error', (error) => {
      reject(new BootyardError('node.cp', `${program} cannot be started: ${messageOf(error)}.`));
    });
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      resolve({ code, stderr: stderr() });
    });
  });
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  return { child, ended, stop };
}

function keep(stream: ChildProcess['stdout'], onFull = (): void => {}): () => string {
  let kept = Buffer.alloc(0);
  stream?.on('data', (chunk: Buffer) => {
    if (kept.length < MAX_SAID) kept = Buffer.concat([kept, chunk]).subarray(0, MAX_SAID);
    else onFull();
  });
  return () => kept.toString();
}
