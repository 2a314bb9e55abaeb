/**
 * Says in which slot of a file each page of an export lies. A page without a slot reads as zeros. The lowest free slot
 * is given first: pages written in sequence lie in sequence, and the end of the file falls free early.
 */
export class PageMap {
  /** slot + 1 of each page, 0 for none; the system gives its memory only as it is written */
  readonly #slots: Uint32Array;
  /** one bit for each slot: 1 in use */
  readonly #used: Uint32Array;
  readonly #slotLimit: number;
  /** no slot below is free */
  #searchFrom = 0;
  /** slots in use */
  count = 0;
  /** one past the highest slot in use */
  end = 0;

  constructor(pages: number, slotLimit: number) {
    this.#slots = new Uint32Array(pages);
    this.#slotLimit = Math.min(slotLimit, pages);
    this.#used = new Uint32Array(Math.ceil(this.#slotLimit / 32));
  }

  /** -1: none. */
  slotOf(page: number): number {
    return (this.#slots[page] ?? 0) - 1;
  }

  /** Slots that can still be given. */
  get free(): number {
    return this.#slotLimit - this.count;
  }

  /** Gives `page`, which has none, a slot. At least one must be free. */
  assign(page: number): void {
    const slot = this.#lowestFree();
    this.#used[slot >>> 5]! |= 1 << (slot & 31);
    this.#slots[page] = slot + 1;
    this.#searchFrom = slot + 1;
    this.end = Math.max(this.end, slot + 1);
    this.count++;
  }

  /** Takes the page's slot back, if it has one. */
  forget(page: number): void {
    const slot = this.slotOf(page);
    if (slot < 0) return;
    this.#slots[page] = 0;
    this.#used[slot >>> 5]! &= ~(1 << (slot & 31));
    this.#searchFrom = Math.min(this.#searchFrom, slot);
    this.count--;
    while (this.end > 0 && !this.#isUsed(this.end - 1)) this.end--;
  }

  #isUsed(slot: number): boolean {
    return ((this.#used[slot >>> 5]! >>> (slot & 31)) & 1) === 1;
  }

  #lowestFree(): number {
    let slot = this.#searchFrom;
    while (this.#isUsed(slot)) {
      const isWordFull = (slot & 31) === 0 && this.#used[slot >>> 5] === 0xffff_ffff;
      slot += isWordFull ? 32 : 1;
    }
    return slot;
  }
}
