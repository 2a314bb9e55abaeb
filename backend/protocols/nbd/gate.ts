/**
 * Lets many pass together, or one alone. One that wants to be alone waits for those inside, and those that come later
 * wait for it.
 */
export class Gate {
  #inside = 0;
  /** Pending while someone is alone or waits to be. */
  #alone: Promise<void> | undefined;
  #onEmpty: () => void = () => {};

  async together<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone;
    this.#inside++;
    try {
      return await work();
    } finally {
      if (--this.#inside === 0) this.#onEmpty();
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone;
    let open: () => void = () => {};
    this.#alone = new Promise((resolve) => (open = resolve));
    try {
      if (this.#inside > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
      return await work();
    } finally {
      this.#alone = undefined;
      open();
    }
  }
}
