import * as vscode from 'vscode';
import type { ClientStream } from '../../backend/api/client.ts';
import { messageOf } from '../../backend/errors.ts';
import { TerminalPace } from '../ui/terminal-pace.ts';

const INTERRUPT = '\x03';
const ENTER = '\r';

/** A terminal in which what a console has printed is played once, from `open`. Ctrl+C ends it. */
export class ReplayTerminal implements vscode.Pseudoterminal {
  readonly #open: (signal: AbortSignal) => Promise<ClientStream>;
  readonly #texts = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<number>();
  readonly #end = new AbortController();
  readonly #pace = new TerminalPace();
  #done = false;

  readonly onDidWrite = this.#texts.event;
  readonly onDidClose = this.#closes.event;

  constructor(open: (signal: AbortSignal) => Promise<ClientStream>) {
    this.#open = open;
  }

  open(): void {
    void this.#play();
  }

  handleInput(text: string): void {
    // Not any text is a key: the terminal answers what the recording asks of it, such as where its cursor is.
    if (this.#done && (text === ENTER || text === INTERRUPT)) this.#closes.fire(0);
    else if (text === INTERRUPT) this.close();
  }

  close(): void {
    this.#end.abort();
  }

  async #play(): Promise<void> {
    const { signal } = this.#end;
    let last: string;
    try {
      const sentence = await this.#toEnd(await this.#open(signal));
      last = signal.aborted ? 'stopped' : (sentence ?? 'end of the replay');
    } catch (error) {
      last = signal.aborted ? 'stopped' : messageOf(error);
    }
    this.#done = true;
    const hint = 'Press Enter to close the terminal.';
    this.#texts.fire(`\x1b[0m\r\n\x1b[2m── ${last} ──\r\n${hint}\x1b[0m\r\n`);
  }

  /** Resolves with the sentence that the stream ended with, if it did with one. */
  #toEnd(stream: ClientStream): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const { signal } = this.#end;
    const stop = (): void => {
      stream.close();
      resolve(undefined);
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const decoder = new TextDecoder();
    stream.onData(async (data) => {
      this.#texts.fire(decoder.decode(data, { stream: true }));
      await this.#pace.wrote(data.length);
    });
    stream.onEnd(resolve);
    return promise.finally(() => signal.removeEventListener('abort', stop));
  }
}
