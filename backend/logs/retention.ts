import { setImmediate as nextTurn } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import type { LabSettings } from '../state/lab-settings.ts';
import type { LogStore, LogTotals } from './store.ts';

const SWEEP_MS = 60_000;
/** Lines that one transaction removes: some ms, in which nothing else happens. */
const STEP = 1000;
const SIZE = /^([1-9]\d{0,5})([MG])$/;
const AGE = /^([1-9]\d{0,4})([hd])$/;
const DEFAULTS = { size: '2G', age: '30d' };

export interface RetentionInfo extends LogTotals {
  /** what lines may take of the disk: a number of M or G (bytes) */
  size: string;
  /** how old lines may be: a number of h or d, or `none` */
  age: string;
}

/** Removes old log lines in small steps. Its limits are settings of the lab. */
export class LogRetention {
  readonly #parts: { store: LogStore; settings: LabSettings; log: (line: string) => void };
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(parts: { store: LogStore; settings: LabSettings; log: (line: string) => void }) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS);
    void this.sweep();
  }

  info(): RetentionInfo {
    const { settings, store } = this.#parts;
    const read = (name: keyof typeof DEFAULTS): string => settings.get(`log.${name}`) ?? DEFAULTS[name];
    return { size: read('size'), age: read('age'), ...store.totals() };
  }

  /** Takes both limits or, with a sentence, none of them. Lines beyond them are gone when this resolves. */
  async set({ size, age }: { size?: string; age?: string }): Promise<RetentionInfo> {
    if (size !== undefined && !SIZE.test(size)) {
      throw bad(`Logs take a number of M or G at most, such as ${DEFAULTS.size}, not '${size}'.`);
    }
    if (age !== undefined && age !== 'none' && !AGE.test(age)) {
      throw bad(
        `Logs are kept for a number of h or d, such as ${DEFAULTS.age}, or 'none' for ever, not '${age}'.`,
      );
    }
    const { settings } = this.#parts;
    if (size !== undefined) settings.set('log.size', size);
    if (age !== undefined) settings.set('log.age', age);
    // One that goes on may have begun with the limits of before.
    await this.#sweeping;
    await this.sweep();
    return this.info();
  }

  /** Resolves when no line is beyond the limits; never rejects. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => this.#parts.log(`old log lines are not removed: ${messageOf(error)}`))
      .finally(() => (this.#sweeping = undefined));
    return this.#sweeping;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { store } = this.#parts;
    const { size, age } = this.info();
    const before = oldest(age);
    const most = bytesOf(size);
    let removed = 0;
    for (;;) {
      if (this.#closed) return;
      const count = store.removeBefore(before, STEP) || store.removeFirst(store.totals().bytes - most, STEP);
      if (count === 0) break;
      removed += count;
      await nextTurn();
    }
    if (removed > 0) store.removeEmptyStreams();
  }
}

function bytesOf(size: string): number {
  const [, count, unit] = SIZE.exec(size) ?? [];
  return Number(count) * (unit === 'G' ? 1e9 : 1e6);
}

/** us since the epoch; -1 for `none` */
function oldest(age: string): number {
  const [, count, unit] = AGE.exec(age) ?? [];
  if (count === undefined) return -1;
  return (Date.now() - Number(count) * (unit === 'd' ? 86_400_000 : 3_600_000)) * 1000;
}

function bad(sentence: string): BootyardError {
  return new BootyardError('log.retention', sentence);
}
