import type { FileSource } from '../file-source.ts';

const readAhead = 64 * 1024;

/** Reads blocks of a file through a buffer of its own, since a read for each block would cost more than sending it. */
export class BlockReader {
  readonly #source: FileSource;
  readonly #buffer: Uint8Array;
  #start = 0;
  #length = 0;

  /** `windowBytes`: most bytes that are sent at once. */
  constructor(source: FileSource, windowBytes: number) {
    this.#source = source;
    this.#buffer = new Uint8Array(Math.min(source.size, Math.max(readAhead, windowBytes)));
  }

  /** Reads `length` bytes from `position` on if they are not there: to be called while the client is busy. */
  prepare(position: number, length: number): void {
    if (!this.#has(position, Math.min(length, this.#source.size - position))) this.#fill(position);
  }

  /**
   * Copies `length` bytes from `position` on to `target` at `offset`. Throws when the file has fewer: a source never
   * changes, so that is a fault of the disk or of the index.
   */
  copy(target: Uint8Array, offset: number, position: number, length: number): void {
    if (!this.#has(position, length)) this.#fill(position);
    const at = position - this.#start;
    if (at + length > this.#length) throw new Error(`the file ends at byte ${this.#start + this.#length}`);
    target.set(this.#buffer.subarray(at, at + length), offset);
  }

  #has(position: number, length: number): boolean {
    return position >= this.#start && position + length <= this.#start + this.#length;
  }

  #fill(position: number): void {
    this.#start = position;
    this.#length = 0;
    while (this.#length < this.#buffer.length) {
      const count = this.#source.read(this.#buffer.subarray(this.#length), position + this.#length);
      if (count <= 0) break;
      this.#length += count;
    }
  }
}
