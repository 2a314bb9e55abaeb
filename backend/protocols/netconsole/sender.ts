import { LineBudget } from '../line-budget.ts';
import { Fragments } from './fragments.ts';
import { decodeRecord, recordLines, splitLines } from './packets.ts';
import { Sequence } from './sequence.ts';

/** What is missing is waited for so long, and the rest of a line. */
export const PATIENCE_MS = 250;
/** A line of the basic format that does not end is cut here. */
const LONGEST = 16 * 1024;
/** Datagrams of one node: UDP cannot make it wait. */
const LIMITS = { perSecond: 20_000, burst: 20_000 };

/** The lines of one node's kernel, out of its datagrams. */
export class Sender {
  readonly #onLine: (line: Buffer) => void;
  readonly #budget: LineBudget;
  readonly #sequence: Sequence;
  readonly #fragments: Fragments;
  /** of the basic format: the beginning of a line */
  #rest: Buffer = Buffer.alloc(0);
  #refused = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(onLine: (line: Buffer) => void, now?: () => number) {
    this.#onLine = onLine;
    this.#budget = new LineBudget(LIMITS, now);
    this.#sequence = new Sequence(
      (record) => recordLines(record).forEach(onLine),
      (count) => this.#note(`${count} message(s) lost on the way`),
    );
    this.#fragments = new Fragments((record) => this.#sequence.take(record));
  }

  take(packet: Buffer): void {
    if (packet.length === 0) return;
    if (!this.#budget.take()) {
      this.#refused++;
      return;
    }
    if (this.#refused > 0) this.#note(`${this.#refused} message(s) dropped: there were too many at once`);
    this.#refused = 0;
    const record = decodeRecord(packet);
    if (record) this.#fragments.take(record);
    else this.#takeText(packet);
    clearTimeout(this.#timer);
    this.#timer = this.#isWaiting() ? setTimeout(() => this.flush(), PATIENCE_MS) : undefined;
  }

  /** Hands over what waits for what has not come. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#fragments.flush();
    this.#sequence.flush();
    if (this.#rest.length > 0) this.#onLine(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  #isWaiting(): boolean {
    return this.#rest.length > 0 || this.#sequence.isWaiting || !this.#fragments.isEmpty;
  }

  #takeText(packet: Buffer): void {
    const text = Buffer.concat([this.#rest, packet]);
    const lines = splitLines(text);
    const isWhole = text.at(-1) === 10;
    this.#rest = isWhole ? Buffer.alloc(0) : (lines.pop() ?? this.#rest);
    lines.forEach(this.#onLine);
    if (this.#rest.length > LONGEST) this.flush();
  }

  #note(text: string): void {
    this.#onLine(Buffer.from(`netconsole: ${text}`));
  }
}
