import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { systemCode } from '../errors.ts';

const TAIL_BYTES = 8192;

/** A place in a log file: what is written after it can be quoted. */
export class LogMark {
  readonly file: string;
  readonly #offset: number;

  constructor(file: string) {
    this.file = file;
    this.#offset = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The last lines since the mark, joined by " / "; empty when there are none. */
  lastLines(count: number): string {
    const lines = this.#tail().split('\n');
    const said = lines.map((line) => line.trim()).filter((line) => line !== '');
    return said.slice(-count).join(' / ');
  }

  #tail(): string {
    let file: number;
    try {
      file = openSync(this.file, 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return '';
      throw error;
    }
    try {
      const size = fstatSync(file).size;
      // The keeper moves a large log aside; then all of the new one is ours.
      const from = Math.max(size < this.#offset ? 0 : this.#offset, size - TAIL_BYTES);
      const buffer = Buffer.alloc(size - from);
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, from));
    } finally {
      closeSync(file);
    }
  }
}
