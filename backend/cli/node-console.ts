import { once } from 'node:events';
import type { ClientStream } from '../api/client.ts';
import { EscapeKeys } from './escape-keys.ts';
import { parseRange } from '../api/node.ts';
import { BootyardError } from '../errors.ts';
import { type ConsoleTextOptions, showConsoleText, wantsText } from './console-text.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

/** A range may begin with a minus, and only behind an equals sign it is not taken for an option. */
export function withRange(words: string[]): string[] {
  const at = words.indexOf('--replay');
  const range = words[at + 1] ?? '';
  if (words[0] !== 'node' || words[1] !== 'console' || at < 0 || !/^-\w*:/.test(range)) return words;
  return words.toSpliced(at, 2, `--replay=${range}`);
}

export async function showConsole(
  session: Session,
  node: string,
  options: ConsoleTextOptions,
): Promise<void> {
  const { replay, speed = '1' } = options;
  if (wantsText(options)) return showConsoleText(session, node, options);
  if (replay === undefined) {
    if (options.speed !== undefined) throw new UsageError('--speed is for --replay.');
    return session.withLab((lab) => followConsole(lab, node));
  }
  const what = { range: replay === true ? 'full' : replay, speed: factor(speed) };
  checkRange(what.range);
  await session.withLab((lab) => replayConsole(lab, node, what));
}

function checkRange(range: string): void {
  try {
    parseRange(range);
  } catch (error) {
    throw error instanceof BootyardError ? new UsageError(error.message) : error;
  }
}

function factor(text: string): number {
  const speed = Number(text);
  if (/^\d{1,7}(\.\d{1,2})?$/.test(text) && speed >= 0.01 && speed <= 1_000_000) return speed;
  throw new UsageError(`--speed takes a factor from 0.01 to 1000000, not '${text}'.`);
}

/** What the serial line has printed in a range of time, with its pauses; ctrl-C ends it. */
async function replayConsole(
  lab: LabSession,
  node: string,
  what: { range: string; speed: number },
): Promise<void> {
  await printStream(lab, await lab.client.replayConsole(node, { ...what, signal: lab.signal }));
}

/** Prints a stream until it ends, which is a failure if it does with a sentence, or until ctrl-C. */
export async function printStream({ session, signal }: LabSession, stream: ClientStream): Promise<void> {
  const ended = new Promise<string | undefined>((resolve) => stream.onEnd(resolve));
  stream.onData(writeOut);
  const message = await Promise.race([ended, once(signal, 'abort')]);
  stream.close();
  if (signal.aborted) session.exitCode = 130;
  else if (typeof message === 'string') {
    session.say(message);
    session.exitCode = 1;
  }
}

/**
 * The serial line, after its history since power-on. On a terminal keys go to the node until `<ctrl-a> d`; otherwise
 * standard input is sent to it, and the console is followed until both that and what was there to read have ended.
 */
export async function followConsole(lab: LabSession, node: string): Promise<void> {
  const { session, client, signal } = lab;
  const stream = await client.openConsole(node, { history: true, signal });
  const output: Output = { received: 0, written: Promise.resolve() };
  stream.onData((data) => {
    output.received += data.length;
    output.written = writeOut(data);
    return output.written;
  });
  const ended = new Promise<string | undefined>((resolve) => stream.onEnd(resolve));
  const interrupted = once(signal, 'abort').then(() => undefined);
  const left = session.interactive ? typing(lab, node, stream) : inputEnd(lab, stream, output);
  const message = await Promise.race([ended, left, interrupted]);
  stream.close();
  if (signal.aborted) session.exitCode = 130;
  if (message !== undefined) session.say(message);
}

interface Output {
  received: number;
  /** resolves when standard output has taken the last of it */
  written: Promise<void>;
}

async function writeOut(data: Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain');
}

/** Resolves when the user leaves. */
async function typing(lab: LabSession, node: string, stream: ClientStream): Promise<undefined> {
  const keys = new EscapeKeys();
  const { stdin } = process;
  stdin.setRawMode(true);
  const restore = () => stdin.setRawMode(false);
  process.once('exit', restore);
  // Said only now: what is typed after reading it must reach the node, ctrl-C included.
  lab.session.say(`Console of ${node}: <ctrl-a> d leaves, <ctrl-a> a sends ctrl-a.`);
  await new Promise<void>((resolve) => {
    stdin.on('data', (data: Buffer) => {
      const { send, leave } = keys.feed(data);
      if (send.length > 0) stream.write(send);
      if (leave) resolve();
    });
    stdin.on('end', resolve);
  });
  stdin.pause();
  restore();
  lab.session.say('');
  return undefined;
}

/**
 * Resolves when standard input has ended and the console has nothing more to say for now: what was sent before an
 * answer to a call arrives before that answer, so one round without a byte means that the history is complete.
 */
async function inputEnd(lab: LabSession, stream: ClientStream, output: Output): Promise<undefined> {
  for await (const data of process.stdin) stream.write(Buffer.from(data as Buffer));
  for (let before = -1; before !== output.received;) {
    before = output.received;
    await output.written;
    await lab.client.call('lab.status', {});
  }
  return undefined;
}
