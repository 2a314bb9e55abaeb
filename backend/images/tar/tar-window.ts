import { readSync } from 'node:fs';
import { badTar } from './tar-header.ts';

/** A header, and mostly what it needs. Larger ones were slower: most files of a root are longer than them. */
const WINDOW = 4 * 1024;

/** Reads a tar's headers through a small window, so that data is skipped and not read. */
export class TarWindow {
  readonly #fd: number;
  readonly size: number;
  readonly #own = Buffer.allocUnsafeSlow(WINDOW);
  #ownStart = 0;
  #ownEnd = 0;
  #lent: Buffer | undefined;
  #lentStart = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  /** Bytes of the tar that are in memory already; they are used in place of reads until `giveBack`. */
  lend(bytes: Buffer, start: number): void {
    this.#lent = bytes;
    this.#lentStart = start;
  }
  giveBack(): void {
    this.#lent = undefined;
  }

  /** A view of `length` bytes (at most a window) that is good until the next call. Throws when the file ends before. */
  bytes(position: number, length: number): Buffer {
    const at = position - this.#lentStart;
    if (this.#lent && at >= 0 && at + length <= this.#lent.length)
      return this.#lent.subarray(at, at + length);
    if (position < this.#ownStart || position + length > this.#ownEnd) this.#fill(position);
    if (position + length > this.#ownEnd) throw badTar('the archive is cut off', this.size);
    return this.#own.subarray(position - this.#ownStart, position - this.#ownStart + length);
  }

  #fill(position: number): void {
    this.#ownStart = position;
    this.#ownEnd = position;
    while (this.#ownEnd - position < WINDOW) {
      const filled = this.#ownEnd - position;
      const count = readSync(this.#fd, this.#own, filled, WINDOW - filled, this.#ownEnd);
      if (count === 0) return;
      this.#ownEnd += count;
    }
  }

  /** `length` bytes that stay good. */
  copy(position: number, length: number): Buffer {
    if (position + length > this.size) throw badTar('the archive is cut off', this.size);
    const target = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += WINDOW) {
      this.bytes(position + at, Math.min(WINDOW, length - at)).copy(target, at);
    }
    return target;
  }
}
