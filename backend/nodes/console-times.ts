import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

/** Output that was seen at one time: everything up to `end`, a byte count from the begin of the log file. */
export interface ConsoleTime {
  /** ms since the epoch */
  at: number;
  end: number;
}

/** Two doubles, little-endian: `at`, `end`. */
const RECORD = 16;
/** Records that are kept, 1 MiB of them; where there are more, every second one goes. */
const MOST = 65_536;

/**
 * When the bytes of a console's log came: a file beside it, written by whoever reads the log. What a guest printed while
 * nobody read counts as printed when the log was last written to.
 */
export class ConsoleTimes {
  /** how much of the log whoever read it before has seen, in bytes */
  readonly seen: number;
  readonly #fd: number;
  readonly #most: number;
  #count: number;

  /** `size`, `changedAt` (ms since the epoch): of the log file as it is now. */
  constructor(file: string, { size, changedAt }: { size: number; changedAt: number }, most = MOST) {
    this.#fd = openSync(file, 'a+', 0o600);
    this.#most = most;
    // A daemon may have died while it wrote, so neither length nor content is trusted.
    this.#count = Math.floor(fstatSync(this.#fd).size / RECORD);
    const known = believable(this.all(), size);
    this.#rewrite(known);
    const last = known.at(-1);
    this.seen = last?.end ?? 0;
    if (size > (last?.end ?? 0)) this.grown(size, Math.max(changedAt, last?.at ?? 0));
  }

  /** The log has grown to `end` bytes. */
  grown(end: number, at = Date.now()): void {
    this.#append([{ at, end }]);
    if (this.#count > this.#most) this.#rewrite(this.all().filter((_, index) => index % 2 === 1));
  }

  /** The log's first `removed` bytes are gone; `Infinity`: all. */
  cut(removed: number): void {
    const left = this.all().map(({ at, end }) => ({ at, end: end - removed }));
    this.#rewrite(left.filter(({ end }) => end > 0));
  }

  /** In order of `end`. */
  all(): ConsoleTime[] {
    const bytes = Buffer.alloc(this.#count * RECORD);
    const length = readSync(this.#fd, bytes, 0, bytes.length, 0);
    return Array.from({ length: Math.floor(length / RECORD) }, (_, index) => ({
      at: bytes.readDoubleLE(index * RECORD),
      end: bytes.readDoubleLE(index * RECORD + 8),
    }));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(times: readonly ConsoleTime[]): void {
    const bytes = Buffer.alloc(times.length * RECORD);
    for (const [index, { at, end }] of times.entries()) {
      bytes.writeDoubleLE(at, index * RECORD);
      bytes.writeDoubleLE(end, index * RECORD + 8);
    }
    writeSync(this.#fd, bytes);
    this.#count += times.length;
  }

  #rewrite(times: readonly ConsoleTime[]): void {
    ftruncateSync(this.#fd, 0);
    this.#count = 0;
    this.#append(times);
  }
}

/** Without what cannot be of a log of `size` bytes. */
function believable(times: readonly ConsoleTime[], size: number): ConsoleTime[] {
  let before = 0;
  return times.filter(({ at, end }) => {
    if (!Number.isFinite(at) || !Number.isInteger(end) || end <= before || end > size) return false;
    before = end;
    return true;
  });
}
