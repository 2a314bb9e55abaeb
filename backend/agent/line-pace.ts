import type { Socket } from 'node:net';

/** Lines a second that one connection may send for long, and at once. */
const LINES_PER_SECOND = 20_000;
const BURST = 20_000;

/** Makes a connection that sends lines faster than they are to be taken wait, by TCP's own means: none is lost. */
export class LinePace {
  readonly #socket: Socket;
  #budget = BURST;
  readonly #now: () => number;
  #refilled: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#refilled = now();
    this.#socket = socket;
    socket.once('close', () => clearTimeout(this.#timer));
  }

  /** One line more. What is in memory is handed over all the same. */
  count(): void {
    this.#budget--;
    if (this.#budget >= 0 || this.#timer) return;
    const now = this.#now();
    this.#budget = Math.min(BURST, this.#budget + ((now - this.#refilled) / 1000) * LINES_PER_SECOND);
    this.#refilled = now;
    if (this.#budget >= 0) return;
    this.#socket.pause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#socket.resume();
    }, 50);
  }
}
