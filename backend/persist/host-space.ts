import { statfsSync } from 'node:fs';
import { fail } from '../protocols/nfs/share/failure.ts';
import { Status } from '../protocols/nfs/status.ts';

/** What a host keeps for itself: a twentieth of its disk, and no more than this. */
const MOST_RESERVE = 1024 ** 3;
const RESERVE_PART = 20;
const FRESH_MS = 500;

/** The space on the host's disk, asked for at most twice a second and reckoned with in between. */
export class HostSpace {
  readonly #folder: string;
  #askedAt = -Infinity;
  #total = 0;
  #free = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** bytes; `free` is without the reserve */
  get(): { total: number; free: number } {
    const now = performance.now();
    if (now - this.#askedAt > FRESH_MS) {
      const { blocks, bavail, bsize } = statfsSync(this.#folder);
      this.#askedAt = now;
      this.#total = blocks * bsize;
      this.#free = Math.max(0, bavail * bsize - Math.min(MOST_RESERVE, this.#total / RESERVE_PART));
    }
    return { total: this.#total, free: Math.floor(this.#free) };
  }

  /** Throws NOSPC when `bytes` more would take from the reserve. */
  take(bytes: number): void {
    if (this.get().free < bytes) fail(Status.noSpace);
    this.#free -= bytes;
  }
}
