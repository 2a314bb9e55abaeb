const SMALLEST = 8 * 1024;
/** Room for a reply's head beside data whose length is a power of two. */
const HEAD = 64;
/** Bytes of free buffers that are kept. */
const KEEP = 16 * 1024 * 1024;

/** Buffers of power-of-two sizes and a little more, used again last in, first out, while they are still in the processor's cache. */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  #kept = 0;

  take(atLeast: number): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(atLeast - HEAD, SMALLEST))) + HEAD;
    const buffer = this.#free.get(size)?.pop();
    if (!buffer) return Buffer.allocUnsafeSlow(size);
    this.#kept -= size;
    return buffer;
  }

  /** Nobody may use `buffer` any more, the kernel included. */
  give(buffer: Buffer): void {
    if (this.#kept + buffer.length > KEEP) return;
    const free = this.#free.get(buffer.length);
    if (free) free.push(buffer);
    else this.#free.set(buffer.length, [buffer]);
    this.#kept += buffer.length;
  }
}
