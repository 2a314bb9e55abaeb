import type { LinePages, PageOf, Place, StoredLine } from './line-pages.ts';

/** Lines that are read at once: about a ms, in which nothing else happens. */
export const PAGE = 200;

/** Stored lines of some streams. */
export interface HistoryOf {
  streams: readonly number[];
  /** us since the epoch, both ends included */
  from: number;
  to: number;
  /** what came later is left out */
  lastId: number;
  /** the latest first */
  isBackward: boolean;
  /** the line that is left out with all before it, in the order of reading */
  after?: Place;
  /** lines of a stream that are read first, and then more and more, where they are rare */
  begin?: number;
}
type PageSource = Pick<LinePages, 'page'>;

/** Lines of several streams in one order of time, in pages: of `begin` lines first, so that the first ones come at once. */
export function* historyPages(source: PageSource, of: HistoryOf): Generator<StoredLine[]> {
  const open = of.streams.map(
    (stream) => new StreamCursor(source, { ...of, stream, limit: of.begin ?? PAGE }),
  );
  const isFirst = of.isBackward
    ? (a: Place, b: Place): boolean => isBefore(b, a)
    : (a: Place, b: Place): boolean => isBefore(a, b);
  for (let most = of.begin ?? PAGE; ; most = Math.min(PAGE, most * 2)) {
    const merged: StoredLine[] = [];
    while (merged.length < most && takeNext(open, isFirst, merged, most));
    if (merged.length > 0) yield merged;
    if (merged.length < most) return;
  }
}

type Order = (a: Place, b: Place) => boolean;

/** Moves lines of the stream that has the first one; false when no stream has any. */
function takeNext(
  open: readonly StreamCursor[],
  isFirst: Order,
  merged: StoredLine[],
  most: number,
): boolean {
  let first: StreamCursor | undefined;
  let second: StoredLine | undefined;
  for (const cursor of open) {
    const { head } = cursor;
    if (!head) continue;
    if (!first?.head || isFirst(head, first.head)) {
      second = first?.head;
      first = cursor;
    } else if (!second || isFirst(head, second)) second = head;
  }
  first?.takeUntil(second, isFirst, merged, most);
  return first !== undefined;
}

/** The lines of one stream by time, a page of them in memory. */
class StreamCursor {
  readonly #source: PageSource;
  #of: PageOf;
  #page: StoredLine[] = [];
  #next = 0;

  constructor(source: PageSource, of: PageOf) {
    this.#source = source;
    this.#of = of;
    this.#page = source.page(of);
  }

  get head(): StoredLine | undefined {
    return this.#page[this.#next];
  }

  /** Hands over what comes before another stream's line, until there are `most`. */
  takeUntil(other: StoredLine | undefined, isFirst: Order, merged: StoredLine[], most: number): void {
    for (let { head } = this; head && merged.length < most; head = this.head) {
      if (other && !isFirst(head, other)) return;
      merged.push(head);
      this.#step();
    }
  }

  #step(): void {
    const after = this.head;
    this.#next++;
    if (this.#next < this.#page.length || this.#page.length < this.#of.limit || !after) return;
    this.#of = { ...this.#of, after, limit: Math.min(PAGE, this.#of.limit * 2) };
    this.#page = this.#source.page(this.#of);
    this.#next = 0;
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.time < b.time || (a.time === b.time && a.id < b.id);
}
