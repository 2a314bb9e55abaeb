import {
  appendFileSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  watch,
  writeSync,
  type FSWatcher,
} from 'node:fs';
import { type ConsoleTime, ConsoleTimes } from './console-times.ts';

/** A file that grows beyond `limit` is cut down to its last `keep` bytes. */
export interface ConsoleLogSizes {
  limit: number;
  keep: number;
}
const SIZES: ConsoleLogSizes = { limit: 16 * 1024 * 1024, keep: 4 * 1024 * 1024 };
/** Output is looked for when the file changes, and in any case this often. ms */
const POLL_MS = 1_000;
/** Changes this close together are looked at as one. ms */
const GATHER_MS = 15;

/**
 * The serial line's output since power-on: a file that QEMU appends to, daemon or not. Positions count from the first
 * byte that this object saw and never go back, also when the file is cut; `start` is the oldest position still there.
 */
export class ConsoleLog {
  readonly #fd: number;
  readonly #watcher: FSWatcher;
  readonly #poll: NodeJS.Timeout;
  readonly #sizes: ConsoleLogSizes;
  readonly #times: ConsoleTimes;
  readonly #listeners = new Set<() => void>();
  #gathering: NodeJS.Timeout | undefined;
  #looked = 0;
  #start = 0;
  #end: number;
  readonly #missedEnd: number;

  constructor(file: string, sizes: ConsoleLogSizes = SIZES) {
    this.#fd = openSync(file, 'a+', 0o600);
    this.#sizes = sizes;
    const { size, mtimeMs } = fstatSync(this.#fd);
    this.#end = this.#missedEnd = size;
    this.#times = new ConsoleTimes(`${file}.times`, { size, changedAt: mtimeMs });
    this.#watcher = watch(file, { persistent: false }, () => this.#changed());
    // A watch that fails leaves the poll.
    this.#watcher.on('error', () => undefined);
    this.#poll = setInterval(() => this.look(), POLL_MS);
    this.#poll.unref();
  }

  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#end;
  }

  /** What had come when this was made, and nobody had looked at: two positions. */
  get missed(): { from: number; to: number } {
    return { from: this.#times.seen, to: this.#missedEnd };
  }

  /** Calls when there is more to read, or when the file began anew. Returns what ends this. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Up to `length` bytes from `position` on, which is moved up to `start` if it lies before. Empty at the end. */
  read(position: number, length: number): { position: number; bytes: Uint8Array } {
    const from = Math.max(position, this.#start);
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#end - from)));
    const count = bytes.length === 0 ? 0 : readSync(this.#fd, bytes, 0, bytes.length, from - this.#start);
    return { position: from, bytes: bytes.subarray(0, count) };
  }

  /** Where the last bytes begin, at most so many of them: all that is there, or from the begin of a line. */
  recent(length: number): number {
    const from = this.#end - length;
    if (from <= this.#start) return this.#start;
    const line = this.read(from - 1, length).bytes.indexOf(0x0a);
    return line < 0 ? from : from + line;
  }

  /** When what is there was printed, as far as anybody looked; ends are positions. */
  times(): ConsoleTime[] {
    return this.#times.all().map(({ at, end }) => ({ at, end: end + this.#start }));
  }

  /** The last bytes as text, for a look at how something ended. */
  tail(length: number): string {
    return Buffer.from(this.read(this.#end - length, length).bytes).toString('utf8');
  }

  /** A power-on: what was there before is gone. */
  clear(): void {
    this.look();
    ftruncateSync(this.#fd, 0);
    this.#times.cut(Infinity);
    this.#start = this.#end;
  }

  /** A line of ours between the outputs of two machines. */
  divide(text: string): void {
    appendFileSync(this.#fd, `\r\n--- ${text} ---\r\n`);
    this.look();
  }

  /** Looks for growth now instead of when the system says so. */
  look(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#looked = performance.now();
    const end = this.#start + fstatSync(this.#fd).size;
    if (end === this.#end) return;
    this.#end = end;
    this.#times.grown(end - this.#start);
    for (const listener of this.#listeners) listener();
    if (this.#end - this.#start > this.#sizes.limit) this.#cut();
  }

  close(): void {
    clearTimeout(this.#gathering);
    clearInterval(this.#poll);
    this.#watcher.close();
    this.#listeners.clear();
    closeSync(this.#fd);
    this.#times.close();
  }

  #changed(): void {
    if (this.#gathering) return;
    const wait = GATHER_MS - (performance.now() - this.#looked);
    if (wait <= 0) this.look();
    else this.#gathering = setTimeout(() => this.look(), wait);
  }

  /**
   * QEMU keeps its descriptor, so the file is cut in place: it appends (O_APPEND), and goes on at the new end. What it
   * writes in the microseconds between our reading and cutting is lost; only a guest that floods its console gets here.
   */
  #cut(): void {
    const size = fstatSync(this.#fd).size;
    const kept = new Uint8Array(this.#sizes.keep);
    const count = readSync(this.#fd, kept, 0, kept.length, size - kept.length);
    ftruncateSync(this.#fd, 0);
    writeSync(this.#fd, kept, 0, count);
    this.#times.cut(size - count);
    this.#start += size - count;
    this.#end = this.#start + fstatSync(this.#fd).size;
  }
}
