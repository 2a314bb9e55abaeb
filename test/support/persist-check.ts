import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';

const ROOT = 1;
const REGULAR = 1;
const DIRECTORY = 2;

/** Expects that the tables of a share that nobody uses, and its contents, fit together. Returns the number of objects. */
export function expectConsistent(folder: string): number {
  const database = new DatabaseSync(join(folder, 'files.db'), { readOnly: true });
  const all = (query: string): unknown[] =>
    database
      .prepare(query)
      .all()
      .map((row) => ({ ...row }));
  try {
    expect(all('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    for (const [what, query] of contradictions) expect([what, all(query)]).toEqual([what, []]);
    const regular = all(`SELECT inode FROM inodes WHERE type = ${REGULAR}`);
    const known = new Set(regular.map((row) => String((row as { inode: number }).inode)));
    expect(readdirSync(join(folder, 'content')).filter((name) => !known.has(name))).toEqual([]);
    return all('SELECT inode FROM inodes').length;
  } finally {
    database.close();
  }
}

const contradictions = [
  ['an entry without an object', 'SELECT * FROM entries WHERE inode NOT IN (SELECT inode FROM inodes)'],
  [
    'an entry in what is no directory',
    `SELECT * FROM entries WHERE directory NOT IN (SELECT inode FROM inodes WHERE type = ${DIRECTORY})`,
  ],
  [
    'an object that the root does not lead to',
    `WITH RECURSIVE reached(inode) AS (SELECT ${ROOT} UNION SELECT entries.inode FROM entries
       JOIN reached ON entries.directory = reached.inode)
     SELECT inode FROM inodes WHERE inode NOT IN (SELECT inode FROM reached)`,
  ],
  [
    'links of a file miscounted',
    `SELECT inode, nlink FROM inodes WHERE type <> ${DIRECTORY}
       AND nlink <> (SELECT count(*) FROM entries WHERE entries.inode = inodes.inode)`,
  ],
  [
    'links of a directory miscounted',
    `SELECT inode, nlink FROM inodes WHERE type = ${DIRECTORY} AND nlink <> 2 + (SELECT count(*) FROM entries
       JOIN inodes AS below ON below.inode = entries.inode
       WHERE entries.directory = inodes.inode AND below.type = ${DIRECTORY})`,
  ],
  [
    'a directory that is not in its parent once',
    `SELECT inode, parent FROM inodes WHERE type = ${DIRECTORY} AND inode <> ${ROOT}
       AND (SELECT group_concat(directory) FROM entries WHERE entries.inode = inodes.inode) <> CAST(parent AS TEXT)`,
  ],
  [
    'a cookie that its directory has not given',
    'SELECT * FROM entries JOIN inodes ON inodes.inode = directory WHERE cookie > cookies OR cookie < 3',
  ],
] as const;
