import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import { failureOf, tryTool } from '../../lab/tool.ts';
import { diskPath, disksFolder, exists, syncFolder } from '../disks/files.ts';
import type { WorkControl } from './machine-state.ts';

/** A disk may have terabytes of data: what bounds the copy is the signal, and the host's disk. */
const COPY_LIMIT_MS = 24 * 3600 * 1000;

/**
 * Copies disks with their records from one node's (or snapshot's) folder to another. Where the host's
 * file system shares blocks between files this takes no time and no room; else only what is not zero is copied. The copies
 * take their places together, when all are there. Disks stay raw files: overlays on a common base would have to be merged
 * when a snapshot is removed, and could not grow or be looked into like disks.
 */
export async function copyDisks(
  from: string,
  to: string,
  names: readonly string[],
  control: WorkControl,
): Promise<void> {
  const [source, target] = [disksFolder(from), disksFolder(to)];
  if (names.length > 0) await mkdir(target, { recursive: true });
  const part = (name: string) => `${diskPath(target, name)}.part`;
  try {
    for (const [index, name] of names.entries()) {
      control.progress({ message: `Copying ${name}`, fraction: index / names.length });
      await copySparse(diskPath(source, name), part(name), control.signal);
    }
    for (const name of names) {
      const record = join(source, `${name}.json`);
      await rename(part(name), diskPath(target, name));
      if (await exists(record)) await copyFile(record, join(target, `${name}.json`));
    }
    if (names.length > 0) await syncFolder(target);
  } finally {
    for (const name of names) await rm(part(name), { force: true });
  }
}

async function copySparse(source: string, target: string, signal: AbortSignal): Promise<void> {
  const argv = ['cp', '--reflink=auto', '--sparse=always', '--', source, target];
  const result = await tryTool(argv, { signal, timeoutMs: COPY_LIMIT_MS });
  signal.throwIfAborted();
  if (result.status === 0) return;
  throw new BootyardError('snapshot.copy', `A disk could not be copied: ${failureOf(result)}.`);
}

/** Bytes of the host's disk that the files below a folder take. */
export async function usedBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const path of await filesBelow(folder)) bytes += (await stat(path)).blocks * 512;
  return bytes;
}

/** Brings everything below a folder to the disk. */
export async function syncAll(folder: string): Promise<void> {
  for (const path of await filesBelow(folder)) {
    const file = await open(path);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(folder);
  await syncFolder(join(folder, '..'));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
