import type { Change } from './change.ts';
import type { Result } from './contract.ts';

/** The whole state: the first thing that a subscriber hears, and again whenever changes were missed. */
export type StateSnapshot = { type: 'snapshot' } & Omit<Result<'change.subscribe'>, 'seq'>;
export type StateListener = (event: StateSnapshot | Change) => void;

/**
 * Keeps listeners in step with the daemon's numbered changes: a gap in the numbers makes it subscribe again, and
 * listeners hear a new snapshot. Changes that come while an answer is awaited are kept and joined by number.
 */
export class ChangeFollower {
  readonly #request: () => Promise<Result<'change.subscribe'>>;
  readonly #listeners = new Set<StateListener>();
  #seq: number | undefined;
  #early: Change[] = [];
  #subscribing: Promise<void> | undefined;

  constructor(request: () => Promise<Result<'change.subscribe'>>) {
    this.#request = request;
  }

  /** Resolves when the listener has heard its first snapshot; the function that it answers ends the subscription. */
  async subscribe(listener: StateListener): Promise<() => void> {
    // One that is under way may have been answered already, without this listener.
    await this.#subscribing;
    this.#listeners.add(listener);
    try {
      await this.#subscribe();
    } catch (error) {
      this.#listeners.delete(listener);
      throw error;
    }
    return () => this.#listeners.delete(listener);
  }

  receive(change: Change): void {
    if (this.#subscribing !== undefined) {
      this.#early.push(change);
      return;
    }
    if (this.#seq === undefined || change.seq <= this.#seq) return;
    if (change.seq > this.#seq + 1) {
      this.#early.push(change);
      // When it fails, the connection has ended, and its listeners know.
      this.#subscribe().catch(() => {});
      return;
    }
    this.#seq = change.seq;
    this.#tell(change);
  }

  #subscribe(): Promise<void> {
    this.#subscribing ??= this.#synchronize().finally(() => {
      this.#subscribing = undefined;
      for (const change of this.#early.splice(0)) this.receive(change);
    });
    return this.#subscribing;
  }

  async #synchronize(): Promise<void> {
    const { seq, ...state } = await this.#request().catch((error: unknown) => {
      // The next change shows the gap again; replaying these would ask again at once and for ever.
      this.#early = [];
      throw error;
    });
    this.#seq = seq;
    this.#early = this.#early.filter((change) => change.seq > seq);
    this.#tell({ type: 'snapshot', ...state });
  }

  #tell(event: StateSnapshot | Change): void {
    for (const listener of this.#listeners) listener(event);
  }
}
