import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { BootyardError } from '../../errors.ts';

/** A layer's tar, open for reading by all trees that have the layer. It never changes while it is open. */
export class LayerFile {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
  readonly #onClosed: () => void;
  /** one bit for each block that was read before */
  readonly #warm: Uint8Array;
  #users = 1;

  /** The caller is the first user. `onClosed` is called when the last one has gone. */
  constructor(path: string, onClosed: () => void = () => undefined) {
    this.path = path;
    this.fd = openSync(path, 'r');
    this.size = fstatSync(this.fd).size;
    this.#warm = new Uint8Array(Math.ceil(this.size / WARM_BLOCK / 8));
    this.#onClosed = onClosed;
  }

  retain(): this {
    this.#users++;
    return this;
  }
  release(): void {
    if (--this.#users !== 0) return;
    closeSync(this.fd);
    this.#onClosed();
  }

  isWarm(position: number, length: number): boolean {
    const last = Math.floor((position + length - 1) / WARM_BLOCK);
    for (let block = Math.floor(position / WARM_BLOCK); block <= last; block++) {
      if (((this.#warm[block >> 3] ?? 0) & (1 << (block & 7))) === 0) return false;
    }
    return true;
  }
  #setWarm(position: number, length: number): void {
    const last = Math.floor((position + length - 1) / WARM_BLOCK);
    for (let block = Math.floor(position / WARM_BLOCK); block <= last; block++) {
      this.#warm[block >> 3] = (this.#warm[block >> 3] ?? 0) | (1 << (block & 7));
    }
  }

  /** Fills `target[at..at + length)` from the tar; throws when the tar has become shorter. */
  readAt(position: number, target: Uint8Array, at: number, length: number): void {
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, target, at + done, length - done, position + done);
      if (count === 0) throw this.#cutOff();
      done += count;
    }
    this.#setWarm(position, length);
  }

  /** `readAt` in the thread pool. The file stays open until it is done. */
  async readAtCold(position: number, target: Uint8Array, at: number, length: number): Promise<void> {
    this.retain();
    try {
      let done = 0;
      while (done < length) {
        const count = await readOnce(this.fd, target, at + done, length - done, position + done);
        if (count === 0) throw this.#cutOff();
        done += count;
      }
      this.#setWarm(position, length);
    } finally {
      this.release();
    }
  }

  #cutOff(): BootyardError {
    return new BootyardError(
      'image.layerCutOff',
      `The layer ${this.path} has become shorter: import its image again.`,
    );
  }
}

const WARM_BLOCK = 64 * 1024;

function readOnce(
  fd: number,
  target: Uint8Array,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, at, length, position, (error, count) => (error ? reject(error) : resolve(count)));
  });
}
