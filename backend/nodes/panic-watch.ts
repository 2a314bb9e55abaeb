import { isPanicEnd, panicText } from './console-scanner.ts';
import { TIMES } from './parts.ts';

/**
 * Notices a kernel panic on the console. Before a node is booted the first line is enough, after a moment for the rest
 * of its text. Later anybody in the node may print such a line; the kernel alone stops after it and says so.
 */
export class PanicWatch {
  readonly #onPanic: (text: string) => void;
  #text: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(onPanic: (text: string) => void) {
    this.#onPanic = onPanic;
  }

  take(line: string, isBooted: boolean): void {
    if (this.#text === undefined) {
      this.#text = panicText(line);
      if (this.#text !== undefined && !isBooted) this.#timer = setTimeout(() => this.#report(), TIMES.panic);
    }
    if (isPanicEnd(line)) this.#report();
  }

  /** Another machine begins, or none. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#text = undefined;
  }

  #report(): void {
    clearTimeout(this.#timer);
    this.#onPanic(this.#text ?? 'Kernel panic');
  }
}
