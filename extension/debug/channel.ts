import { spawn } from 'node:child_process';
import { endGroup } from '../../backend/api/process-group.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';

const MAX_WORDS = 2_000;

/** A program that runs in a node: what it reads and prints. The streams of the API are such, too. */
export interface Channel {
  onData(listener: (data: Uint8Array) => void): void;
  /** Called once, after the last byte; not after `close`. With a sentence when it has ended badly. */
  onEnd(listener: (sentence: string | undefined) => void): void;
  write(data: Uint8Array): void;
  /** Ends the program. */
  close(): void;
}

/**
 * Runs a shell command in a node, which has one line: by a serial line, which works whatever the node's network does, or over
 * ssh where there is none, or it is taken.
 */
export async function openChannel(client: LabClient, node: string, command: string): Promise<Channel> {
  try {
    const { stream } = await client.call('debug.run', { node, command });
    return client.stream(stream);
  } catch (error) {
    if (!(error instanceof BootyardError && error.code === 'debug.line')) throw error;
    return await sshChannel(client, node, command);
  }
}

/**
 * Runs a shell script, whose lines are joined by semicolons, in a node, and answers which of `answers` it has printed. Throws
 * `debug.answer` when it was none.
 */
export async function found<T extends string>(
  client: LabClient,
  node: string,
  script: string[],
  answers: readonly T[],
): Promise<T> {
  const said = (await printed(client, node, script.join('; '))).trim();
  const answer = answers.find((one) => one === said);
  if (answer === undefined)
    throw new BootyardError('debug.answer', `Node ${node} does not answer: is it booted?`);
  return answer;
}

/** Runs a shell command in a node to its end; answers what it has printed. */
export async function printed(client: LabClient, node: string, command: string): Promise<string> {
  const channel = await openChannel(client, node, command);
  const decoder = new TextDecoder();
  let text = '';
  channel.onData((data) => {
    text += decoder.decode(data, { stream: true });
  });
  return await new Promise((resolve) => channel.onEnd(() => resolve(text)));
}

/** The same over ssh. */
export async function sshChannel(client: LabClient, node: string, command: string): Promise<Channel> {
  const { argv } = await client.call('node.shellCommand', { node, command, tty: false });
  const [program = '', ...args] = argv;
  // In a group of its own: what enters the lab's namespaces forks, and the whole of it has to end.
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  let isClosed = false;
  let words = '';
  child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-MAX_WORDS)));
  // What cannot be written any more is told of by the end.
  child.stdin.on('error', () => undefined);
  return {
    onData: (listener) => child.stdout.on('data', listener),
    onEnd: (listener) => {
      const ended = (sentence: string | undefined): void => {
        if (!isClosed) listener(sentence);
        isClosed = true;
      };
      child.once('error', (error) => ended(`${program} cannot be started: ${error.message}.`));
      child.once('close', (code) => {
        const last = words.trim().split('\n').at(-1) ?? '';
        ended(
          code === 0 ? undefined : `The debugger in ${node} has ended with ${code ?? 'a signal'}: ${last}`,
        );
      });
    },
    write: (data) => child.stdin.write(data),
    close: () => {
      isClosed = true;
      endGroup(child);
    },
  };
}
