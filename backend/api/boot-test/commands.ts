import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../../errors.ts';
import type { NodeCommand } from './file.ts';
import type { Client, RunOptions } from './run.ts';

/** An image that says it is booted may start its ssh server a moment later. */
const SSH_MS = 60_000;
const SSH_FAILED = 255;
const MOST_OUTPUT = 1 << 20;
const MOST_WORDS = 200;

type Control = Pick<RunOptions, 'signal' | 'onProgress'>;
export interface Ended {
  /** null: it did not end in time */
  code: number | null;
  output: string;
}

export interface CommandFailure {
  index: number;
  message: string;
  /** the node takes no commands */
  isSilent: boolean;
}

/** Runs a command in a node for so many seconds. */
export type RunInNode = (command: string, seconds: number) => Promise<Ended>;

/** How commands are run in a node, once its ssh server answers; a sentence when it does not. */
export async function shellOf(
  client: Client,
  node: string,
  { signal, onProgress }: Control,
): Promise<RunInNode | string> {
  const run: RunInNode = async (command, seconds) => {
    const { argv } = await client.call('node.shellCommand', { node, command, tty: false }, { signal });
    return await runFor(argv, seconds * 1000, signal);
  };
  onProgress({ message: `${node}: waiting for its ssh server` });
  const silence = await untilAnswers(() => run('true', 30), signal);
  if (silence === undefined) return run;
  return `No command can be run in the node: its ssh server does not answer (${silence}).`;
}

/** Runs commands in a node; answers which of them did not do what was expected, with a sentence for each. */
export async function checkCommands(
  client: Client,
  node: string,
  commands: readonly NodeCommand[],
  control: Control,
): Promise<CommandFailure[]> {
  if (commands.length === 0) return [];
  const run = await shellOf(client, node, control);
  if (typeof run === 'string') return [{ index: 0, message: run, isSilent: true }];
  const failures: CommandFailure[] = [];
  for (const [index, command] of commands.entries()) {
    control.onProgress({ message: `${node}: ${command.run}` });
    const message = judge(command, await run(command.run, command.within));
    if (message !== undefined) failures.push({ index, message, isSilent: false });
  }
  return failures;
}

function judge({ run, exit, output, within }: NodeCommand, ended: Ended): string | undefined {
  const what = `The command '${shortened(run)}'`;
  const said =
    ended.output.trim() === '' ? 'it printed nothing' : `it printed '${shortened(ended.output, -1)}'`;
  if (ended.code === null) return `${what} did not end within ${within} s: ${said}.`;
  if (ended.code !== exit) return `${what} ended with exit code ${ended.code}, not ${exit}: ${said}.`;
  if (output === undefined || new RegExp(output, 'mu').test(ended.output)) return undefined;
  return `${what} prints nothing that matches /${output}/: ${said}.`;
}

/** What ssh says for as long as it cannot connect; undefined once it does. */
async function untilAnswers(ask: () => Promise<Ended>, signal: AbortSignal): Promise<string | undefined> {
  for (const end = Date.now() + SSH_MS; ; await delay(1000, undefined, { signal })) {
    const { code, output } = await ask();
    if (code !== SSH_FAILED && code !== null) return undefined;
    if (Date.now() > end) return shortened(output, -1) || 'no answer';
  }
}

/** One line; from the end if `side` is -1. */
export function shortened(text: string, side = 1): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= MOST_WORDS) return line;
  return side < 0 ? `…${line.slice(-MOST_WORDS)}` : `${line.slice(0, MOST_WORDS)}…`;
}

async function runFor(
  [program = '', ...args]: readonly string[],
  ms: number,
  signal: AbortSignal,
): Promise<Ended> {
  // A group of its own, so that ctrl-C is the caller's and all that it starts can be ended.
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  let isLate = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (output = (output + text).slice(-MOST_OUTPUT)));
  }
  const stop = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  const timer = setTimeout(() => {
    isLate = true;
    stop();
  }, ms);
  signal.addEventListener('abort', stop);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (error) =>
        reject(new BootyardError('node.run', `${program} cannot be started: ${messageOf(error)}.`)),
      );
      child.once('close', resolve);
    });
    signal.throwIfAborted();
    return { code: isLate ? null : (code ?? SSH_FAILED), output };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
