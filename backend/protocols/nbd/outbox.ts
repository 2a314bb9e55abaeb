import type { Socket } from 'node:net';
import type { BufferPool } from './buffer-pool.ts';

/** What a waiting reply costs in memory however short it is. */
const LEAST_COST = 256;

/** Sends replies, all that come in one turn of the event loop together, and knows how much waits for the client. */
export class Outbox {
  readonly #socket: Socket;
  readonly #pool: BufferPool;
  readonly #onProgress: () => void;
  #isCorked = false;
  /** bytes that the client has not taken yet */
  waiting = 0;

  /** @param onProgress called after some of what waited has gone */
  constructor(socket: Socket, pool: BufferPool, onProgress: () => void) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onProgress = onProgress;
  }

  /** `pooled`: the buffer that `bytes` is a part of; it goes back to the pool once it is sent. */
  send(bytes: Buffer, pooled?: Buffer): void {
    if (!this.#socket.writable) {
      if (pooled) this.#pool.give(pooled);
      return;
    }
    this.#cork();
    const cost = Math.max(LEAST_COST, bytes.length);
    this.waiting += cost;
    this.#socket.write(bytes, (error) => {
      this.waiting -= cost;
      // After an error the system may still hold the buffer: it is left to the garbage collector.
      if (pooled && !error) this.#pool.give(pooled);
      this.#onProgress();
    });
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }
}
