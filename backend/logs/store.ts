import type { StatementSync } from 'node:sqlite';
import type { Database } from '../state/database.ts';
import { LINES, LinePages, storedLine, type StoredLine } from './line-pages.ts';

/** The issuer of what the lab itself logs. */
export const SERVER = 'server';
/** A node may name streams as it likes; the lines of more than these go to `OVERFLOW`, with their stream's name before them. */
const STREAMS_PER_ISSUER = 500;
export const OVERFLOW = 'overflow';
/** What a line takes besides its bytes, in the table and its index. */
const ROW_BYTES = 40;

export interface LogStream {
  id: number;
  /** MAC of a node, `SERVER`, or the IPv4 address of something that is no node */
  issuer: string;
  /** the issuer's name when the stream began */
  issuerName: string;
  name: string;
}
/** `time`: us since the epoch */
export interface NewLine {
  issuer: string;
  issuerName: string;
  stream: string;
  time: number;
  line: Uint8Array;
  /** what the line was made of, where that is not the line and its newline */
  raw?: Uint8Array;
}
export interface LogTotals {
  lines: number;
  /** roughly what the lines take of the disk */
  bytes: number;
}

/** Log lines in the lab's database. Each change is one transaction that outlives the process. */
export class LogStore {
  readonly pages: LinePages;
  readonly #database: Database;
  readonly #streams = new Map<string, LogStream>();
  readonly #counts = new Map<string, number>();
  readonly #insert: StatementSync;
  readonly #since: StatementSync;
  #lastId: number;

