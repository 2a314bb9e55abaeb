import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { BootyardError, systemCode } from '../../errors.ts';
import { hasOwnLayout, isExt4 } from './table.ts';
import { DISK_TEMPLATES, type DiskSpec, type DiskTemplate } from './setting.ts';

/** The sidecar of a disk's file. A file without a valid one is a disk of unknown template. */
const DiskRecord = z.object({
  template: z.enum(DISK_TEMPLATES),
  bytes: z.number().int().positive(),
  /** there from the begin of a growth to its end: the size that it is to have */
  growingTo: z.number().int().positive().optional(),
  /** Unix time, ms */
  madeAt: z.number(),
  /** the file's modification time when it was made, ms: another one now means that something was written */
  writtenAt: z.number(),
  /** Unix time when a node was first started with this disk, ms */
  attachedAt: z.number().optional(),
});
export type DiskRecord = z.infer<typeof DiskRecord>;

/**
 * A disk's file in a node's folder.
 * - attached: the node's setting asks for it
 * - orphan: no longer in the setting; kept, and attached again when the setting asks for the same again
 * - replaced: another disk took its place; kept until a node has booted with that
 */
export interface DiskFile {
  /** file name without `.dd`: `disk_0`, or `disk_0.old-20260102T030405678Z` */
  name: string;
  index: number;
  path: string;
  state: 'attached' | 'orphan' | 'replaced';
  bytes: number;
  /** what the file takes of the host's disk */
  usedBytes: number;
  template: DiskTemplate | undefined;
  holdsData: boolean;
  /** it can be made larger with what it holds */
  growable: boolean;
  /** a growth did not come to its end; the next `applyDisks` takes it back */
  interrupted: boolean;
  record: DiskRecord | undefined;
}

const NAME = /^disk_(\d+)(\.old-\w+)?$/;

export function disksFolder(nodeFolder: string): string {
  return join(nodeFolder, 'disks');
}
export function diskPath(folder: string, name: string): string {
  return join(folder, `${name}.dd`);
}
/** Where resize2fs notes what it overwrites: there only during a growth. */
export function undoPath(folder: string, name: string): string {
  return join(folder, `${name}.undo`);
}

/** All disk files of a node, by index, replaced ones after the current one. `wanted`: the node's setting. */
export async function listDisks(nodeFolder: string, wanted: readonly DiskSpec[]): Promise<DiskFile[]> {
  const folder = disksFolder(nodeFolder);
  const names = (await namesIn(folder))
    .filter((file) => file.endsWith('.dd'))
    .map((file) => file.slice(0, -'.dd'.length))
    .filter((name) => NAME.test(name));
  const disks = await Promise.all(names.map((name) => inspect(folder, name, wanted.length)));
  return disks.sort((a, b) => a.index - b.index || (a.name < b.name ? -1 : 1));
}

/** Names in a folder; none when there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function inspect(folder: string, name: string, count: number): Promise<DiskFile> {
  const [, digits = '', old] = NAME.exec(name) ?? [];
  const index = Number(digits);
  const path = diskPath(folder, name);
  const [record, file] = await Promise.all([readRecord(folder, name), stat(path)]);
  return {
    name,
    index,
    path,
    state: old !== undefined ? 'replaced' : index < count ? 'attached' : 'orphan',
    bytes: record?.bytes ?? file.size,
    usedBytes: file.blocks * 512,
    template: record?.template,
    holdsData: holdsData(record, file),
    growable: record?.template === 'none' || (isExt4(record?.template) && (await hasOwnLayout(path))),
    interrupted: record?.growingTo !== undefined,
    record,
  };
}

function holdsData(record: DiskRecord | undefined, file: { mtimeMs: number; blocks: number }): boolean {
  if (record === undefined) return file.blocks > 0;
  // What swap holds means nothing after a boot.
  if (record.template === 'swap') return false;
  return record.attachedAt !== undefined || record.writtenAt !== file.mtimeMs;
}

/**
 * To be called when a machine is started with its first `count` disks: from then on they hold data. Disks without a
 * record do so anyway.
 */
export async function markAttached(nodeFolder: string, count: number): Promise<void> {
  const folder = disksFolder(nodeFolder);
  for (let index = 0; index < count; index++) {
    const record = await readRecord(folder, `disk_${index}`);
    if (!record || record.attachedAt !== undefined) continue;
    await writeRecord(folder, `disk_${index}`, { ...record, attachedAt: Date.now() });
  }
}

/** To be called when a node has booted: removes what the disks that it booted with have replaced. */
export async function forgetReplaced(nodeFolder: string): Promise<void> {
  const folder = disksFolder(nodeFolder);
  for (const disk of await listDisks(nodeFolder, [])) {
    if (disk.state !== 'replaced') continue;
    const current = await readRecord(folder, `disk_${disk.index}`);
    if (current?.attachedAt !== undefined) await removeDisk(nodeFolder, disk.name);
  }
}

/**
 * Removes a disk for good. The caller knows that no machine runs with it. Throws `disk.unknown` when there is no such disk.
 * @param name as `listDisks` has it
 */
export async function removeDisk(nodeFolder: string, name: string): Promise<void> {
  const folder = disksFolder(nodeFolder);
  if (!NAME.test(name) || !(await exists(diskPath(folder, name)))) {
    throw new BootyardError('disk.unknown', `There is no disk ${name} in ${folder}.`, { name });
  }
  for (const path of [diskPath(folder, name), recordPath(folder, name), undoPath(folder, name)]) {
    await rm(path, { force: true });
  }
}

/** Gives a disk's file and record another name. */
export async function renameDisk(folder: string, from: string, to: string): Promise<void> {
  // The record goes first: a disk that lost its record is of unknown template, and kept.
  if (await exists(recordPath(folder, from))) await rename(recordPath(folder, from), recordPath(folder, to));
  await rename(diskPath(folder, from), diskPath(folder, to));
  await syncFolder(folder);
}

async function readRecord(folder: string, name: string): Promise<DiskRecord | undefined> {
  try {
    return DiskRecord.safeParse(JSON.parse(await readFile(recordPath(folder, name), 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a record whole or not at all. */
export async function writeRecord(folder: string, name: string, record: DiskRecord): Promise<void> {
  const temporary = `${recordPath(folder, name)}.part`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(record)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, recordPath(folder, name));
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Renames in a folder last through a crash of the host only when the folder was synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function recordPath(folder: string, name: string): string {
  return join(folder, `${name}.json`);
}
