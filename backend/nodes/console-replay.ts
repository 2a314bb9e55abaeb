import type { TimeRange } from '../logs/range.ts';
import type { ConsoleLog } from './console-log.ts';
import type { ConsoleTime } from './console-times.ts';
import type { ConsoleViewer } from './console.ts';

/** What is replayed of a console, and how fast: 1 is as it was recorded. Times in ms since the epoch. */
export interface Replay extends TimeRange {
  speed: number;
}

const CHUNK = 32 * 1024;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Writes what a console has printed to a viewer, with the pauses of the recording. A viewer that is slow makes it wait. */
export class ConsolePlayer {
  readonly #log: ConsoleLog;
  readonly #times: readonly ConsoleTime[];
  readonly #viewer: ConsoleViewer;
  readonly #speed: number;
  readonly #onEnd: () => void;
  #position: number;
  #next = 0;
  /** on the clock of `performance`: when the recording would have begun if it had been played without a stop */
  #began = 0;
  #blockedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `start` and the ends of `times` are positions of the log. */
  constructor(
    log: ConsoleLog,
    { start, times }: { start: number; times: readonly ConsoleTime[] },
    viewer: ConsoleViewer,
    options: { speed: number; onEnd: () => void },
  ) {
    this.#log = log;
    this.#times = times;
    this.#viewer = viewer;
    this.#speed = options.speed;
    this.#onEnd = options.onEnd;
    this.#position = start;
    viewer.onDrain(() => this.#goOn());
    viewer.onClose(() => this.close());
  }

  start(): void {
    this.#began = performance.now();
    this.#play();
  }

  close(message?: string): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#viewer.end(message);
    this.#onEnd();
  }

  /** What the viewer's slowness has taken is no time of the recording. */
  #goOn(): void {
    if (this.#closed || this.#blockedAt === undefined) return;
    this.#began += performance.now() - this.#blockedAt;
    this.#blockedAt = undefined;
    this.#play();
  }

  #play(): void {
    for (;;) {
      const time = this.#times[this.#next];
      if (!time) return this.close();
      const wait = this.#began + (time.at - (this.#times[0]?.at ?? 0)) / this.#speed - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#play(), Math.min(wait, LONGEST_TIMER));
        return;
      }
      const ready = this.#write(time.end);
      if (this.#closed) return;
      if (this.#position >= time.end) this.#next++;
      if (ready) continue;
      this.#blockedAt = performance.now();
      return;
    }
  }

  /** Some of what comes before `end`; false when the viewer takes no more for now. */
  #write(end: number): boolean {
    const part = this.#log.read(this.#position, Math.min(CHUNK, end - this.#position));
    if (part.position !== this.#position || part.bytes.length === 0) {
      this.close(
        'The rest of the recording is gone: the node was switched on anew, or has printed too much since.',
      );
      return false;
    }
    this.#position += part.bytes.length;
    return this.#viewer.write(part.bytes);
  }
}
