import { BootyardError, messageOf } from '../errors.ts';

/** Work on one node, done one piece after the other, until the node is closed. */
export class Turns {
  readonly #name: () => string;
  readonly #log: (line: string) => void;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: () => string, log: (line: string) => void) {
    this.#name = name;
    this.#log = log;
  }

  /** Aborted when the node is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Does `work` when all that came before is done. Throws `node.closed` when the node is closed by then. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (!this.closing.aborted) return work();
      throw new BootyardError('node.closed', `${this.#name()} is not there any more.`);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** The same for work that no caller waits for; what went wrong is also the node's state. */
  enqueue(work: () => Promise<void>): void {
    this.take(work).catch((error: unknown) => {
      if (!this.closing.aborted) this.#log(`node ${this.#name()}: ${messageOf(error)}`);
    });
  }

  /** No more work; resolves when what goes on has ended. A turn that closes its node must not wait for that. */
  close(): Promise<unknown> {
    this.#closing.abort();
    return this.#last;
  }
}
