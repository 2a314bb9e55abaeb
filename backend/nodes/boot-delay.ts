import { setTimeout as delay } from 'node:timers/promises';
import type { NodeSettings } from './settings.ts';

/** The setting `boot.delay`: a pause before a machine starts. */
export class BootDelay {
  #waiting: AbortController | undefined;

  /** Resolves with false when `end` was called meanwhile. `say` hears that it waits, and null when that is over. */
  async wait(
    setting: NonNullable<NodeSettings['boot.delay']>,
    say: (message: string | null) => void,
  ): Promise<boolean> {
    const seconds = setting === 'random' ? 1 + Math.floor(Math.random() * 10) : setting;
    if (seconds === 0) return true;
    say(`Waits ${seconds} s before its boot (boot.delay).`);
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
    this.#waiting = undefined;
    if (signal.aborted) return false;
    say(null);
    return true;
  }

  /** Another command came: nothing waits any more. */
  end(): void {
    this.#waiting?.abort();
  }
}
