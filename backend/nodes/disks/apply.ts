import { rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BootyardError, systemCode } from '../../errors.ts';
import { diskPath, disksFolder, listDisks, namesIn, renameDisk, type DiskFile } from './files.ts';
import { growDisk, takeBackGrowth, type KnownDisk } from './grow.ts';
import { makeDisk } from './make.ts';
import { planDisks, type PlannedDisk } from './plan.ts';
import type { DiskSpec } from './setting.ts';

export interface DiskControl {
  /** ends the work; a disk that is not finished is then as before, or not there */
  signal?: AbortSignal;
  /** called before each disk that takes work: what is done with it, and the part of the disks that is done, 0 to 1 */
  progress?: (progress: { message: string; fraction: number }) => void;
  /** the user has agreed that disks with data are replaced */
  mayLose?: boolean;
}

/** A disk's file, ready for QEMU. */
export interface ReadyDisk {
  path: string;
  /** it is not one of the node's own, but `KEPT_DISK` */
  isKept?: boolean;
}

/**
 * Gives a node the disks that its setting asks for, and returns them in order. To be called while no machine of the node
 * runs, one call at a time for each node: after a change of the setting, and before each start (swap is made anew).
 * Throws `disk.loses` when a disk with data would be replaced and `mayLose` is not set (nothing is done then), else as
 * `makeDisk` and `growDisk`; disks before the one that failed are then done.
 */
export async function applyDisks(
  nodeFolder: string,
  wanted: readonly DiskSpec[],
  control: DiskControl = {},
): Promise<ReadyDisk[]> {
  const folder = disksFolder(nodeFolder);
  await tidy(folder, await listDisks(nodeFolder, wanted));
  const plan = planDisks(await listDisks(nodeFolder, wanted), wanted);
  const loss = plan.find(({ loses }) => loses);
  if (loss && !control.mayLose) throw new BootyardError('disk.loses', loss.sentence, { disk: loss.disk });
  const work = plan.filter(({ action }) => action !== 'keep');
  for (const [done, step] of work.entries()) {
    control.signal?.throwIfAborted();
    control.progress?.({ message: step.sentence, fraction: done / work.length });
    await carryOut(nodeFolder, step, control.signal);
  }
  return wanted.map((_, index) => ({ path: diskPath(folder, `disk_${index}`) }));
}

/** Ends what a process that died has left: half-made files and half-done growths. */
async function tidy(folder: string, disks: readonly DiskFile[]): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (/^disk_\d+\..*part$/.test(name)) await rm(join(folder, name), { force: true });
  }
  for (const disk of disks) {
    if (disk.interrupted && isKnown(disk)) await takeBackGrowth(folder, disk);
  }
}

async function carryOut(
  nodeFolder: string,
  step: PlannedDisk,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = disksFolder(nodeFolder);
  const name = `disk_${step.disk}`;
  switch (step.action) {
    case 'keep':
      return;
    case 'make':
      return makeDisk(folder, step.disk, step.spec, signal);
    case 'grow':
      if (step.file && isKnown(step.file)) await growDisk(folder, step.file, step.spec.bytes, signal);
      return;
    case 'restore':
      await rm(diskPath(folder, name), { force: true });
      if (step.file) await renameDisk(folder, step.file.name, name);
      return;
    case 'replace':
      return replace(folder, name, step, signal);
  }
}

/** The old disk goes aside first, and comes back when the new one cannot be made. */
async function replace(
  folder: string,
  name: string,
  step: PlannedDisk,
  signal: AbortSignal | undefined,
): Promise<void> {
  const old = `${name}.old-${new Date().toISOString().replace(/[-:.]/g, '')}`;
  await renameDisk(folder, name, old);
  try {
    await makeDisk(folder, step.disk, step.spec, signal);
  } catch (error) {
    await renameDisk(folder, old, name);
    throw error;
  }
}

function isKnown(disk: DiskFile): disk is KnownDisk {
  return disk.record !== undefined;
}

/**
 * A sentence when the disks may grow to more than the host has room for, else undefined. Disks take room as nodes write
 * to them, so this is no error.
 */
export async function freeSpaceWarning(
  nodeFolder: string,
  wanted: readonly DiskSpec[],
): Promise<string | undefined> {
  const disks = await listDisks(nodeFolder, wanted);
  const used = disks
    .filter(({ state }) => state === 'attached')
    .reduce((sum, disk) => sum + disk.usedBytes, 0);
  const needed = wanted.reduce((sum, { bytes }) => sum + bytes, 0) - used;
  const { bavail, bsize } = await fileSystemOf(nodeFolder);
  const free = bavail * bsize;
  if (needed <= free) return undefined;
  const amounts = `may grow by ${gigabytes(needed)}, but only ${gigabytes(free)} are free`;
  return `The disks of this node ${amounts} where they are (${disksFolder(nodeFolder)}): the node pauses when that is used up.`;
}

/** Of the nearest folder that exists. */
async function fileSystemOf(folder: string): Promise<{ bavail: number; bsize: number }> {
  try {
    return await statfs(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return fileSystemOf(dirname(folder));
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 10e9 ? 1 : 0)}G`;
}
