import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, type DiskFile } from './files.ts';
import { START_BYTES, writeTable } from './table.ts';
import { diskTool } from './tools.ts';
import type { DiskTemplate } from './setting.ts';

export interface JournalOptions {
  /** of the disks */
  folder: string;
  signal?: AbortSignal;
}

/**
 * Makes a disk clean whose ext4 file system was in use when its machine was switched off. e2fsck (1.47) replays a journal
 * only in a file system that begins where its file does, so that is done in a copy of the partition, and a new disk file
 * takes the old one's place when it is whole. Only what is in use is copied. Throws as `diskTool`.
 */
export async function replayJournal(
  disk: DiskFile,
  template: Exclude<DiskTemplate, 'none'>,
  { folder, signal }: JournalOptions,
): Promise<void> {
  // `applyDisks` removes files that end like these.
  const partition = `${disk.name}.journal.part`;
  const clean = `${disk.name}.clean.part`;
  const offset = `driver=raw,offset=${START_BYTES},file.driver=file`;
  const options = { folder, signal };
  try {
    const source = ['--image-opts', `${offset},file.filename=${disk.name}.dd`];
    await diskTool(['qemu-img', 'convert', '-O', 'raw', ...source, partition], options);
    await diskTool(['e2fsck', '-f', '-p', partition], { ...options, okUpTo: 1 });
    await beginLike(disk, join(folder, clean));
    const target = ['-n', '--target-image-opts', `${offset},file.filename=${clean}`];
    await diskTool(['qemu-img', 'convert', '-f', 'raw', partition, ...target], options);
    await writeTable(join(folder, clean), template, disk.bytes, signal);
    await putInPlace(folder, clean, disk.path);
  } finally {
    for (const name of [partition, clean]) await rm(join(folder, name), { force: true });
  }
}

/** A disk of the same size, with nothing in it but the partition table. */
async function beginLike(disk: DiskFile, path: string): Promise<void> {
  const [source, target] = [await open(disk.path), await open(path, 'wx', 0o600)];
  try {
    const beginning = Buffer.alloc(START_BYTES);
    const { bytesRead } = await source.read(beginning, 0, START_BYTES, 0);
    await target.write(beginning, 0, bytesRead, 0);
    await target.truncate(disk.bytes);
  } finally {
    await source.close();
    await target.close();
  }
}

async function putInPlace(folder: string, name: string, path: string): Promise<void> {
  const file = await open(join(folder, name), 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(join(folder, name), path);
  await syncFolder(folder);
}
