import { setTimeout as delay } from 'node:timers/promises';

/** VS Code does not slow the writer of a terminal down, so it slows itself: this many characters, then this long. */
const BURST = 64 * 1024;
const REST_MS = 10;

/** Keeps who writes much to a terminal at a speed at which the editor stays usable. */
export class TerminalPace {
  #written = 0;

  /** To be awaited after `count` characters were written. */
  async wrote(count: number): Promise<void> {
    this.#written += count;
    if (this.#written < BURST) return;
    this.#written = 0;
    await delay(REST_MS);
  }
}
