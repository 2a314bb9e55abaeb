import * as vscode from 'vscode';

const INTERRUPT = '\x03';

/** What a builder prints, in a terminal. Ctrl+C, or closing it, ends the build. */
export class BuildTerminal implements vscode.Pseudoterminal {
  readonly #texts = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<number>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #onEnd: () => void;
  #run: AbortController | undefined;

  readonly onDidWrite = this.#texts.event;
  readonly onDidClose = this.#closes.event;
  /** what is written before is lost */
  readonly opened = this.#opened.promise;

  /** `onEnd`: the terminal is closed */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  open(): void {
    this.#opened.resolve();
  }

  close(): void {
    this.#run?.abort();
    this.#onEnd();
  }

  handleInput(text: string): void {
    if (text === INTERRUPT) this.#run?.abort();
    else if (!this.#run) this.#closes.fire(0);
  }

  readonly write = (text: string): void => {
    this.#texts.fire(text.replaceAll(/\r?\n/g, '\r\n'));
  };

  /** Does what ctrl+C ends; one thing at a time. */
  async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const run = new AbortController();
    this.#run = run;
    try {
      return await work(run.signal);
    } finally {
      this.#run = undefined;
    }
  }
}
