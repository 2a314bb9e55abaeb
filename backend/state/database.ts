import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type * as Sqlite from 'node:sqlite';
import { BootyardError, messageOf } from '../errors.ts';
import { migrations, type Migration } from './migrations.ts';

type DatabaseSync = Sqlite.DatabaseSync;

/**
 * The lab's database. Every transaction is on disk when it returns (WAL with synchronous=FULL): writes are few, and what a
 * user was told is done must outlive a power cut. Reads go on beside a writer, so `bootyard` may look from outside.
 */
export class Database {
  readonly sqlite: DatabaseSync;
  #depth = 0;

  constructor(sqlite: DatabaseSync) {
    this.sqlite = sqlite;
  }

  /** Runs `work` as one transaction: all of it lasts, or, when it throws, nothing. May be nested; the outermost counts. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.sqlite.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = work();
      this.sqlite.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.sqlite.isTransaction) this.sqlite.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /**
   * As `transaction`, without waiting for the disk: it outlives the process, and need not outlive the host. For what is
   * written often and means nothing after the host has gone down.
   */
  quickTransaction(work: () => void): void {
    if (this.#depth > 0) return work();
    this.sqlite.exec('PRAGMA synchronous = NORMAL');
    try {
      this.transaction(work);
    } finally {
      this.sqlite.exec('PRAGMA synchronous = FULL');
    }
  }

  close(): void {
    this.sqlite.close();
  }
}

/**
 * Opens the database file (`:memory:` for none), brings its schema up to date. Errors: `state.runtime` when the
 * Node.js at hand has no SQLite, `state.newer` when a later Bootyard wrote the file, `state.database` when the file
 * cannot be read.
 */
export function openDatabase(file: string, steps: readonly Migration[] = migrations): Database {
  const { DatabaseSync } = loadSqlite();
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
  let sqlite: DatabaseSync | undefined;
  try {
    sqlite = new DatabaseSync(file);
    sqlite.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    sqlite.exec('PRAGMA foreign_keys = ON;');
    const database = new Database(sqlite);
    migrate(database, file, steps);
    return database;
  } catch (error) {
    sqlite?.close();
    if (error instanceof BootyardError) throw error;
    throw new BootyardError(
      'state.database',
      `The database ${file} cannot be used (${messageOf(error)}): move it away to begin with an empty one.`,
      { file },
    );
  }
}

const SQLITE_FULL = 13;
/** Whether a write failed as the disk that holds the database is full. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL;
}

/** Writes what may be left out when the disk is full. */
export function ifRoom(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

/** The same file, for a thread that reads much of it beside the daemon: mapped, for pages need no call then. */
export function openToRead(file: string): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  const sqlite = new DatabaseSync(file, { readOnly: true });
  sqlite.exec('PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 34359738368');
  return sqlite;
}

/** `PRAGMA user_version` counts the migrations that were done; each is one transaction with its own count. */
function migrate(database: Database, file: string, steps: readonly Migration[]): void {
  const version = () => Number(database.sqlite.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version() > steps.length) {
    throw new BootyardError(
      'state.newer',
      `The database ${file} has schema ${version()}, and this Bootyard knows schemas up to ${steps.length}: ` +
        'update Bootyard, or set BOOTYARD_HOME to another folder.',
      { file, schema: version(), known: steps.length },
    );
  }
  for (const [index, step] of steps.entries()) {
    database.transaction(() => {
      // Looked up inside the transaction: another process may have opened the same new file.
      if (version() > index) return;
      step(database.sqlite);
      database.sqlite.exec(`PRAGMA user_version = ${index + 1}`);
    });
  }
}

/** Not an import: a runtime without the module would fail before it could say anything. */
function loadSqlite(): typeof Sqlite {
  const sqlite = process.getBuiltinModule?.('node:sqlite');
  if (sqlite) return sqlite;
  throw new BootyardError(
    'state.runtime',
    `This Node.js (${process.version}) has no SQLite: install Node.js 22.13 or later and point the setting ` +
      'bootyard.nodePath at it.',
    { version: process.version },
  );
}
