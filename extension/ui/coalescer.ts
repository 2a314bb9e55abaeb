/**
 * Gathers keys for one frame and hands them over together, so that a burst of changes redraws a row once.
 * `flush` gets each key once, in the order of their first arrival.
 */
export class Coalescer<K> {
  readonly #keys = new Set<K>();
  readonly #flush: (keys: K[]) => void;
  readonly #frameMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(flush: (keys: K[]) => void, frameMs = 100) {
    this.#flush = flush;
    this.#frameMs = frameMs;
  }

  add(key: K): void {
    this.#keys.add(key);
    this.#timer ??= setTimeout(() => this.#fire(), this.#frameMs);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keys.clear();
  }

  #fire(): void {
    this.#timer = undefined;
    const keys = [...this.#keys];
    this.#keys.clear();
    this.#flush(keys);
  }
}
