import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { openToRead } from '../state/database.ts';

/** A package of an RPM database and the paths of its files and directories. */
export interface RpmPackage {
  name: string;
  paths: string[];
}

/** Tags of RPM's headers (rpm's `rpmtag.h`) that are read here, and their types. */
const TAG = { name: 1000, dirIndexes: 1116, baseNames: 1117, dirNames: 1118 };
const TYPE = { int32: 4, string: 6, stringArray: 8 };
const Row = z.object({ blob: z.instanceof(Uint8Array) });

/**
 * Packages of an RPM database in SQLite (`rpmdb.sqlite`: Fedora, and RHEL, Rocky and Alma from 9 on). What is damaged is passed
 * over: an image may hold anything.
 */
export function rpmPackages(database: Uint8Array): RpmPackage[] {
  const folder = mkdtempSync(join(tmpdir(), 'bootyard-rpm-'));
  try {
    const file = join(folder, 'rpmdb.sqlite');
    writeFileSync(file, database);
    const opened = openToRead(file);
    try {
      const rows: unknown[] = opened.prepare('SELECT blob FROM Packages').all();
      return rows.flatMap((row) => packageOf(Buffer.from(Row.parse(row).blob)));
    } finally {
      opened.close();
    }
  } catch (error) {
    if (isNoDatabase(error)) return [];
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isNoDatabase = (error: unknown): boolean =>
  error instanceof z.ZodError ||
  (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR');

/** A header: count of entries, size of the data, entries of 16 bytes (tag, type, offset, count), data; all big-endian. */
function packageOf(header: Buffer): RpmPackage[] {
  if (header.length < 8) return [];
  const entries = header.readUInt32BE(0);
  const start = 8 + entries * 16;
  if (start > header.length) return [];
  const data = header.subarray(start);
  const find = (tag: number, type: number): Values => {
    for (let at = 8; at < start; at += 16) {
      if (header.readUInt32BE(at) !== tag || header.readUInt32BE(at + 4) !== type) continue;
      return { at: header.readUInt32BE(at + 8), count: header.readUInt32BE(at + 12) };
    }
    return { at: 0, count: 0 };
  };
  const [name] = strings(data, find(TAG.name, TYPE.string));
  const folders = strings(data, find(TAG.dirNames, TYPE.stringArray));
  const indexes = numbers(data, find(TAG.dirIndexes, TYPE.int32));
  const files = strings(data, find(TAG.baseNames, TYPE.stringArray));
  if (name === undefined || indexes.length !== files.length) return [];
  return [{ name, paths: files.map((file, index) => `${folders[indexes[index] ?? -1] ?? ''}${file}`) }];
}

interface Values {
  at: number;
  count: number;
}

/** Each ends with a zero byte. */
function strings(data: Buffer, { at, count }: Values): string[] {
  const found: string[] = [];
  while (found.length < count) {
    const end = data.indexOf(0, at);
    if (end < 0) break;
    found.push(data.toString('utf8', at, end));
    at = end + 1;
  }
  return found;
}

function numbers(data: Buffer, { at, count }: Values): number[] {
  if (at + count * 4 > data.length) return [];
  return Array.from({ length: count }, (_, index) => data.readUInt32BE(at + index * 4));
}
