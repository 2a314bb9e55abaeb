import { randomBytes } from 'node:crypto';
import type { Publish } from '../../events/bus.ts';

const INTERVAL_MS = 1000;

/** What is counted: an RpcCall has these. */
interface Totals {
  readonly operations: number;
  readonly bytesRead: number;
}

/** Publishes the totals of one connection: at most once a second while they grow, and at its end. */
export class Activity {
  readonly client: string;
  readonly #totals: Totals;
  readonly #publish: Publish;
  readonly #connection = randomBytes(6).toString('hex');
  #since = 0;
  #published = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: string, totals: Totals, publish: Publish) {
    this.client = client;
    this.#totals = totals;
    this.#publish = publish;
  }

  /** Cheap; called after each batch of requests. */
  note(): void {
    if (this.#since === 0) this.#since = Date.now();
    if (this.#timer || this.#totals.operations === this.#published) return;
    this.#timer = setTimeout(this.#tell, INTERVAL_MS).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#totals.operations !== this.#published) this.#tell();
  }

  readonly #tell = (): void => {
    this.#timer = undefined;
    const { operations, bytesRead } = this.#totals;
    this.#published = operations;
    const [connection, since] = [this.#connection, this.#since];
    this.#publish({ kind: 'nfs', client: this.client, operations, bytesRead, connection, since });
  };
}
