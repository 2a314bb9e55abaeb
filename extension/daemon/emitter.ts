/** Something to undo; has the shape of VS Code's own, so both can be kept in one list. */
export interface Disposable {
  dispose(): void;
}

/** A typed event without VS Code, so that the code that uses it can be tested alone. */
export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  readonly event = (listener: (value: T) => void): Disposable => {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  };

  fire(value: T): void {
    // A listener may end itself or others: those that were there hear it, save those that were ended.
    for (const listener of Array.from(this.#listeners)) if (this.#listeners.has(listener)) listener(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
