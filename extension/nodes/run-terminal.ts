import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { linesOf } from '../../backend/api/lines.ts';
import { messageOf } from '../../backend/errors.ts';
import { summary } from './run-text.ts';

/** A node's part in the run: its name, and what to start to run the command there. */
export interface Runner {
  readonly name: string;
  readonly argv: () => Promise<string[]>;
}

const COLOURS = [36, 33, 35, 32, 34];
const INTERRUPT = '\x03';
/** as a shell tells that ctrl-C ended a command */
const INTERRUPTED = 130;
/** VS Code does not slow the writer of a terminal down, so it slows itself: this many characters, then this long. */
const BURST = 64 * 1024;
const REST_MS = 10;

/** A command on several nodes at once, in one terminal: whole lines, each behind its node's name. Ctrl+C ends it. */
export class RunTerminal implements vscode.Pseudoterminal {
  readonly #command: string;
  readonly #runners: readonly Runner[];
  readonly #texts = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<number>();
  readonly #end = new AbortController();
  readonly #codes = Promise.withResolvers<Record<string, number>>();
  #written = 0;
  #done = false;

  readonly onDidWrite = this.#texts.event;
  readonly onDidClose = this.#closes.event;
  /** the exit codes, by the names of the nodes */
  readonly codes = this.#codes.promise;

  constructor(command: string, runners: readonly Runner[]) {
    this.#command = command;
    this.#runners = runners;
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
    await this.#write(`\x1b[1m$ ${this.#command}\x1b[0m`);
    const width = Math.max(...this.#runners.map(({ name }) => name.length));
    const codes = await Promise.all(
      this.#runners.map(async ({ name, argv }, index) => {
        const colour = COLOURS[index % COLOURS.length];
        const prefix = this.#runners.length > 1 ? `\x1b[${colour}m${name.padEnd(width)}\x1b[0m │ ` : '';
        return [name, await this.#runOne(argv, prefix)] as const;
      }),
    );
    await this.#write(`\x1b[2m── ${summary(codes)} ──\x1b[0m`);
    await this.#write('\x1b[2mPress any key to close the terminal.\x1b[0m');
    this.#done = true;
    this.#codes.resolve(Object.fromEntries(codes));
  }

  /** What went wrong before the command ran counts as its failure. */
  async #runOne(argv: () => Promise<string[]>, prefix: string): Promise<number> {
    const { signal } = this.#end;
    try {
      const [program = '', ...rest] = await argv();
      if (signal.aborted) return INTERRUPTED;
      // In a group of its own: what enters the lab's namespaces forks, and the whole of it has to end.
      const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      const stop = (): void => endGroup(child.pid);
      signal.addEventListener('abort', stop);
      const readers = [child.stdout, child.stderr].map((stream) => this.#copy(stream, prefix));
      try {
        return await new Promise<number>((resolve, reject) => {
          child.once('error', reject);
          child.once('close', (code) => resolve(code ?? INTERRUPTED));
        });
      } finally {
        signal.removeEventListener('abort', stop);
        await Promise.all(readers);
      }
    } catch (error) {
      await this.#write(prefix + messageOf(error));
      return 1;
    }
  }

  async #copy(stream: Readable, prefix: string): Promise<void> {
    const decoder = new TextDecoder();
    for await (const line of linesOf(stream)) await this.#write(`${prefix}${decoder.decode(line)}\x1b[0m`);
  }

  async #write(line: string): Promise<void> {
    this.#texts.fire(`${line}\r\n`);
    this.#written += line.length;
    if (this.#written < BURST) return;
    this.#written = 0;
    await delay(REST_MS);
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended.
  }
}
