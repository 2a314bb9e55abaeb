import * as vscode from 'vscode';
import { BootyardError, messageOf } from '../../backend/errors.ts';

/** One life of what a terminal shows: a shell's process, a serial line. */
export interface Session {
  write(text: string): void;
  resize?(columns: number, rows: number): void;
  close(): void;
}
export interface SessionEvents {
  /** what it answers, if anything, resolves when the text was taken and more may come */
  onText(text: string): void | Promise<void>;
  /** `exitCode`: the terminal ends with it. Without one, the session is lost and may come back. */
  onEnd(message: string, exitCode?: number): void;
}
export interface SessionSource {
  /** Opens a session. What it throws is shown and ends the terminal, unless the daemon was lost meanwhile. */
  open(size: vscode.TerminalDimensions, events: SessionEvents): Promise<Session>;
  /**
   * Resolves when a session can be opened (again); `say` tells what is waited for. Rejects when the signal is aborted,
   * or when there is nothing left to wait for.
   */
  ready(first: boolean, signal: AbortSignal, say: (text: string) => void): Promise<void>;
}

const DEFAULT_SIZE: vscode.TerminalDimensions = { columns: 80, rows: 24 };
const INTERRUPTS = ['\x03', '\x04'];
const ENTER = '\r';
/** Failures that the next session may not meet: the daemon went away in the middle. */
const passing = ['api.closed', 'api.unreachable', 'lab.notRunning'];

/**
 * A terminal that outlives its sessions: when one is lost it draws a line, waits until another can be had, and goes on.
 * While it waits, Ctrl+C or Ctrl+D closes it, and Enter tries at once.
 */
export class ReconnectingTerminal implements vscode.Pseudoterminal {
  readonly #source: SessionSource;
  readonly #taken: (() => Promise<void>) | undefined;
  readonly #texts = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<number | void>();
  readonly #names = new vscode.EventEmitter<string>();
  readonly #end = new AbortController();
  #session: Session | undefined;
  #size = DEFAULT_SIZE;
  /** what was typed while a session is being opened; undefined at all other times */
  #typedAhead: string | undefined;
  /** ends a wait for the next session */
  #hurry: (() => void) | undefined;

  readonly onDidWrite = this.#texts.event;
  readonly onDidClose = this.#closes.event;
  readonly onDidChangeName = this.#names.event;

  /** `taken`: resolves when who shows the text has taken it, where that can be known */
  constructor(source: SessionSource, taken?: () => Promise<void>) {
    this.#source = source;
    this.#taken = taken;
  }

  open(size: vscode.TerminalDimensions | undefined): void {
    this.#size = size ?? DEFAULT_SIZE;
    void this.#run();
  }

  setDimensions(size: vscode.TerminalDimensions): void {
    this.#size = size;
    this.#session?.resize?.(size.columns, size.rows);
  }

  handleInput(text: string): void {
    if (this.#session) this.#session.write(text);
    else if (INTERRUPTS.includes(text)) this.#finish();
    else if (text === ENTER && this.#hurry) this.#hurry();
    else if (this.#typedAhead !== undefined) this.#typedAhead += text;
  }

  rename(name: string): void {
    this.#names.fire(name);
  }

  close(): void {
    this.#end.abort();
    this.#session?.close();
    this.#session = undefined;
  }

  async #run(): Promise<void> {
    try {
      for (let first = true; ; first = false) {
        await this.#wait(first);
        const code = await this.#oneSession();
        if (this.#end.signal.aborted) return;
        if (code !== undefined) {
          this.#finish(code);
          return;
        }
      }
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.#divide(messageOf(error));
      this.#finish(1);
    }
  }

  async #wait(first: boolean): Promise<void> {
    const enter = Promise.withResolvers<void>();
    const hurried = new AbortController();
    if (!first) this.#hurry = enter.resolve;
    const signal = AbortSignal.any([this.#end.signal, hurried.signal]);
    const ready = this.#source.ready(first, signal, (text) => this.#divide(text));
    try {
      await Promise.race([ready, enter.promise]);
    } finally {
      this.#hurry = undefined;
      hurried.abort();
      ready.catch(() => undefined); // it was told above, or ended by Enter
    }
  }

  /** Answers the exit code when the session came to its end, undefined when it was lost. */
  async #oneSession(): Promise<number | undefined> {
    const ended = Promise.withResolvers<number | undefined>();
    const onEnd = (message: string, exitCode?: number): void => {
      this.#session = undefined;
      if (message) this.#divide(message);
      ended.resolve(exitCode);
    };
    this.#typedAhead = '';
    try {
      const session = await this.#source.open(this.#size, {
        onText: (text) => {
          this.#texts.fire(text);
          return this.#taken?.();
        },
        onEnd,
      });
      this.#adopt(session, ended.promise);
    } catch (error) {
      if (!(error instanceof BootyardError && passing.includes(error.code))) throw error;
      onEnd(messageOf(error));
    } finally {
      this.#typedAhead = undefined;
    }
    return ended.promise;
  }

  #adopt(session: Session, ended: Promise<unknown>): void {
    if (this.#end.signal.aborted) {
      session.close();
      return;
    }
    this.#session = session;
    // It may have ended while it was being opened.
    void ended.then(() => {
      if (this.#session === session) this.#session = undefined;
    });
    session.resize?.(this.#size.columns, this.#size.rows);
    if (this.#typedAhead) session.write(this.#typedAhead);
  }

  #divide(text: string): void {
    this.#texts.fire(`\r\n\x1b[2m── ${text} ──\x1b[0m\r\n`);
  }

  #finish(code?: number): void {
    this.close();
    this.#closes.fire(code);
  }
}
