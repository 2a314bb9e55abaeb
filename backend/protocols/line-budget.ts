/** So many lines at once, and so many a second for long: a guest may send what it likes as fast as it likes. */
export class LineBudget {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #budget: number;
  #refilled: number;

  constructor(limits: { perSecond: number; burst: number }, now: () => number = () => performance.now()) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#now = now;
    this.#budget = limits.burst;
    this.#refilled = now();
  }

  /** False when there is no room for a line now. */
  take(): boolean {
    const now = this.#now();
    this.#budget = Math.min(this.#burst, this.#budget + ((now - this.#refilled) / 1000) * this.#perSecond);
    this.#refilled = now;
    if (this.#budget < 1) return false;
    this.#budget--;
    return true;
  }
}
