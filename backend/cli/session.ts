import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import type { ApiClient } from '../api/client.ts';
import type { MethodName, Params, Progress, Result } from '../api/contract.ts';
import { connectToLab } from '../api/lab-control.ts';
import { ProgressLine } from './progress-line.ts';

const INTERRUPTED = 130;
const ignore = (): void => {};

/** What one run of the command has: output, the connection to the lab while it needs one, ctrl-C and the exit code. */
export class Session {
  exitCode = 0;
  readonly progress = new ProgressLine(process.stderr);
  readonly #interrupts: AbortController[] = [];
  readonly #onInterrupt = () => {
    const innermost = this.#interrupts.pop();
    if (innermost === undefined) process.exit(INTERRUPTED);
    innermost.abort();
  };

  constructor() {
    process.on('SIGINT', this.#onInterrupt);
  }

  print(text: string): void {
    this.progress.clear();
    process.stdout.write(`${text}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** For what is not the command's result. */
  say(text: string): void {
    this.progress.clear();
    process.stderr.write(`${text}\n`);
  }

  get interactive(): boolean {
    return isatty(0) && isatty(1);
  }

  /** Connects, starting the lab on demand as WalT's server is always there, and disconnects when `use` is done. */
  async withLab<T>(use: (lab: LabSession) => Promise<T>): Promise<T> {
    return await this.interruptible(async (signal) => {
      const client = await connectToLab({ start: true, onProgress: this.progress.show, signal });
      try {
        return await use(new LabSession(this, client, signal));
      } finally {
        this.progress.clear();
        client.dispose();
      }
    });
  }

  /** Ctrl-C aborts the innermost of these; when there is none it ends the command. */
  async interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#interrupts.push(controller);
    try {
      return await run(controller.signal);
    } finally {
      const index = this.#interrupts.indexOf(controller);
      if (index >= 0) this.#interrupts.splice(index, 1);
    }
  }

  /** While a child has the terminal, ctrl-C is the child's. */
  async leavingInterrupts<T>(run: () => Promise<T>): Promise<T> {
    process.off('SIGINT', this.#onInterrupt);
    process.on('SIGINT', ignore);
    try {
      return await run();
    } finally {
      process.off('SIGINT', ignore);
      process.on('SIGINT', this.#onInterrupt);
    }
  }

  async confirm(question: string): Promise<boolean> {
    return /^y(es)?$/i.test(await this.ask(`${question} (y/n): `));
  }

  /** What somebody types on the terminal. */
  async ask(question: string): Promise<string> {
    this.progress.clear();
    const reader = createInterface({ input: process.stdin, output: process.stderr });
    // A terminal's ctrl-C goes to the line editor while it reads.
    reader.on('SIGINT', this.#onInterrupt);
    try {
      const answer = await this.interruptible((signal) => reader.question(question, { signal }));
      return answer.trim();
    } finally {
      reader.close();
    }
  }
}

/** A session with its connection to the lab. */
export class LabSession {
  readonly session: Session;
  readonly client: ApiClient;
  readonly signal: AbortSignal;

  constructor(session: Session, client: ApiClient, signal: AbortSignal) {
    this.session = session;
    this.client = client;
    this.signal = signal;
  }

  /** A call with progress on the terminal that ctrl-C cancels. */
  async call<M extends MethodName>(
    method: M,
    params: Params<M>,
    options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void } = {},
  ): Promise<Result<M>> {
    const { signal = this.signal, onProgress = this.session.progress.show } = options;
    try {
      return await this.client.call(method, params, { signal, onProgress });
    } finally {
      this.session.progress.clear();
    }
  }
}
