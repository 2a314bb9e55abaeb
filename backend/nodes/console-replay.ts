import { BootyardError } from '../errors.ts';
import type { ConsoleLog } from './console-log.ts';
import type { ConsoleTime } from './console-times.ts';
import type { ConsoleViewer } from './console.ts';

/** What is replayed of a console, and how fast: 1 is as it was recorded. Times in ms since the epoch. */
export interface Replay {
  from: number;
  to: number;
  speed: number;
}

const CHUNK = 32 * 1024;
const LONGEST_TIMER = 2 ** 31 - 1;
const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIDE = /^-(\d{1,9})([smhd])$/;

/**
 * A range in the grammar of WalT's `log show --history`: `full`, or `[start]:[end]` with relative times such as -5m, -30s,
 * -2h, -1d on either side. Throws `console.range`.
 */
export function parseRange(text: string, now = Date.now()): Pick<Replay, 'from' | 'to'> {
  if (text === 'full') return { from: -Infinity, to: Infinity };
  const [start = '', end = '', ...others] = text.split(':');
  if (!text.includes(':') || others.length > 0) throw badRange(text);
  const from = start === '' ? -Infinity : now - ago(start, text);
  const to = end === '' ? Infinity : now - ago(end, text);
  if (from <= to) return { from, to };
  throw new BootyardError('console.range', `The range '${text}' ends before it begins.`, { range: text });
}

function ago(side: string, text: string): number {
  const [, count, unit = ''] = SIDE.exec(side) ?? [];
  const length = UNITS[unit];
  if (length === undefined) throw badRange(text);
  return Number(count) * length;
}

function badRange(text: string): BootyardError {
  return new BootyardError(
    'console.range',
    `'${text.slice(0, 80)}' is no range: expected is 'full' or '[start]:[end]' with times before now such as -30s, -5m, -2h or -1d (examples: '-5m:', '-1h:-30m').`,
    { range: text },
  );
}

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
