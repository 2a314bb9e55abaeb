import type { Socket } from 'node:net';
import type { BufferPool } from './buffer-pool.ts';
import type { ReplyBuffer } from './xdr.ts';

interface Sent {
  buffer: ReplyBuffer;
  /** bytes handed to the socket up to the end of this buffer */
  end: number;
}

/** Writes reply buffers to a socket and gives each back to the pool as soon as the kernel has its bytes. */
export class SendQueue {
  readonly #socket: Socket;
  readonly #pool: BufferPool;
  readonly #onProgress: () => void;
  readonly #sent: Sent[] = [];
  #handed = 0;
  /** bytes of buffers that are waiting to be sent */
  waiting = 0;

  /** @param onProgress called after some of what had to wait was sent */
  constructor(socket: Socket, pool: BufferPool, onProgress: () => void) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onProgress = onProgress;
  }

  /** Takes over `buffer`. Most writes end before this returns. */
  readonly send = (buffer: ReplyBuffer, length: number): void => {
    if (!this.#socket.writable) return this.#pool.give(buffer);
    this.#handed += length;
    this.#sent.push({ buffer, end: this.#handed });
    this.waiting += buffer.bytes.length;
    this.#socket.write(buffer.bytes.subarray(0, length), this.#onWritten);
    this.#reap();
  };

  /** The socket is closed: what was not sent never will be. */
  abandon(): void {
    for (const { buffer } of this.#sent.splice(0)) this.#pool.forget(buffer);
    this.waiting = 0;
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) return;
    this.#reap();
    this.#onProgress();
  };

  #reap(): void {
    const done = this.#handed - this.#socket.writableLength;
    for (let first = this.#sent[0]; first && first.end <= done; first = this.#sent[0]) {
      this.#sent.shift();
      this.waiting -= first.buffer.bytes.length;
      this.#pool.give(first.buffer);
    }
  }
}
