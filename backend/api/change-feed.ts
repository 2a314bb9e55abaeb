import type { Change } from './change.ts';

/** A change as its publisher knows it: the feed gives the number. */
export type ChangeBody = { [T in Change['type']]: Omit<Extract<Change, { type: T }>, 'seq'> }[Change['type']];

const QUEUE = 256;

/** Where changes of one subscriber go; `ready` is false while what was sent before has not been taken. */
export interface ChangeSink {
  readonly ready: boolean;
  send(change: Change): void;
}

/**
 * Numbers changes and hands them to subscribers. A subscriber that does not keep up loses all queued changes but the
 * newest; the gap in the numbers makes it subscribe again, which costs one snapshot instead of unbounded memory.
 */
export class ChangeFeed {
  #seq = 0;
  readonly #subscriptions = new Set<Subscription>();

  get seq(): number {
    return this.#seq;
  }

  publish(body: ChangeBody): void {
    const change: Change = { ...body, seq: ++this.#seq };
    for (const subscription of this.#subscriptions) subscription.push(change);
  }

  /** Changes after this moment are queued, and sent from the first `flush` on. */
  subscribe(sink: ChangeSink): Subscription {
    const subscription = new Subscription(sink, () => this.#subscriptions.delete(subscription));
    this.#subscriptions.add(subscription);
    return subscription;
  }
}

export class Subscription {
  readonly #sink: ChangeSink;
  readonly #remove: () => void;
  #held = true;
  #queue: Change[] = [];

  constructor(sink: ChangeSink, remove: () => void) {
    this.#sink = sink;
    this.#remove = remove;
  }

  push(change: Change): void {
    if (!this.#held && this.#queue.length === 0 && this.#sink.ready) return this.#sink.send(change);
    this.#queue.push(change);
    if (this.#queue.length > QUEUE) this.#queue.splice(0, this.#queue.length - 1);
  }

  /** Sends what waits, as far as the sink takes it. */
  flush(): void {
    this.#held = false;
    while (this.#sink.ready) {
      const change = this.#queue.shift();
      if (change === undefined) return;
      this.#sink.send(change);
    }
  }

  end(): void {
    this.#remove();
    this.#queue = [];
  }
}
