import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BootyardError } from '../../errors.ts';
import type { ConsoleViewer } from '../console.ts';
import type { MachinePlace } from '../machine.ts';
import { ControlLine } from '../snapshots/control-line.ts';

/** A guest that is busy may take its time to start a program. */
const BEGIN_MS = 15_000;
/** What a guest may say before it begins, and of how it has ended; more is none of that. */
const MAX_WORDS = 4_096;
/** How long what may be the beginning of a program's end is held back. */
const HOLD_MS = 20;

/**
 * The third serial line of a machine, on which `walt-debug-line` in the guest runs programs for debuggers, one at a time and
 * whatever the network does.
 */
export class DebugLine {
  readonly #node: () => string;
  readonly #socket: string;
  readonly #controlSocket: string;
  #isTaken = false;

  constructor(
    node: () => string,
    { debugSocket, controlSocket }: Pick<MachinePlace, 'debugSocket' | 'controlSocket'>,
  ) {
    this.#node = node;
    this.#socket = debugSocket;
    this.#controlSocket = controlSocket;
  }

  /**
   * Runs a shell command, which has one line; resolves when it has begun. `stream` is what it reads and prints; its end says
   * when the command has failed. Closing the stream ends it. Throws `debug.line` when this cannot be, and the reason of the
   * signal.
   */
  async run(command: string, stream: ConsoleViewer, signal: AbortSignal): Promise<void> {
    if (this.#isTaken) throw this.#refusal('is used by another debugger');
    this.#isTaken = true;
    const socket = connect(this.#socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => (this.#isTaken = false));
    const word = randomBytes(8).toString('hex');
    try {
      await once(socket, 'connect', { signal }).catch(() => {
        throw this.#refusal('is not there: reboot it');
      });
      // Whatever an earlier daemon has left there.
      if (!(await this.#endProgram(signal).catch(() => false)))
        throw this.#refusal('is not listened to by its system');
      socket.write(`\nrun ${word} ${command}\n`);
      const rest = await begun(socket, word, signal);
      signal.throwIfAborted();
      if (!rest) throw this.#refusal('is not listened to by its system');
      this.#join(socket, stream, new LineEnd(word), rest);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  #join(socket: Socket, stream: ConsoleViewer, end: LineEnd, rest: Buffer): void {
    let timer: NodeJS.Timeout | undefined;
    const write = (data: Buffer): void => {
      if (data.length > 0 && !stream.write(data)) socket.pause();
    };
    const take = (chunk: Buffer): void => {
      clearTimeout(timer);
      const { data, code } = end.take(chunk);
      write(data);
      if (code === undefined) {
        timer = setTimeout(() => write(end.release()), HOLD_MS);
        return;
      }
      stream.end(
        code === 0 ? undefined : `The debugger in ${this.#node()} has ended with exit code ${code}.`,
      );
      socket.destroy();
    };
    socket.once('close', () => {
      clearTimeout(timer);
      if (end.code === undefined) stream.end(`The machine of ${this.#node()} has ended.`);
    });
    stream.onDrain(() => socket.resume());
    stream.onData((data) => socket.write(data));
    stream.onClose(() => {
      if (end.code !== undefined || socket.destroyed) return;
      end.code = 0;
      // A machine that has ended needs no more.
      void this.#endProgram()
        .catch(() => undefined)
        .finally(() => socket.destroy());
    });
    socket.on('data', take);
    take(rest);
  }

  /** Of this daemon, or of an earlier one. Resolves with false when the guest does not listen. */
  async #endProgram(signal?: AbortSignal): Promise<boolean> {
    const line = await ControlLine.open(this.#controlSocket);
    try {
      line.endDebug();
      return (await line.hear(/^done$/, BEGIN_MS, signal)) !== undefined;
    } finally {
      line.close();
    }
  }

  #refusal(what: string): BootyardError {
    return new BootyardError('debug.line', `The line for debuggers of ${this.#node()} ${what}.`);
  }
}

/** What comes behind the guest's answer; undefined when it does not answer. */
async function begun(socket: Socket, word: string, signal: AbortSignal): Promise<Buffer | undefined> {
  const answer = `begin ${word}\n`;
  let heard = Buffer.alloc(0);
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const take = (chunk: Buffer): void => {
    heard = Buffer.concat([heard, chunk]);
    const at = heard.indexOf(answer);
    if (at >= 0) resolve(heard.subarray(at + answer.length));
    else heard = heard.subarray(-MAX_WORDS);
  };
  const fail = (): void => resolve(undefined);
  const timer = setTimeout(fail, BEGIN_MS);
  socket.on('data', take).once('close', fail);
  signal.addEventListener('abort', fail, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.off('data', take).off('close', fail);
    signal.removeEventListener('abort', fail);
  }
}

/** Finds the end of a program in what the line says: a line with its word, in any pieces. */
export class LineEnd {
  code: number | undefined;
  readonly #mark: Buffer;
  #held = Buffer.alloc(0);
  /** how many of the bytes that are held have been handed on all the same */
  #released = 0;

  constructor(word: string) {
    this.#mark = Buffer.from(`\nend ${word} `);
  }

  /** Answers what the program has printed, and its exit code when that is all. */
  take(chunk: Buffer): { data: Buffer; code?: number } {
    const { data, ...rest } = this.#take(chunk);
    const known = Math.min(this.#released, data.length);
    this.#released -= known;
    return { data: data.subarray(known), ...rest };
  }

  /** What is held back though the program may be waiting for an answer to it. */
  release(): Buffer {
    if (this.#held.length >= this.#mark.length) return Buffer.alloc(0);
    const data = this.#held.subarray(this.#released);
    this.#released = this.#held.length;
    return data;
  }

  #take(chunk: Buffer): { data: Buffer; code?: number } {
    const bytes = Buffer.concat([this.#held, chunk]);
    const at = bytes.indexOf(this.#mark);
    if (at < 0) {
      const kept = this.#beginning(bytes);
      this.#held = bytes.subarray(bytes.length - kept);
      return { data: bytes.subarray(0, bytes.length - kept) };
    }
    const line = bytes.indexOf('\n', at + 1);
    const data = bytes.subarray(0, at);
    const isWhole = line >= 0 || bytes.length - at > MAX_WORDS;
    this.#held = isWhole ? Buffer.alloc(0) : bytes.subarray(at);
    if (!isWhole) return { data };
    this.code = Number(/^\d{1,3}$/.exec(bytes.toString('latin1', at + this.#mark.length, line))?.[0] ?? 255);
    return { data, code: this.code };
  }

  /** How many bytes at the end of these may be the beginning of the mark. */
  #beginning(bytes: Buffer): number {
    const at = bytes.lastIndexOf('\n');
    if (at < 0) return 0;
    const tail = bytes.subarray(at);
    return this.#mark.subarray(0, tail.length).equals(tail) ? tail.length : 0;
  }
}
