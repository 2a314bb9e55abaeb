import type { Progress } from '../api/contract.ts';
import { printable } from './table.ts';

/** One line on standard error that shows what goes on, when that is a terminal; it is gone before anything is printed. */
export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  #shown = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  readonly show = ({ message, fraction }: Progress): void => {
    if (!this.#out.isTTY) return;
    const share = fraction === undefined ? '' : ` ${Math.round(fraction * 100)} %`;
    const text = `${printable(message)}${share}`.slice(0, Math.max(20, this.#out.columns - 1));
    if (text === this.#shown) return;
    this.#out.write(`\r\u001b[2K${text}`);
    this.#shown = text;
  };

  clear(): void {
    if (this.#shown === '') return;
    this.#out.write('\r\u001b[2K');
    this.#shown = '';
  }
}
