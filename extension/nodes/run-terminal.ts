import * as vscode from 'vscode';
import { messageOf } from '../../backend/errors.ts';
import { TerminalPace } from '../ui/terminal-pace.ts';
import { INTERRUPTED, type ExitCodes } from './run-text.ts';

export type WriteLine = (line: string) => Promise<void>;

/** A node's part in what is done on several. */
export interface Runner {
  readonly name: string;
  /** Resolves with an exit code; what it throws is shown and counts as 1. Ends when `signal` is aborted. */
  readonly run: (signal: AbortSignal, write: WriteLine) => Promise<number>;
}

const COLOURS = [36, 33, 35, 32, 34];
const INTERRUPT = '\x03';

/** Work on several nodes at once, in one terminal: whole lines, each behind its node's name. Ctrl+C ends it. */
export class RunTerminal implements vscode.Pseudoterminal {
  readonly #title: string;
  readonly #runners: readonly Runner[];
  readonly #summary: (codes: ExitCodes) => string;
  readonly #texts = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<number>();
  readonly #end = new AbortController();
  readonly #codes = Promise.withResolvers<Record<string, number>>();
  readonly #pace = new TerminalPace();
  #done = false;

  readonly onDidWrite = this.#texts.event;
  readonly onDidClose = this.#closes.event;
  /** the exit codes, by the names of the nodes */
  readonly codes = this.#codes.promise;

  /** `summary`: the last line */
  constructor(title: string, runners: readonly Runner[], summary: (codes: ExitCodes) => string) {
    this.#title = title;
    this.#runners = runners;
    this.#summary = summary;
  }

  open(): void {
    void this.#run();
  }

  handleInput(text: string): void {
    if (this.#done) this.#closes.fire(0);
    else if (text === INTERRUPT) this.close();
  }

  close(): void {
    this.#end.abort();
  }

  async #run(): Promise<void> {
    await this.#write(`\x1b[1m${this.#title}\x1b[0m`);
    const width = Math.max(...this.#runners.map(({ name }) => name.length));
    const codes = await Promise.all(
      this.#runners.map(async (runner, index) => {
        const colour = COLOURS[index % COLOURS.length];
        const name = runner.name.padEnd(width);
        const prefix = this.#runners.length > 1 ? `\x1b[${colour}m${name}\x1b[0m │ ` : '';
        return [runner.name, await this.#runOne(runner, prefix)] as const;
      }),
    );
    await this.#write(`\x1b[2m── ${this.#summary(codes)} ──\x1b[0m`);
    await this.#write('\x1b[2mPress any key to close the terminal.\x1b[0m');
    this.#done = true;
    this.#codes.resolve(Object.fromEntries(codes));
  }

  async #runOne({ run }: Runner, prefix: string): Promise<number> {
    const { signal } = this.#end;
    try {
      return await run(signal, (line) => this.#write(`${prefix}${line}\x1b[0m`));
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      await this.#write(prefix + messageOf(error));
      return 1;
    }
  }

  async #write(line: string): Promise<void> {
    this.#texts.fire(`${line}\r\n`);
    await this.#pace.wrote(line.length);
  }
}
