/** Reads a stream of chunks by counts of bytes. Whoever stops early calls `close`. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  /** bytes that were read or left out */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; fewer at the end. */
  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#held.length === 0 && !(await this.#more())) break;
      const part = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    this.position += count - missing;
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /** Leaves out `count` bytes, or what there is. */
  async skip(count: number): Promise<void> {
    let missing = count;
    while (missing > 0) {
      if (this.#held.length === 0 && !(await this.#more())) break;
      const part = Math.min(missing, this.#held.length);
      this.#held = this.#held.subarray(part);
      missing -= part;
    }
    this.position += count - missing;
  }

  /** Gives bytes back, to be read again. */
  unread(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held]);
    this.position -= bytes.length;
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array> {
    while (this.#held.length > 0 || (await this.#more())) {
      const chunk = this.#held;
      this.#held = Buffer.alloc(0);
      this.position += chunk.length;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#held = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    return true;
  }
}
