import { StringDecoder } from 'node:string_decoder';
import { panicText } from '../../nodes/console-scanner.ts';
import type { LinePattern } from './file.ts';
import { PatternWatch } from './pattern-watch.ts';

/** ECMA-48: CSI and OSC sequences, and those of two characters. */
// oxlint-disable-next-line no-control-regex
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
/** A guest may print what it likes: a line is looked at so far, and so many are kept. */
const MOST_LINE = 4096;
const MOST_LINES = 500;

/** Looks for patterns in the lines of a serial line. A line that is not yet ended counts, too: prompts have no end. */
export class ConsoleWatch {
  readonly #watch: PatternWatch;
  readonly #decoder = new StringDecoder('utf8');
  #hasPanic = false;
  #lines: string[] = [];
  #rest = '';

  constructor(patterns: readonly LinePattern[]) {
    this.#watch = new PatternWatch(patterns);
  }

  feed(bytes: Uint8Array): void {
    const parts = (this.#rest + this.#decoder.write(Buffer.from(bytes))).split(/\r\n|[\r\n]/);
    this.#rest = (parts.pop() ?? '').slice(-MOST_LINE);
    for (const part of parts) this.#look(plain(part), true);
    this.#look(plain(this.#rest), false);
  }

  /** The first line that the pattern with this number matched. */
  found(index: number): string | undefined {
    return this.#watch.found(index);
  }

  /** The kernel has said that it panics. */
  get hasPanic(): boolean {
    return this.#hasPanic;
  }

  /** The last lines, the newest last. */
  get lines(): string[] {
    const rest = plain(this.#rest);
    return rest === '' ? this.#lines : [...this.#lines, rest];
  }

  get last(): string {
    return this.lines.at(-1) ?? '';
  }

  #look(line: string, isWhole: boolean): void {
    if (line === '') return;
    this.#watch.look(line);
    this.#hasPanic ||= panicText(line) !== undefined;
    if (isWhole) this.#lines = [...this.#lines.slice(1 - MOST_LINES), line];
  }
}

function plain(line: string): string {
  return line
    .slice(0, MOST_LINE)
    .replace(ESCAPES, '')
    .replace(/\p{Cc}/gu, '')
    .trimEnd();
}
