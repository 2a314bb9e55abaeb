import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { openDatabase } from '../../backend/state/database.ts';
import { LeaseRows } from '../../backend/state/lease-table.ts';
import { migrations } from '../../backend/state/migrations.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
  file = join(folder, 'deep', 'bootyard.db');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

describe('opening', () => {
  test('a new file gets the schema, WAL, full sync and foreign keys; opening again keeps rows', () => {
    const database = openDatabase(file);
    const pragma = (name: string) => Object.values(database.sqlite.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('foreign_keys')).toBe(1);
    expect(pragma('user_version')).toBe(migrations.length);
    new LeaseRows(database).save([{ address: 1, mac: 'aa', expires: 5.4 }]);
    database.close();
    const again = openDatabase(file);
    expect(new LeaseRows(again).load()).toEqual([{ address: 1, mac: 'aa', expires: 5 }]);
    again.close();
  });

  test('migrations run once each, in order, and a failing one leaves the earlier ones and nothing of its own', () => {
    const first = openDatabase(file, [(db) => db.exec('CREATE TABLE a (x)')]);
    first.close();
    const broken = [
      () => expect.unreachable('done already'),
      (db: DatabaseSync) => db.exec('CREATE TABLE b (x)'),
      (db: DatabaseSync) => {
        db.exec('CREATE TABLE c (x)');
        db.exec('CREATE TABLE c (x)');
      },
    ];
    expect(() => openDatabase(file, broken)).toThrow(/cannot be used \(table c already exists\)/);
    const plain = new DatabaseSync(file);
    const tables = plain.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    expect(tables.map((row) => row.name)).toEqual(['a', 'b']);
    expect(plain.prepare('PRAGMA user_version').get()).toEqual({ user_version: 2 });
    plain.close();
  });

  test('a newer schema, a file that is no database, a runtime without SQLite: one sentence each', () => {
    openDatabase(file).close();
    const plain = new DatabaseSync(file);
    plain.exec('PRAGMA user_version = 999');
    plain.close();
    expect(() => openDatabase(file)).toThrow(
      /has schema 999, and this Bootyard knows schemas up to \d+: update/,
    );
    expect(() => openDatabase(folder)).toThrow(/cannot be used/);
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    expect(() => openDatabase(file)).toThrow(/has no SQLite: .*bootyard\.nodePath/);
  });
});

test('a transaction lasts as a whole or not at all, nested ones included', () => {
  const database = openDatabase(':memory:');
  const leases = new LeaseRows(database);
  expect(() =>
    database.transaction(() => {
      leases.save([{ address: 1, mac: 'aa', expires: 1 }]);
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(leases.load()).toEqual([]);
  leases.save([
    { address: 1, mac: 'aa', expires: 1 },
    { address: 2, mac: 'bb', expires: 2 },
  ]);
  leases.save([{ address: 1, mac: 'cc', expires: 3 }]);
  leases.remove([2, 7]);
  expect(leases.load()).toEqual([{ address: 1, mac: 'cc', expires: 3 }]);
});

describe('boots', () => {
  const boot = (id: string, startedAt: number) => ({
    id,
    mac: 'aa',
    image: 'i',
    startedAt,
    outcome: 'going on',
    reason: null,
    stages: [],
  });
  function records() {
    const database = openDatabase(':memory:');
    const insert = database.sqlite.prepare(
      'INSERT INTO nodes (mac, name, ip, model, image) VALUES (?, ?, ?, ?, ?)',
    );
    insert.run('aa', 'n1', '1', 'm', 'i');
    return { database, boots: new BootRecords(database) };
  }

  test('the last one is found, or one by its number; a node keeps its last 50', () => {
    const { database, boots } = records();
    for (let number = 1; number <= 60; number++) boots.begin(boot(`b${number}`, 1000 + number));
    boots.update('b60', 'failed', 'why', [{ name: 'dhcp', startMs: 1, durationMs: 2, detail: 'x' }]);
    expect(boots.last('aa')).toMatchObject({ id: 'b60', number: 60, outcome: 'failed', reason: 'why' });
    expect(boots.last('aa')?.stages).toHaveLength(1);
    expect(boots.find('b11')).toBeDefined();
    expect(boots.find('b10')).toBeUndefined();
    expect(boots.numbered('aa', 11)?.id).toBe('b11');
    expect(boots.numbered('aa', 10)).toBeUndefined();
    const ids = boots.ofNode('aa').map(({ id }) => id);
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([50, 'b60', 'b11']);
    expect(boots.ofImage('i')).toHaveLength(50);
    expect(boots.ofImage('j')).toEqual([]);
    database.sqlite.exec("DELETE FROM nodes WHERE mac = 'aa'");
    expect(boots.last('aa')).toBeUndefined();
  });

  test('events are appended in order, bounded, and only to boots that are there', () => {
    const { boots } = records();
    boots.begin(boot('b1', 1));
    boots.appendEvents('b1', [{ n: 1 }, { n: 2 }]);
    boots.appendEvents('b1', [{ n: 3 }]);
    boots.appendEvents('unknown', [{ n: 4 }]);
    expect(boots.events('b1')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    boots.appendEvents(
      'b1',
      Array.from({ length: 900 }, (_, n) => ({ n })),
    );
    expect(boots.events('b1')).toHaveLength(500);
    expect(boots.events('unknown')).toEqual([]);
  });
});
