import { setImmediate as nextTurn } from 'node:timers/promises';
import { compileEre } from './ere.ts';
import { historyPages, PAGE, type HistoryOf } from './history.ts';
import type { LogIngester } from './ingester.ts';
import { chosenIssuers, issuerName, type IssuerNodes } from './issuers.ts';
import type { Place, StoredLine } from './line-pages.ts';
import { textOf } from './line.ts';
import type { TimeRange } from './range.ts';
import { searchInThread } from './search.ts';
import type { LogStore, LogStream } from './store.ts';

/** More lines than these are searched in a thread of its own. */
const SEARCHED_HERE = 5000;

export interface LogQuery {
  /** names and words of `chosenIssuers` */
  issuers: readonly string[];
  /** POSIX extended regular expressions, for the names of streams and for lines */
  streams?: string;
  regexp?: string;
  history?: TimeRange;
  /** so many lines of history at most, in one direction from a line or from the end */
  page?: LogPage;
  realtime: boolean;
}
export interface LogPage {
  /** the latest first */
  isBackward: boolean;
  after?: Place;
  limit: number;
}
/** `time`: us since the epoch; `id` grows with each line that the lab has kept */
export interface LogRecord extends Place {
  issuer: string;
  stream: string;
  line: Uint8Array;
  /** of a serial line: all bytes since the line before */
  raw?: Uint8Array;
}
export interface ReaderParts {
  store: LogStore;
  /** the database's; undefined: it is in memory, and no other thread can read it */
  file?: string;
  ingester: LogIngester;
  nodes: IssuerNodes;
}

interface Filter {
  isChosen: (stream: LogStream) => boolean;
  matches: (line: StoredLine) => boolean;
}

/**
 * Reads log lines. History comes by time, then what has come since by arrival, until the reader ends. Each line is numbered
 * when it is stored, and live lines are read by their numbers: none is lost or comes twice, and a slow reader costs nothing.
 */
export class LogReader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** How many lines of history a query has, whatever they say. */
  count(query: Pick<LogQuery, 'issuers' | 'streams'>, history: TimeRange): number {
    const { store, ingester } = this.#parts;
    ingester.flush();
    const isChosen = this.#filter(query);
    const chosen = store.streams().filter(isChosen);
    return store.count(
      chosen.map(({ id }) => id),
      history.from * 1000,
      history.to * 1000,
    );
  }

  /** Throws at once what is wrong with the query. Pages of lines; ends when all is read or `signal` is aborted. */
  read(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogRecord[]> {
    const isChosen = this.#filter(query);
    const matches = query.regexp === undefined ? undefined : compileEre(query.regexp);
    const filter = { isChosen, matches: ({ line }: StoredLine) => matches?.(textOf(line)) ?? true };
    return this.#read(query, filter, signal);
  }

  async *#read(query: LogQuery, filter: Filter, signal: AbortSignal): AsyncGenerator<LogRecord[]> {
    const { store, ingester } = this.#parts;
    ingester.flush();
    const lastId = store.lastId;
    for await (const page of this.#history(query, filter, lastId, signal)) {
      if (signal.aborted) return;
      yield this.#records(page);
    }
    if (!query.realtime) return;
    const { isChosen, matches } = filter;
    for await (const page of this.#since(lastId, signal)) {
      const chosen = new Set(
        store
          .streams()
          .filter(isChosen)
          .map(({ id }) => id),
      );
      yield this.#records(page.filter((line) => chosen.has(line.stream) && matches(line)));
    }
  }

  /** Stored lines that match, page by page as they are looked through. */
  async *#history(
    query: LogQuery,
    { isChosen, matches }: Filter,
    lastId: number,
    signal: AbortSignal,
  ): AsyncGenerator<StoredLine[]> {
    const { history, page, regexp } = query;
    if (!history) return;
    const { store, file } = this.#parts;
    const of: HistoryOf = {
      streams: store.streams().flatMap((stream) => (isChosen(stream) ? stream.id : [])),
      from: history.from * 1000,
      to: history.to * 1000,
      lastId,
      isBackward: page?.isBackward ?? false,
      ...(page?.after && { after: page.after }),
    };
    let left = page?.limit ?? Infinity;
    let searched = 0;
    for (const lines of historyPages(store.pages, of)) {
      const found = lines.filter(matches).slice(0, left);
      yield found;
      left -= found.length;
      searched += lines.length;
      if (left === 0) return;
      const after = lines.at(-1);
      if (after && regexp !== undefined && file !== undefined && searched >= SEARCHED_HERE) {
        return yield* searchInThread({ file, of: { ...of, after }, regexp, limit: left }, signal);
      }
      await nextTurn();
    }
  }

  /** What comes behind a line, in pages, until `signal` is aborted. */
  async *#since(id: number, signal: AbortSignal): AsyncGenerator<StoredLine[]> {
    const { store, ingester } = this.#parts;
    let last = id;
    let wake = (): void => undefined;
    const unfollow = ingester.follow(() => wake());
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        const page = store.since(last, PAGE);
        last = page.at(-1)?.id ?? last;
        if (page.length > 0) {
          yield page;
          await nextTurn();
        } else if (store.lastId <= last) {
          await new Promise<void>((resolve) => (wake = resolve));
        } else last = store.lastId;
      }
    } finally {
      unfollow();
    }
  }

  #filter({ issuers, streams }: Pick<LogQuery, 'issuers' | 'streams'>): (stream: LogStream) => boolean {
    const { store, nodes } = this.#parts;
    const isChosen = chosenIssuers(issuers, store.streams(), nodes);
    const matches = streams === undefined ? undefined : compileEre(streams);
    return (stream) => isChosen(stream) && (matches?.(stream.name) ?? true);
  }

  #records(lines: readonly StoredLine[]): LogRecord[] {
    if (lines.length === 0) return [];
    const { store, nodes } = this.#parts;
    const streams = new Map(store.streams().map((stream) => [stream.id, stream]));
    return lines.flatMap(({ id, stream: number, time, line, raw }) => {
      const stream = streams.get(number);
      const issuer = stream && issuerName(stream, nodes);
      return stream && issuer !== undefined
        ? { id, time, issuer, stream: stream.name, line, ...(raw && { raw }) }
        : [];
    });
  }
}
