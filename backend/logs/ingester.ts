import { messageOf } from '../errors.ts';
import type { BusEvent, LogEvent } from '../events/bus.ts';
import { MAX_LINE } from './line.ts';
import { SERVER, type LogStore, type NewLine } from './store.ts';

/** As WalT's server: lines wait for each other so long, or until there are so many. */
const DELAY_MS = 300;
const BATCH = 512;
/** While somebody looks on. */
const LIVE_DELAY_MS = 20;
/** The name under which the lab's own lines are shown, as in WalT. */
export const SERVER_NAME = 'walt-server';
/** A disk that is full is said so often. */
const COMPLAINT_MS = 60_000;

export interface IngesterParts {
  store: Pick<LogStore, 'append'>;
  /** of a node, by its MAC */
  nameOf: (mac: string) => string | undefined;
  log: (line: string) => void;
}

/** Writes the `log` events of the bus to the store, many at once. At most `BATCH` of them are in memory. */
export class LogIngester {
  readonly #parts: IngesterParts;
  readonly #followers = new Set<() => void>();
  #pending: NewLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #complainedAt = -Infinity;

  constructor(parts: IngesterParts) {
    this.#parts = parts;
  }

  /** A listener of the bus. */
  readonly take = (event: BusEvent): void => {
    if (event.kind === 'log') this.#add(event);
  };

  /** `listener` is called when lines were written, and sooner than without one. Returns what ends that. */
  follow(listener: () => void): () => void {
    this.#followers.add(listener);
    return () => this.#followers.delete(listener);
  }

  /** What is taken is written when this returns. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    const lines = this.#pending;
    this.#pending = [];
    try {
      this.#parts.store.append(lines);
    } catch (error) {
      return this.#complain(lines.length, error);
    }
    for (const follower of this.#followers) follower();
  }

  #add({ node, client, stream, line, bytes, raw, timestamp }: LogEvent): void {
    const issuer = node ?? client ?? SERVER;
    this.#pending.push({
      issuer,
      issuerName: issuer === SERVER ? SERVER_NAME : (this.#parts.nameOf(issuer) ?? issuer),
      stream,
      time: Math.round(timestamp * 1000),
      line: (bytes ?? Buffer.from(line)).subarray(0, MAX_LINE),
      ...(raw && { raw }),
    });
    if (this.#pending.length >= BATCH) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#followers.size > 0 ? LIVE_DELAY_MS : DELAY_MS);
  }

  /** A line about it is a log line too, so there must be an end. */
  #complain(lines: number, error: unknown): void {
    this.#lost += lines;
    const now = performance.now();
    if (now - this.#complainedAt < COMPLAINT_MS) return;
    this.#complainedAt = now;
    this.#parts.log(`${this.#lost} log line(s) are lost: ${messageOf(error)}`);
    this.#lost = 0;
  }
}
