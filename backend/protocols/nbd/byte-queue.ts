const NOTHING = Buffer.alloc(0);

/** Bytes of a stream that came in and were not taken yet. */
export class ByteQueue {
  /** bytes that can be taken */
  length = 0;
  readonly #chunks: Buffer[] = [];
  /** bytes of the first chunk that are taken already */
  #taken = 0;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** The next `count` bytes, without a copy when one chunk holds them. There must be as many. */
  take(count: number): Buffer {
    const first = this.#chunks[0] ?? NOTHING;
    if (first.length - this.#taken >= count) {
      const bytes = first.subarray(this.#taken, this.#taken + count);
      this.#pass(count);
      return bytes;
    }
    const bytes = Buffer.allocUnsafe(count);
    this.moveTo(bytes, 0, count);
    return bytes;
  }

  /** Copies up to `most` bytes to `target` at `at`; returns how many. */
  moveTo(target: Uint8Array, at: number, most: number): number {
    let moved = 0;
    while (moved < most && this.length > 0) {
      const first = this.#chunks[0] ?? NOTHING;
      const count = Math.min(most - moved, first.length - this.#taken);
      first.copy(target, at + moved, this.#taken, this.#taken + count);
      this.#pass(count);
      moved += count;
    }
    return moved;
  }

  /** Passes over up to `most` bytes; returns how many. */
  skip(most: number): number {
    let skipped = 0;
    while (skipped < most && this.length > 0) {
      const count = Math.min(most - skipped, (this.#chunks[0] ?? NOTHING).length - this.#taken);
      this.#pass(count);
      skipped += count;
    }
    return skipped;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.length = this.#taken = 0;
  }

  /** `count` lies within the first chunk. */
  #pass(count: number): void {
    this.#taken += count;
    this.length -= count;
    if (this.#taken < (this.#chunks[0]?.length ?? 0)) return;
    this.#chunks.shift();
    this.#taken = 0;
  }
}
