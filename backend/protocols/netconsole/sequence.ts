import type { Record } from './packets.ts';

/** Records that may wait for an earlier one. */
const MOST_WAITING = 64;
/** Numbers that are remembered: of records that were handed over, and of those that were not there in time. */
const MEMORY = 256;

/** Puts records in the order of their numbers, and says how many are missing. */
export class Sequence {
  readonly #onRecord: (record: Record) => void;
  readonly #onLost: (count: number) => void;
  readonly #waiting = new Map<number, Record>();
  /** by their numbers, the kernel's times of the last records */
  readonly #last = new Map<number, number>();
  readonly #missing = new Set<number>();
  #next: number | undefined;

  constructor(onRecord: (record: Record) => void, onLost: (count: number) => void) {
    this.#onRecord = onRecord;
    this.#onLost = onLost;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  take(record: Record): void {
    const { sequence, time } = record;
    // The network may bring one twice.
    if (this.#last.get(sequence) === time) return;
    // netconsole may be loaded long after the kernel's start.
    this.#next ??= sequence;
    if (sequence < this.#next) return this.#takeEarly(record);
    this.#waiting.set(sequence, record);
    this.#handOver();
    if (this.#waiting.size > MOST_WAITING) this.flush();
  }

  /** Those that are missing will not come: goes on with those that wait. */
  flush(): void {
    while (this.isWaiting && this.#next !== undefined) {
      const first = Math.min(...this.#waiting.keys());
      for (let missing = Math.max(this.#next, first - MEMORY); missing < first; missing++) {
        remember(this.#missing, missing);
      }
      this.#onLost(first - this.#next);
      this.#next = first;
      this.#handOver();
    }
  }

  /** A record with a number of before is late, or the kernel has started anew. */
  #takeEarly(record: Record): void {
    if (this.#missing.delete(record.sequence)) return this.#put(record);
    this.flush();
    this.#missing.clear();
    this.#last.clear();
    this.#next = record.sequence + 1;
    this.#put(record);
  }

  #handOver(): void {
    for (;;) {
      const record = this.#next === undefined ? undefined : this.#waiting.get(this.#next);
      if (!record) return;
      this.#waiting.delete(record.sequence);
      this.#next = record.sequence + 1;
      this.#put(record);
    }
  }

  #put(record: Record): void {
    this.#last.delete(record.sequence);
    this.#last.set(record.sequence, record.time);
    if (this.#last.size > MEMORY) this.#last.delete(this.#last.keys().next().value ?? 0);
    this.#onRecord(record);
  }
}

function remember(numbers: Set<number>, number: number): void {
  numbers.add(number);
  if (numbers.size > MEMORY) numbers.delete(numbers.values().next().value ?? 0);
}
