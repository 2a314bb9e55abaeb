import { rm, truncate } from 'node:fs/promises';
import { BootyardError } from '../../errors.ts';
import { exists, undoPath, writeRecord, type DiskFile, type DiskRecord } from './files.ts';
import { replayJournal } from './journal.ts';
import { isExt4, readExt4, START_BYTES, writeTable, type Ext4Size } from './table.ts';
import { diskError, diskTool } from './tools.ts';
import { sizeText } from './setting.ts';

/** The last block group has at least this, or the file system ends before it: see `growExt4`. */
const MIN_LAST_GROUP = 16 << 20;

/** A disk that `listDisks` calls growable or interrupted: it has a record. */
export type KnownDisk = DiskFile & { record: DiskRecord };

/**
 * Makes a disk larger with what it holds. When that fails or is cancelled the disk is as before; when this process dies,
 * `takeBackGrowth` does that. Throws as `makeDisk`, and `disk.damaged` when the file system needs a repair.
 */
export async function growDisk(
  folder: string,
  disk: KnownDisk,
  bytes: number,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { name, path, record } = disk;
  try {
    // One of an earlier growth must never be undone.
    await rm(undoPath(folder, name), { force: true });
    if (isExt4(record.template) && (await readExt4(path))?.needsRecovery) {
      await replayJournal(disk, partitioned(record), { folder, signal });
    }
    await writeRecord(folder, name, { ...record, growingTo: bytes });
    await truncate(path, bytes);
    if (isExt4(record.template)) await growExt4(folder, disk, bytes, signal);
    await writeRecord(folder, name, { ...record, bytes });
    await rm(undoPath(folder, name), { force: true });
  } catch (error) {
    // What fails here, such as for want of space, is done by the next `applyDisks`.
    await takeBackGrowth(folder, disk).catch(() => undefined);
    if (signal?.aborted) throw signal.reason;
    if (error instanceof BootyardError && error.code === 'disk.damaged') throw error;
    throw diskError(error, `Disk ${disk.index} could not be made larger (${sizeText(bytes)})`, folder);
  }
}

/**
 * resize2fs takes the partition's offset, but at its end cuts the file to the size of the file system, without the
 * offset: the last megabyte is lost. So the file is lengthened again, and the file system ends where its last group is
 * large enough to have nothing there; the check at the end proves it.
 */
async function growExt4(folder: string, disk: KnownDisk, bytes: number, signal?: AbortSignal): Promise<void> {
  const { name, path, index, record } = disk;
  const ext4 = await readExt4(path);
  if (!ext4) throw new Error('there is no ext4 file system in it');
  const inPartition = `${name}.dd?offset=${START_BYTES}`;
  const options = { folder, signal };
  await checkExt4(index, ['-p'], inPartition, { ...options, okUpTo: 1 });
  const size = await writeTable(path, partitioned(record), bytes, signal);
  const undo = ['-z', `${name}.undo`];
  await diskTool(['resize2fs', ...undo, inPartition, `${targetKib(size, ext4)}k`], options);
  await truncate(path, bytes);
  await checkExt4(index, ['-n'], inPartition, options);
}

/** How large the file system may become in a partition of `size` bytes. */
function targetKib(size: number, { blockBytes, groupBlocks }: Ext4Size): number {
  const last = size % (groupBlocks * blockBytes);
  return Math.floor((last < MIN_LAST_GROUP ? size - last : size) / 1024);
}

async function checkExt4(
  index: number,
  how: string[],
  inPartition: string,
  options: { folder: string; signal?: AbortSignal; okUpTo?: number },
): Promise<void> {
  try {
    await diskTool(['e2fsck', '-f', ...how, inPartition], options);
  } catch (error) {
    if (!(error instanceof BootyardError) || error.code !== 'disk.failed') throw error;
    const sentence = `Disk ${index} was left as it is: its ext4 file system has errors, repair it in a node (fsck).`;
    throw new BootyardError('disk.damaged', sentence, { index });
  }
}

/** Gives a disk whose growth did not come to its end the size and content of before. */
export async function takeBackGrowth(folder: string, disk: KnownDisk): Promise<void> {
  const { name, path, record } = disk;
  const inPartition = `${name}.dd?offset=${START_BYTES}`;
  const hasUndo = await exists(undoPath(folder, name));
  if (hasUndo) {
    // Any status: an undo file that was not begun undoes nothing, and the check after it decides.
    await diskTool(['e2undo', '-f', '-o', String(START_BYTES), `${name}.undo`, `${name}.dd`], {
      folder,
      okUpTo: 255,
    });
  }
  await truncate(path, record.bytes);
  if (isExt4(record.template)) await writeTable(path, partitioned(record), record.bytes);
  if (hasUndo) await checkExt4(disk.index, ['-y'], inPartition, { folder, okUpTo: 2 });
  await writeRecord(folder, name, { ...record, growingTo: undefined });
  await rm(undoPath(folder, name), { force: true });
}

function partitioned({ template }: DiskRecord): Exclude<DiskRecord['template'], 'none'> {
  if (template === 'none') throw new Error('a blank disk has no partition table of ours');
  return template;
}
