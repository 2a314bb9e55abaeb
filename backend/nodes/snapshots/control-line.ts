import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BootyardError } from '../../errors.ts';

/** What a guest may say before it is heard out; the rest is dropped. */
const MAX_ANSWER = 4096;

export interface Identity {
  mac: string;
  /** IPv4 address */
  ip: string;
  /** length of the network's prefix */
  prefix: number;
  name: string;
  /** 32 hex digits, see machine-id(5) */
  machineId: string;
}

/**
 * The second serial line of a machine, where `walt-control-line` listens in the guest, from RAM and whatever the network
 * does: one line of words for each thing to do, one word for an answer.
 */
export class ControlLine {
  readonly #socket: Socket;
  #heard = '';
  #listener: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => {
      if (this.#heard.length < MAX_ANSWER) this.#heard += text;
      this.#listener?.();
    });
  }

  /** Throws the system's error when QEMU does not listen at `path`. */
  static async open(path: string): Promise<ControlLine> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new ControlLine(socket);
  }

  /**
   * The machine will be saved: the guest answers `preparing`, and then `done`, or `swapped` and the kilobytes that it has in
   * swap space of the server.
   */
  prepare(): void {
    this.#say('prepare');
  }

  /** The machine goes on after a pause. `isRestored`: its connections are of another time. */
  resumed(isRestored: boolean, seed: string): void {
    this.#say(isRestored ? 'restored' : 'resumed', ...nextSecond(), seed);
  }

  /** The machine is a copy: it leaves the address of `oldMac`'s interface, and answers `ready`. */
  identity(oldMac: string, { mac, ip, prefix, name, machineId }: Identity): void {
    this.#say('identity', oldMac, mac, `${ip}/${prefix}`, name, machineId);
  }

  /** What `DebugLine` runs is to end: the guest answers `done`. */
  endDebug(): void {
    this.#say('debug-end');
  }

  /** Its network is connected. */
  go(seed: string): void {
    this.#say('go', ...nextSecond(), seed);
  }

  /** The guest's first line that matches; `undefined` when there is none within `limitMs`. Throws the signal's reason. */
  async hear(line: RegExp, limitMs: number, signal?: AbortSignal): Promise<string | undefined> {
    const heard = () => this.#heard.split(/[\r\n]+/).find((text) => line.test(text));
    signal?.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const look = () => {
      const found = heard();
      if (found !== undefined) resolve(found);
    };
    const end = () => resolve(heard());
    const timer = setTimeout(end, limitMs);
    this.#listener = look;
    this.#socket.once('close', end);
    signal?.addEventListener('abort', end, { once: true });
    look();
    const answer = await promise;
    clearTimeout(timer);
    this.#listener = undefined;
    this.#socket.off('close', end);
    signal?.removeEventListener('abort', end);
    signal?.throwIfAborted();
    return answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  #say(...words: string[]): void {
    if (words.some((word) => !/^[\w:./-]+$/.test(word))) {
      throw new BootyardError('snapshot.words', `"${words.join(' ')}" cannot be said on a control line.`);
    }
    this.#socket.write(`${words.join(' ')}\n`);
  }
}

/** The second that begins next (Unix time), and the milliseconds until then. */
function nextSecond(): [string, string] {
  const now = Date.now();
  const next = Math.floor(now / 1000) + 1;
  return [String(next), String(next * 1000 - now)];
}
