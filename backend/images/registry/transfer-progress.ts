import type { ImportControl } from '../staging.ts';

const MEGA = 1e6;

/** Adds up the bytes of several transfers and tells them at most every percent: `Fetching 12.3 of 144.7 MB`. */
export class TransferProgress {
  readonly #verb: string;
  readonly #total: number;
  readonly #progress: ImportControl['progress'];
  readonly #parts = new Map<string, number>();
  #done = 0;
  #percent = -1;

  constructor(verb: string, total: number, control: ImportControl) {
    this.#verb = verb;
    this.#total = total;
    this.#progress = control.progress;
  }

  /** `bytes` of the part that `key` names are there. */
  set(key: string, bytes: number): void {
    this.#done += bytes - (this.#parts.get(key) ?? 0);
    this.#parts.set(key, bytes);
    const fraction = this.#total === 0 ? 1 : this.#done / this.#total;
    const percent = Math.floor(fraction * 100);
    if (percent === this.#percent) return;
    this.#percent = percent;
    const message = `${this.#verb} ${(this.#done / MEGA).toFixed(1)} of ${(this.#total / MEGA).toFixed(1)} MB`;
    this.#progress?.({ message, fraction });
  }
}
