import type { Socket } from 'node:net';
import type { FileSource } from '../file-source.ts';

/** Bytes that are read and written at once: large enough to make few calls, small enough to stay in the cache. */
export const BLOCK = 256 * 1024;
/** Blocks of one transfer that may wait for the client. */
const MOST_WAITING = 2;
/** Bytes after which other clients get their turn. */
const TURN = 4 * 1024 * 1024;
const KEEP = 16;

const free: Buffer[] = [];

interface Waiting {
  block: Buffer;
  /** bytes handed to the socket up to the end of this block */
  end: number;
}

/**
 * Sends a part of a file straight to the socket behind a response whose head is out already. Blocks are pooled, and one
 * whose bytes the kernel took at once is used for the next read while it is still in the processor's cache.
 */
export class BodySender {
  readonly #socket: Socket;
  readonly #source: FileSource;
  readonly #end: number;
  readonly #waiting: Waiting[] = [];
  readonly #settle: () => void;
  #position: number;
  #handed = 0;
  #turn = 0;
  #sleeping = false;
  /** true when the file could not be read to its end */
  failed = false;
  /** resolves when the kernel has all bytes, or when it never will: the connection is gone or the file was too short */
  readonly done: Promise<void>;

  /** Sends bytes `position` (inclusive) to `end` (exclusive). */
  constructor(socket: Socket, source: FileSource, position: number, end: number) {
    this.#socket = socket;
    this.#source = source;
    this.#position = position;
    this.#end = end;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    const onClose = (): void => this.#settle();
    this.#settle = () => {
      socket.off('close', onClose);
      resolve();
    };
    socket.once('close', onClose);
    this.#pump();
  }

  /** bytes that the kernel took */
  get sent(): number {
    return Math.max(0, this.#handed - Math.max(0, this.#socket.writableLength));
  }

  #pump(): void {
    while (this.#position < this.#end) {
      if (this.#socket.destroyed) return this.#settle();
      if (this.#waiting.length >= MOST_WAITING) return;
      if (this.#turn >= TURN) return this.#sleep();
      if (!this.#sendBlock()) return this.#giveUp();
    }
    if (this.#waiting.length === 0) this.#settle();
  }

  /** False when the file ends before its size, or cannot be read. */
  #sendBlock(): boolean {
    const block = free.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
    const count = this.#read(block.subarray(0, Math.min(BLOCK, this.#end - this.#position)));
    if (count === 0) {
      free.push(block);
      return false;
    }
    this.#position += count;
    this.#handed += count;
    this.#turn += count;
    this.#waiting.push({ block, end: this.#handed });
    this.#socket.write(block.subarray(0, count), this.#onWritten);
    this.#reap();
    return true;
  }

  #read(target: Buffer): number {
    try {
      return this.#source.read(target, this.#position);
    } catch {
      return 0;
    }
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return;
    this.#reap();
    if (!this.#sleeping) this.#pump();
  };

  #reap(): void {
    const done = this.#handed - this.#socket.writableLength;
    for (let first = this.#waiting[0]; first && first.end <= done; first = this.#waiting[0]) {
      this.#waiting.shift();
      if (free.length < KEEP) free.push(first.block);
    }
  }

  #sleep(): void {
    this.#sleeping = true;
    this.#turn = 0;
    setImmediate(() => {
      this.#sleeping = false;
      this.#pump();
    });
  }

  /** The promised length cannot be kept; only a broken connection says so. */
  #giveUp(): void {
    this.failed = true;
    this.#socket.destroy();
    this.#settle();
  }
}
