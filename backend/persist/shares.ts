import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BootyardError } from '../errors.ts';
import type { NfsShare, ShareReply, ShareRequest } from '../protocols/nfs/share/share.ts';
import type { Answer, FromWorker, Order, ShareName } from './messages.ts';

export interface PersistParts {
  log: (line: string) => void;
  /** The thread has ended by an error that nobody expected: calls on shares will not be answered any more. */
  onLost: (error: unknown) => void;
}

type Settled = { resolve: (answer: Answer) => void; reject: (error: Error) => void };
type Asked = { kind: 'open' | 'close' } | { kind: 'call'; request: ShareRequest };

/**
 * `/persist` of every node: one NFS share each, with all its data in one folder. A thread does the work; this is the
 * daemon's end of it.
 */
export class PersistShares {
  readonly #parts: PersistParts;
  readonly #shares = new Map<string, Share>();
  readonly #asked = new Map<number, Settled>();
  #worker: Worker | undefined;
  #number = 0;

  constructor(parts: PersistParts) {
    this.#parts = parts;
  }

  /** The share in `folder`, which is made when the share is first used. */
  share(folder: string): NfsShare {
    let share = this.#shares.get(folder);
    if (!share) {
      const name = { id: identityOf(folder), folder };
      this.#shares.set(
        folder,
        (share = new Share(name, (asked, buffers) => this.#ask(name, asked, buffers))),
      );
    }
    return share;
  }

  /** Nobody uses the share for now: its files are closed, until the next call. */
  async rest(folder: string): Promise<void> {
    if (this.#worker) await this.#ask({ id: identityOf(folder), folder }, { kind: 'close' });
  }

  /** Closes all. Calls that come later open their share again. */
  async close(): Promise<void> {
    await Promise.all([...this.#shares.keys()].map((folder) => this.rest(folder)));
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #ask(name: ShareName, asked: Asked, buffers: ArrayBuffer[] = []): Promise<Answer> {
    this.#worker ??= this.#start();
    const order: Order = { ...name, ...asked, number: this.#number++ };
    const answered = new Promise<Answer>((resolve, reject) =>
      this.#asked.set(order.number, { resolve, reject }),
    );
    this.#worker.postMessage(order, buffers);
    return answered;
  }

  #start(): Worker {
    const worker = new Worker(workerFile(), { execArgv: [] });
    worker.on('message', (message: FromWorker) => {
      if (!Array.isArray(message)) return this.#parts.log(message.log);
      for (const answer of message) this.#settle(answer);
    });
    worker.on('error', (error) => {
      for (const { reject } of this.#asked.values()) reject(new Error('the thread of /persist has ended'));
      this.#asked.clear();
      this.#worker = undefined;
      this.#parts.onLost(error);
    });
    return worker;
  }

  #settle(answer: Answer): void {
    const settled = this.#asked.get(answer.number);
    this.#asked.delete(answer.number);
    const { failed } = answer;
    if (failed) settled?.reject(new BootyardError(failed.code, failed.message));
    else settled?.resolve(answer);
  }
}

class Share implements NfsShare {
  readonly id: bigint;
  readonly #ask: (asked: Asked, buffers?: ArrayBuffer[]) => Promise<Answer>;

  constructor(name: ShareName, ask: (asked: Asked, buffers?: ArrayBuffer[]) => Promise<Answer>) {
    this.id = name.id;
    this.#ask = ask;
  }

  async open(): Promise<Uint8Array> {
    const { handle } = await this.#ask({ kind: 'open' });
    if (!handle) throw new Error('no handle');
    return handle;
  }

  async call(request: ShareRequest): Promise<ShareReply> {
    const { reply } = await this.#ask({ kind: 'call', request }, [request.args.buffer]);
    if (!reply) throw new Error('no reply');
    return reply;
  }
}

/** Part of every file handle: the same in each daemon. */
function identityOf(folder: string): bigint {
  return createHash('sha256').update(`persist ${folder}`).digest().readBigUInt64BE();
}

/** Beside this file, or beside the bundle. */
function workerFile(): string {
  const source = join(import.meta.dirname, 'worker.ts');
  return existsSync(source) ? source : join(import.meta.dirname, 'persist-worker.cjs');
}
