import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import type { FileSource } from '../file-source.ts';

/** Bytes that are read and written at once: large enough to make few calls, small enough to stay in the cache. */
const BLOCK = 256 * 1024;
/** Blocks of one transfer: one that is read and two that wait for the client. */
const MOST_HELD = 3;
/** Blocks of all transfers from which on each has only one: many slow clients must not cost much memory. */
const MANY_HELD = 64;
/** Bytes after which other clients get their turn. */
const TURN = 4 * 1024 * 1024;
const KEEP = 16;

const free: Buffer[] = [];
let heldByAll = 0;

interface Waiting {
  block: Buffer;
  /** bytes handed to the socket up to the end of this block */
  end: number;
}

/**
 * Sends a part of a file straight to the socket behind a response whose head is out already. What is in memory is read at
 * once; what a disk may have to be waited for is read in the thread pool, while the kernel sends the block before. Blocks are
 * pooled, and one whose bytes the kernel took is used for the next read while it is still in the processor's cache.
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
  #isReading = false;
  #isSleeping = false;
  /** why the file could not be read to its end, a clause */
  failure: string | undefined;
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
      heldByAll -= this.#waiting.splice(0).length;
      resolve();
    };
    socket.once('close', onClose);
    this.#pump();
  }

  /** bytes that the kernel took */
  get sent(): number {
    return Math.max(0, this.#handed - Math.max(0, this.#socket.writableLength));
  }

  /** Reads and sends what may be now; runs again when a read or a write is done. */
  #pump(): void {
    while (this.#position < this.#end) {
      if (this.#socket.destroyed) return this.#settle();
      if (this.#isReading || this.#waiting.length >= mostHeld()) return;
      if (this.#isCold()) return this.#startRead();
      if (this.#turn >= TURN) return this.#sleep();
      const block = take();
      this.#send(block, this.#read(this.#part(block)));
    }
    if (this.#waiting.length === 0) this.#settle();
  }

  /** True when the next block must not be read here, for a disk may have to be waited for. */
  #isCold(): boolean {
    return this.#source.isWarm?.(this.#position, this.#nextLength()) === false;
  }

  #nextLength(): number {
    return Math.min(BLOCK, this.#end - this.#position);
  }

  /** What the next read fills of a block. */
  #part(block: Buffer): Buffer {
    return block.subarray(0, this.#nextLength());
  }

  #read(target: Buffer): number {
    try {
      return this.#source.read(target, this.#position);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #startRead(): void {
    const block = take();
    const got = (count: number): void => {
      this.#isReading = false;
      this.#send(block, count);
      this.#pump();
    };
    this.#isReading = true;
    this.#readLater(this.#part(block)).then(got, (error: unknown) => got(this.#failed(error)));
  }

  /** No bytes. */
  #failed(error: unknown): 0 {
    this.failure = messageOf(error).replace(/\.$/, '');
    return 0;
  }

  async #readLater(target: Buffer): Promise<number> {
    return (await this.#source.readLater?.(target, this.#position)) ?? 0;
  }

  #send(block: Buffer, count: number): void {
    if (count === 0 || this.#socket.destroyed) {
      give(block);
      return count === 0 ? this.#giveUp() : this.#settle();
    }
    this.#position += count;
    this.#handed += count;
    this.#turn += count;
    this.#waiting.push({ block, end: this.#handed });
    // Before the write, so that the disk works while the kernel copies.
    if (this.#position < this.#end && this.#isCold()) this.#pump();
    this.#socket.write(block.subarray(0, count), this.#onWritten);
    this.#reap();
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return;
    this.#reap();
    if (!this.#isSleeping) this.#pump();
  };

  #reap(): void {
    const done = this.#handed - this.#socket.writableLength;
    for (let first = this.#waiting[0]; first && first.end <= done; first = this.#waiting[0]) {
      this.#waiting.shift();
      give(first.block);
    }
  }

  #sleep(): void {
    this.#isSleeping = true;
    this.#turn = 0;
    setImmediate(() => {
      this.#isSleeping = false;
      this.#pump();
    });
  }

  /** The promised length cannot be kept; only a broken connection says so. */
  #giveUp(): void {
    this.failure ??= `it ends at byte ${this.#position}`;
    this.#socket.destroy();
    this.#settle();
  }
}

function mostHeld(): number {
  return heldByAll < MANY_HELD ? MOST_HELD : 1;
}

function take(): Buffer {
  heldByAll++;
  return free.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
}

function give(block: Buffer): void {
  heldByAll--;
  if (free.length < KEEP) free.push(block);
}
