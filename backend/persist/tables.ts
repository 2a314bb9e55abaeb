import * as z from 'zod';
import type { Database } from '../state/database.ts';
import type { Migration } from '../state/migrations.ts';
import type { ShareEntry } from '../protocols/nfs/share/files.ts';
import type { Inode } from './inode.ts';

/** Schema of a share's own database. */
export const shareMigrations: readonly Migration[] = [
  (sqlite) =>
    sqlite.exec(`
      CREATE TABLE inodes (
        inode INTEGER PRIMARY KEY,
        generation INTEGER NOT NULL,
        -- ftype3
        type INTEGER NOT NULL,
        mode INTEGER NOT NULL,
        nlink INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        gid INTEGER NOT NULL,
        -- ns since the epoch
        atime INTEGER NOT NULL,
        mtime INTEGER NOT NULL,
        ctime INTEGER NOT NULL,
        major INTEGER NOT NULL,
        minor INTEGER NOT NULL,
        -- of a symbolic link
        target BLOB,
        -- of a file that was made by an exclusive CREATE
        verifier BLOB,
        -- of a directory: the directory that holds it, and the last cookie that it gave
        parent INTEGER NOT NULL,
        cookies INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE entries (
        directory INTEGER NOT NULL,
        name BLOB NOT NULL,
        inode INTEGER NOT NULL,
        cookie INTEGER NOT NULL,
        PRIMARY KEY (directory, name)
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX entries_in_order ON entries (directory, cookie);
      -- The last replies to what must not be done twice, for clients that ask again.
      CREATE TABLE replies (
        slot INTEGER PRIMARY KEY,
        number INTEGER NOT NULL,
        call TEXT NOT NULL,
        results BLOB NOT NULL
      ) STRICT;
    `),
];

const number = z.bigint().transform(Number);
const bytes = z.instanceof(Uint8Array).nullable();
const InodeRow = z.object({
  inode: number,
  generation: number,
  type: number,
  mode: number,
  nlink: number,
  uid: number,
  gid: number,
  atime: z.bigint(),
  mtime: z.bigint(),
  ctime: z.bigint(),
  major: number,
  minor: number,
  target: bytes,
  verifier: bytes,
  parent: number,
  cookies: number,
});
export type InodeRow = z.infer<typeof InodeRow>;

const EntryRow = z.object({ name: z.instanceof(Uint8Array), inode: z.number(), cookie: z.number() });
const ReplyRow = z.object({ number: z.number(), call: z.string(), results: z.instanceof(Uint8Array) });

/** The statements on a share's database. */
export class ShareTables {
  readonly #database: Database;
  readonly #statements;

  constructor(database: Database) {
    this.#database = database;
    const { sqlite } = database;
    this.#statements = {
      begin: sqlite.prepare('BEGIN IMMEDIATE'),
      commit: sqlite.prepare('COMMIT'),
      inode: sqlite.prepare('SELECT * FROM inodes WHERE inode = ?'),
      putInode: sqlite.prepare(
        `INSERT OR REPLACE INTO inodes (inode, generation, type, mode, nlink, uid, gid, atime, mtime, ctime, major,
           minor, target, verifier, parent, cookies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      removeInode: sqlite.prepare('DELETE FROM inodes WHERE inode = ?'),
      inodeNumbers: sqlite.prepare('SELECT inode FROM inodes'),
      entry: sqlite.prepare('SELECT inode FROM entries WHERE directory = ? AND name = ?'),
      anyEntry: sqlite.prepare('SELECT 1 FROM entries WHERE directory = ? LIMIT 1'),
      entries: sqlite.prepare(
        'SELECT name, inode, cookie FROM entries WHERE directory = ? AND cookie > ? ORDER BY cookie LIMIT ?',
      ),
      putEntry: sqlite.prepare('INSERT INTO entries (directory, name, inode, cookie) VALUES (?, ?, ?, ?)'),
      removeEntry: sqlite.prepare('DELETE FROM entries WHERE directory = ? AND name = ?'),
      putReply: sqlite.prepare(
        'INSERT OR REPLACE INTO replies (slot, number, call, results) VALUES (?, ?, ?, ?)',
      ),
      replies: sqlite.prepare('SELECT number, call, results FROM replies ORDER BY number'),
    };
    this.#statements.inode.setReadBigInts(true);
  }

  begin(): void {
    this.#statements.begin.run();
  }
  commit(): void {
    this.#statements.commit.run();
  }
  inode(inode: number): InodeRow | undefined {
    const row = this.#statements.inode.get(inode);
    return row && InodeRow.parse(row);
  }
  putInode(inode: Inode): void {
    const { generation, type, mode, nlink, uid, gid, atime, mtime, ctime, major, minor } = inode;
    const { target, verifier, parent, cookies } = inode;
    const times = [atime, mtime, ctime];
    const rest = [major, minor, target ?? null, verifier ?? null, parent, cookies];
    this.#statements.putInode.run(inode.inode, generation, type, mode, nlink, uid, gid, ...times, ...rest);
  }
  removeInode(inode: number): void {
    this.#statements.removeInode.run(inode);
  }
  inodeNumbers(): number[] {
    return this.#statements.inodeNumbers.all().map((row) => Number(row.inode));
  }
  entry(directory: number, name: Uint8Array): number | undefined {
    const row = this.#statements.entry.get(directory, name);
    return row && Number(row.inode);
  }
  hasEntries(directory: number): boolean {
    return this.#statements.anyEntry.get(directory) !== undefined;
  }
  entries(directory: number, after: number, most: number): ShareEntry[] {
    return EntryRow.array().parse(this.#statements.entries.all(directory, after, most));
  }
  putEntry(directory: number, name: Uint8Array, inode: number, cookie: number): void {
    this.#statements.putEntry.run(directory, name, inode, cookie);
  }
  removeEntry(directory: number, name: Uint8Array): void {
    this.#statements.removeEntry.run(directory, name);
  }
  putReply(slot: number, order: number, call: string, results: Uint8Array): void {
    this.#statements.putReply.run(slot, order, call, results);
  }
  replies(): z.infer<typeof ReplyRow>[] {
    return ReplyRow.array().parse(this.#statements.replies.all());
  }
  close(): void {
    this.#database.close();
  }
}
