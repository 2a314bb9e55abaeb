import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A line's place in the order of time. `time`: us since the epoch */
export interface Place {
  time: number;
  id: number;
}
export interface StoredLine extends Place {
  stream: number;
  line: Uint8Array;
  raw?: Uint8Array;
}
/** Lines of one stream: those of a time (us, both ends included) up to a line, after a place in the order of reading. */
export interface PageOf {
  stream: number;
  from: number;
  to: number;
  lastId: number;
  /** the latest first */
  isBackward: boolean;
  after?: Place;
  limit: number;
}

export const LINES = 'SELECT id, stream, time, line, raw FROM log_lines WHERE';

/** Lines that one statement looks through for a text: some ms. */
const WINDOW = 20_000;

/**
 * Reads stored lines of a stream by time; a database that is only read will do. With a `text` (ASCII) it hands over those
 * alone that have it.
 */
export class LinePages {
  readonly #text: Buffer | undefined;
  readonly #forward: Statements;
  readonly #backward: Statements;

  constructor(sqlite: DatabaseSync, text?: string) {
    this.#text = text === undefined ? undefined : Buffer.from(text, 'latin1');
    this.#forward = statements(sqlite, 'time, id');
    this.#backward = statements(sqlite, 'time DESC, id DESC');
  }

  page(of: PageOf): StoredLine[] {
    const { limit } = of;
    if (!this.#text)
      return this.#of(of)
        .page.all(...bounds(of), limit)
        .map(storedLine);
    const found: StoredLine[] = [];
    let { after } = of;
    for (;;) {
      const rest = { ...of, ...(after && { after }) };
      const edge = this.#edge(rest);
      const window = bounds(rest, edge);
      const rows = this.#of(of).search.all(...window, this.#text, limit - found.length);
      found.push(...rows.map(storedLine));
      if (!edge || found.length >= limit) return found;
      after = edge;
    }
  }

  #of({ isBackward }: PageOf): Statements {
    return isBackward ? this.#backward : this.#forward;
  }

  /** The last line of a window; undefined when fewer are left. */
  #edge(of: PageOf): Place | undefined {
    const row = this.#of(of).edge.get(...bounds(of), WINDOW - 1);
    return row && { time: Number(row.time), id: Number(row.id) };
  }
}

interface Statements {
  page: StatementSync;
  /** those that have a text */
  search: StatementSync;
  /** the place of one line so many further */
  edge: StatementSync;
}

function statements(sqlite: DatabaseSync, order: string): Statements {
  const of = 'stream = ? AND (time, id) > (?, ?) AND (time, id) < (?, ?) AND id <= ?';
  return {
    page: sqlite.prepare(`${LINES} ${of} ORDER BY ${order} LIMIT ?`),
    search: sqlite.prepare(`${LINES} ${of} AND instr(line, ?) ORDER BY ${order} LIMIT ?`),
    edge: sqlite.prepare(`SELECT time, id FROM log_lines WHERE ${of} ORDER BY ${order} LIMIT 1 OFFSET ?`),
  };
}

/** `edge`: the last line to look at */
function bounds(
  { stream, from, to, lastId, isBackward, after }: PageOf,
  edge?: Place,
): [number, number, number, number, number, number] {
  const first = isBackward ? edge && { time: edge.time, id: edge.id - 1 } : after;
  const last = isBackward ? after : edge && { time: edge.time, id: edge.id + 1 };
  const low = first ?? { time: from, id: -1 };
  const high = last ?? { time: to, id: Infinity };
  return [stream, low.time, low.id, high.time, high.id, lastId];
}

export function storedLine(row: Record<string, unknown>): StoredLine {
  const { id, stream, time, line, raw } = row;
  return {
    id: Number(id),
    stream: Number(stream),
    time: Number(time),
    line: line instanceof Uint8Array ? line : new Uint8Array(),
    ...(raw instanceof Uint8Array && { raw }),
  };
}
