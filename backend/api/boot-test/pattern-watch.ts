import { type LogRecord, textOf } from '../log-lines.ts';
import type { LinePattern, LogPattern } from './file.ts';

/** The first line that each of some patterns matches. */
export class PatternWatch {
  readonly #patterns: readonly RegExp[];
  readonly #found = new Map<number, string>();

  constructor(patterns: readonly LinePattern[]) {
    this.#patterns = patterns.map(({ seen, never }) => new RegExp(seen ?? never ?? '', 'mu'));
  }

  /** `isMeant`: whether the pattern with this number is about this line */
  look(line: string, isMeant: (index: number) => boolean = () => true): void {
    for (const [index, pattern] of this.#patterns.entries())
      if (!this.#found.has(index) && isMeant(index) && pattern.test(line)) this.#found.set(index, line);
  }

  found(index: number): string | undefined {
    return this.#found.get(index);
  }
}

/** Looks for patterns in what a node logs. */
export class LogWatch {
  readonly #patterns: readonly LogPattern[];
  readonly #watch: PatternWatch;
  #last = '';

  constructor(patterns: readonly LogPattern[]) {
    this.#patterns = patterns;
    this.#watch = new PatternWatch(patterns);
  }

  take({ stream, line }: Pick<LogRecord, 'stream' | 'line'>): void {
    const text = textOf(line);
    this.#last = `${stream}: ${text}`;
    this.#watch.look(text, (index) => {
      const wanted = this.#patterns[index]?.stream;
      return wanted === undefined || wanted === stream;
    });
  }

  found(index: number): string | undefined {
    return this.#watch.found(index);
  }

  /** The last line, with its stream. */
  get last(): string {
    return this.#last;
  }
}
