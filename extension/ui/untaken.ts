/** What was sent to a page and not taken by it yet: a page that is slower than what comes makes the sender wait. */
export class Untaken {
  readonly #waiting = new Map<number, () => void>();
  #last = 0;

  /** `send` gets the number by which the page answers. Resolves when it has, or never will. */
  async hand(send: (batch: number) => void): Promise<void> {
    const batch = ++this.#last;
    const taken = new Promise<void>((resolve) => this.#waiting.set(batch, resolve));
    send(batch);
    await taken;
  }

  taken(batch: number): void {
    this.#waiting.get(batch)?.();
    this.#waiting.delete(batch);
  }

  /** The page is gone. */
  release(): void {
    for (const resolve of this.#waiting.values()) resolve();
    this.#waiting.clear();
  }
}
