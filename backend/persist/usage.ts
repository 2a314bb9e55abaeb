import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { openDatabase } from '../state/database.ts';
import { shareMigrations } from './tables.ts';

/** What a share holds: its root is not counted, and holes of files take no bytes. */
export interface ShareUsage {
  /** files, folders, links, devices */
  objects: number;
  bytes: number;
}

/** Looks into a share's folder from beside the thread that owns it; that of a share which was never used is not made. */
export async function shareUsage(folder: string): Promise<ShareUsage> {
  const file = join(folder, 'files.db');
  if (!existsSync(file)) return { objects: 0, bytes: 0 };
  const database = openDatabase(file, shareMigrations);
  try {
    const row = database.sqlite.prepare('SELECT count(*) AS objects FROM inodes WHERE inode <> 1').get();
    return { objects: Number(row?.objects ?? 0), bytes: await bytesIn(join(folder, 'content')) };
  } finally {
    database.close();
  }
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const { size, blocks } = await stat(join(folder, name)).catch(nothingIfRemoved);
    bytes += Math.min(size, blocks * 512);
  }
  return bytes;
}

/** A file may be removed meanwhile. */
function nothingIfRemoved(error: unknown): { size: number; blocks: number } {
  if (systemCode(error) !== 'ENOENT') throw error;
  return { size: 0, blocks: 0 };
}