  constructor(database: Database) {
    this.#database = database;
    const { sqlite } = database;
    this.#insert = sqlite.prepare(
      'INSERT INTO log_lines (id, stream, time, line, raw) VALUES (?, ?, ?, ?, ?)',
    );
    this.pages = new LinePages(sqlite);
    this.#since = sqlite.prepare(`${LINES} id > ? ORDER BY id LIMIT ?`);
    this.#lastId = Number(sqlite.prepare('SELECT max(id) AS id FROM log_lines').get()?.id ?? 0);
    this.#loadStreams();
  }

  /** Of the line that came last. */
  get lastId(): number {
    return this.#lastId;
  }

  streams(): LogStream[] {
    return [...this.#streams.values()];
  }

  append(lines: readonly NewLine[]): void {
    let bytes = 0;
    let id = this.#lastId;
    try {
      this.#database.quickTransaction(() => {
        for (const { line, raw, time, ...source } of lines) {
          const { stream, isOverflow } = this.#streamOf(source);
          const kept = isOverflow ? Buffer.concat([Buffer.from(`${source.stream}: `), line]) : line;
          this.#insert.run(++id, stream, time, kept, raw ?? null);
          bytes += kept.length + (raw?.length ?? 0) + ROW_BYTES;
        }
        this.#count(lines.length, bytes);
      });
    } catch (error) {
      // Streams that were made with the lines are gone with them.
      this.#loadStreams();
      throw error;
    }
    this.#lastId = id;
  }

  /** What came behind a line, in the order of arrival. */
  since(id: number, limit: number): StoredLine[] {
    return this.#since.all(id, limit).map(storedLine);
  }

  count(streams: readonly number[], from: number, to: number): number {
    const count = this.#database.sqlite.prepare(
      'SELECT count(*) AS lines FROM log_lines WHERE stream = ? AND time >= ? AND time <= ?',
    );
    return streams.reduce((sum, stream) => sum + Number(count.get(stream, from, to)?.lines ?? 0), 0);
  }

  totals(): LogTotals {
    const row = this.#database.sqlite.prepare('SELECT lines, bytes FROM log_totals').get();
    return { lines: Number(row?.lines ?? 0), bytes: Number(row?.bytes ?? 0) };
  }

  /** Removes lines of before a time (us), at most `limit`; answers how many. */
  removeBefore(time: number, limit: number): number {
    const old = this.#database.sqlite.prepare(
      'SELECT id, length(line) + ifnull(length(raw), 0) AS bytes FROM log_lines WHERE stream = ? AND time < ? ORDER BY time LIMIT ?',
    );
    const rows: Record<string, unknown>[] = [];
    for (const { id } of this.streams()) {
      if (rows.length < limit) rows.push(...old.all(id, time, limit - rows.length));
    }
    return this.#remove(rows);
  }

  /** Removes the lines that came first, as many as take `bytes`, at most `limit`; answers how many. */
  removeFirst(bytes: number, limit: number): number {
    const first = this.#database.sqlite.prepare(
      'SELECT id, length(line) + ifnull(length(raw), 0) AS bytes FROM log_lines ORDER BY id LIMIT ?',
    );
    const rows: Record<string, unknown>[] = [];
    let found = 0;
    for (const row of first.iterate(limit)) {
      if (found >= bytes) break;
      rows.push(row);
      found += Number(row.bytes) + ROW_BYTES;
    }
    return this.#remove(rows);
  }

  /** Forgets streams that have no line any more. */
  removeEmptyStreams(): void {
    this.#database.quickTransaction(() =>
      this.#database.sqlite.exec(
        'DELETE FROM log_streams WHERE NOT EXISTS (SELECT 1 FROM log_lines WHERE stream = log_streams.id)',
      ),
    );
    this.#loadStreams();
  }

  #remove(rows: readonly Record<string, unknown>[]): number {
    const remove = this.#database.sqlite.prepare('DELETE FROM log_lines WHERE id = ?');
    this.#database.quickTransaction(() => {
      let bytes = 0;
      for (const row of rows) {
        remove.run(Number(row.id));
        bytes += Number(row.bytes) + ROW_BYTES;
      }
      this.#count(-rows.length, -bytes);
    });
    return rows.length;
  }

  #count(lines: number, bytes: number): void {
    this.#database.sqlite
      .prepare('UPDATE log_totals SET lines = lines + ?, bytes = bytes + ?')
      .run(lines, bytes);
  }

  #streamOf(source: Omit<NewLine, 'time' | 'line' | 'raw'>): { stream: number; isOverflow: boolean } {
    const known = this.#streams.get(key(source.issuer, source.stream));
    if (known) return { stream: known.id, isOverflow: false };
    const isOverflow = (this.#counts.get(source.issuer) ?? 0) >= STREAMS_PER_ISSUER;
    const name = isOverflow ? OVERFLOW : source.stream;
    const stream =
      this.#streams.get(key(source.issuer, name)) ?? this.#addStream({ ...source, stream: name });
    return { stream: stream.id, isOverflow };
  }

  #addStream({ issuer, issuerName, stream: name }: Omit<NewLine, 'time' | 'line' | 'raw'>): LogStream {
    const { lastInsertRowid } = this.#database.sqlite
      .prepare('INSERT INTO log_streams (issuer, issuer_name, name) VALUES (?, ?, ?)')
      .run(issuer, issuerName, name);
    const stream = { id: Number(lastInsertRowid), issuer, issuerName, name };
    this.#remember(stream);
    return stream;
  }

  #loadStreams(): void {
    this.#streams.clear();
    this.#counts.clear();
    for (const row of this.#database.sqlite.prepare('SELECT * FROM log_streams ORDER BY id').all()) {
      const [issuer, issuerName, name] = [row.issuer, row.issuer_name, row.name].map(String);
      this.#remember({
        id: Number(row.id),
        issuer: issuer ?? '',
        issuerName: issuerName ?? '',
        name: name ?? '',
      });
    }
  }

  #remember(stream: LogStream): void {
    this.#streams.set(key(stream.issuer, stream.name), stream);
    this.#counts.set(stream.issuer, (this.#counts.get(stream.issuer) ?? 0) + 1);
  }
}

const key = (issuer: string, name: string): string => `${issuer} ${name}`;
