import type { BufferPool } from './buffer-pool.ts';
import type { ByteQueue } from './byte-queue.ts';
import { NbdError } from './constants.ts';
import type { Request } from './request.ts';

/** Bytes of a WRITE's data that go to the store at once: a long request never lies in memory whole. */
const PIECE = 1024 * 1024;
/** Data up to here is taken as it came in. */
const SMALL = 64 * 1024;

export interface Piece {
  data: Buffer;
  position: number;
  /** to be given back to the pool */
  pooled: Buffer | undefined;
}

/** A WRITE whose data comes in. */
export class WriteJob {
  readonly request: Request;
  error: NbdError;
  /** pieces that the store has not taken yet */
  pending = 0;
  readonly #pool: BufferPool;
  #position: number;
  #missing: number;
  #buffer: Buffer | undefined;
  #filled = 0;

  /** `error`: what is wrong with the request; its data is passed over. */
  constructor(request: Request, error: NbdError, pool: BufferPool) {
    this.request = request;
    this.error = error;
    this.#pool = pool;
    this.#position = request.offset;
    this.#missing = request.length;
  }

  get isReceived(): boolean {
    return this.#missing === 0;
  }

  /** Takes data out of the queue; returns a piece when one is complete. */
  take(queue: ByteQueue): Piece | undefined {
    if (this.error !== NbdError.none) return this.#passOver(queue);
    const size = Math.min(PIECE, this.#missing);
    if (!this.#buffer && size <= SMALL && queue.length >= size) return this.#piece(queue.take(size));
    this.#buffer ??= this.#pool.take(size);
    this.#filled += queue.moveTo(this.#buffer, this.#filled, size - this.#filled);
    if (this.#filled < size) return undefined;
    const buffer = this.#buffer;
    this.#dropBuffer();
    return this.#piece(buffer.subarray(0, size), buffer);
  }

  /** The client is gone: no more data will come. */
  abandon(): void {
    this.#giveBuffer();
    this.#missing = 0;
  }

  #passOver(queue: ByteQueue): undefined {
    // What is in the buffer has been taken already.
    this.#missing -= this.#filled;
    this.#giveBuffer();
    this.#missing -= queue.skip(this.#missing);
  }

  #piece(data: Buffer, pooled?: Buffer): Piece {
    const position = this.#position;
    this.#position += data.length;
    this.#missing -= data.length;
    return { data, position, pooled };
  }

  #giveBuffer(): void {
    if (this.#buffer) this.#pool.give(this.#buffer);
    this.#dropBuffer();
  }
  #dropBuffer(): void {
    this.#buffer = undefined;
    this.#filled = 0;
  }
}
