import { rm, stat } from 'node:fs/promises';
import { parseBootMode } from '../boot-mode.ts';
import { withDefaults, type NodeSettings } from '../settings.ts';
import type { ReadyDisk } from './apply.ts';
import { diskPath, disksFolder, exists } from './files.ts';
import { makeExt4File } from './make.ts';
import { parseDisks } from './setting.ts';

/**
 * Of the disk with what is kept of network-persistent boots: an ext4 file system without partitions, which the machine has
 * besides the node's own disks. An overlay's upper folder cannot be on NFS, so WalT's way (a writable export) is none for
 * true machines. Its name among the disk files, and the serial number by which walt-network-persistent finds it.
 */
export const KEPT_DISK = 'network-persistent';
/** More than most will write; the file grows as they do. */
const BYTES = 64e9;

export function keepsChanges(settings: NodeSettings): boolean {
  return parseBootMode(withDefaults(settings)['boot.mode']).mode === 'network-persistent';
}

/** Names of the files of all disks that a machine with these settings has, in the order of their targets. */
export function machineDisks(settings: NodeSettings): string[] {
  const own = parseDisks(withDefaults(settings).disks).map((_, index) => `disk_${index}`);
  return keepsChanges(settings) ? [...own, KEPT_DISK] : own;
}

export function readyDisks(nodeFolder: string, settings: NodeSettings): ReadyDisk[] {
  const folder = disksFolder(nodeFolder);
  return machineDisks(settings).map((name) => ({ path: diskPath(folder, name), isKept: name === KEPT_DISK }));
}

/** Makes the disk unless it is there. Throws as `makeDisk`. */
export async function makeKeptDisk(nodeFolder: string, signal: AbortSignal): Promise<void> {
  const folder = disksFolder(nodeFolder);
  if (!(await exists(diskPath(folder, KEPT_DISK)))) await makeExt4File(folder, KEPT_DISK, BYTES, signal);
}

/** The disk's size and what its file takes of the host's, bytes; undefined when there is none. */
export async function keptDiskSize(
  nodeFolder: string,
): Promise<{ bytes: number; usedBytes: number } | undefined> {
  const path = diskPath(disksFolder(nodeFolder), KEPT_DISK);
  if (!(await exists(path))) return undefined;
  const { size, blocks } = await stat(path);
  return { bytes: size, usedBytes: blocks * 512 };
}

export async function removeKeptDisk(nodeFolder: string): Promise<void> {
  await rm(diskPath(disksFolder(nodeFolder), KEPT_DISK), { force: true });
}
