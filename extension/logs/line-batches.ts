import type { Line } from './messages.ts';

/** Most lines that go to the page at once. */
const MOST = 500;
const DELAY_MS = 50;

/** Gathers lines for a page that may be slower than they come: what it has not taken makes the reader wait. */
export class LineBatches {
  /** resolves when the page has taken them, or will never */
  readonly #send: (lines: Line[]) => Promise<void>;
  #lines: Line[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending = Promise.resolve();

  constructor(send: (lines: Line[]) => Promise<void>) {
    this.#send = send;
  }

  /** Waits while there is a batch too many. */
  async add(line: Line): Promise<void> {
    this.#lines.push(line);
    if (this.#lines.length >= MOST) return await this.flush();
    this.#timer ??= setTimeout(() => void this.flush(), DELAY_MS);
  }

  /** Resolves when the page has taken all. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending = this.#sending.then(async () => {
      const lines = this.#lines;
      this.#lines = [];
      if (lines.length > 0) await this.#send(lines);
    });
    await this.#sending;
  }
}
