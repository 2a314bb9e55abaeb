// The lines that the page holds: a part of all that there are, in the order of time, which grows at both ends.
import type { Line, Place } from '../../extension/logs/messages.ts';

/** Others are read again when somebody scrolls there. */
export const MOST_HELD = 20_000;

export class LogLines {
  #lines: Line[] = [];
  #ids = new Set<number>();
  /** how far back lines were read: one that comes late and is older will be read with its neighbours */
  #oldest: Place | undefined;
  /** live lines that came while the latest were not held */
  #waiting: Line[] | undefined;
  /** there is none before the first, or after the last */
  #isAtStart = false;
  #isAtEnd = true;

  get all(): readonly Line[] {
    return this.#lines;
  }
  get isAtStart(): boolean {
    return this.#isAtStart;
  }
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }
  /** Where the next older ones come before. */
  get oldest(): Place | undefined {
    return this.#oldest;
  }

  clear(): void {
    this.#lines = [];
    this.#ids.clear();
    this.#oldest = undefined;
    this.#waiting = undefined;
    this.#isAtStart = false;
    this.#isAtEnd = true;
  }

  /** The latest comes first. */
  addOlder(lines: readonly Line[]): void {
    this.#oldest = lines.at(-1) ?? this.#oldest;
    this.#merge(lines.toReversed());
    this.#trimEnd();
  }

  addNewer(lines: readonly Line[]): void {
    this.#merge(lines);
    this.#trimStart();
  }

  /** `isFollowing`: the latest are what is on show. */
  addLive(lines: readonly Line[], isFollowing: boolean): void {
    if (!this.#isAtEnd) {
      if (this.#waiting && this.#waiting.length < MOST_HELD) this.#waiting.push(...lines);
      else this.#waiting = undefined;
      return;
    }
    const { oldest, isAtStart } = this;
    this.#merge(lines.filter((line) => isAtStart || !oldest || !isBefore(line, oldest)));
    if (isFollowing) this.#trimStart();
    else this.#trimEnd();
  }

  /** Lines after the last are being read: those that come meanwhile belong behind them. */
  beginNewer(): void {
    this.#waiting = [];
  }

  /** `isAll`: there are no more that way. */
  end(from: 'older' | 'newer', isAll: boolean): void {
    if (from === 'older') {
      this.#isAtStart = isAll;
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!isAll || !waiting) return;
    this.#isAtEnd = true;
    this.addLive(waiting, true);
  }

  /** Where a line is, or would be. */
  indexOf(place: Place): number {
    let [low, high] = [0, this.#lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const line = this.#lines[middle];
      if (line && isBefore(line, place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #merge(lines: readonly Line[]): void {
    const fresh = lines.filter(({ id }) => !this.#ids.has(id));
    const [first] = fresh;
    if (!first) return;
    for (const { id } of fresh) this.#ids.add(id);
    const last = this.#lines.at(-1);
    this.#lines = this.#lines.concat(fresh);
    // Mostly they come behind the last, in their order.
    const isInOrder = fresh.every((line, at) => !isBefore(line, fresh[at - 1] ?? last ?? line));
    if (!isInOrder) this.#lines.sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #trimStart(): void {
    if (this.#lines.length <= MOST_HELD) return;
    this.#drop(this.#lines.splice(0, this.#lines.length - MOST_HELD));
    this.#oldest = this.#lines[0];
    this.#isAtStart = false;
  }

  #trimEnd(): void {
    if (this.#lines.length <= MOST_HELD) return;
    this.#drop(this.#lines.splice(MOST_HELD));
    this.#isAtEnd = false;
  }

  #drop(lines: readonly Line[]): void {
    for (const { id } of lines) this.#ids.delete(id);
  }
}

export function isBefore(a: Place, b: Place): boolean {
  return a.time < b.time || (a.time === b.time && a.id < b.id);
}
