import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as z from 'zod';
import { tryTool } from '../../lab/tool.ts';
import { diskTool } from './tools.ts';
import type { DiskTemplate } from './setting.ts';

const SECTOR = 512;
/** Where the only partition of a disk starts, in sectors and in bytes. */
export const START = 2048;
export const START_BYTES = START * SECTOR;
/** An MBR counts sectors in 32 bits: larger disks get a GPT. */
const MBR_LIMIT = 2 ** 32 * SECTOR;

const LINUX = { dos: '83', gpt: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' };
const TYPES = {
  ext4: LINUX,
  'hybrid-boot-v': LINUX,
  'hybrid-boot-p': LINUX,
  fat32: { dos: 'c', gpt: 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7' },
  swap: { dos: '82', gpt: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F' },
} satisfies Record<Exclude<DiskTemplate, 'none'>, { dos: string; gpt: string }>;

/** What `sfdisk --json` says of a disk, as far as it is used. */
const Listing = z.object({
  partitiontable: z.object({
    label: z.enum(['dos', 'gpt']),
    id: z.string(),
    partitions: z
      .array(
        z.object({
          /** in sectors, as `size` */
          start: z.number(),
          size: z.number(),
          type: z.string(),
          uuid: z.string().optional(),
          bootable: z.boolean().default(false),
        }),
      )
      .default([]),
  }),
});
type Table = z.infer<typeof Listing>['partitiontable'];

export function isExt4(template: DiskTemplate | undefined): boolean {
  return template === 'ext4' || template === 'hybrid-boot-v' || template === 'hybrid-boot-p';
}

export function labelFor(bytes: number): 'dos' | 'gpt' {
  return bytes > MBR_LIMIT ? 'gpt' : 'dos';
}

/**
 * Writes a table with one partition, from sector 2048 to the end, to a file of `bytes` bytes. What the file's table had by
 * way of identifiers stays. Returns the partition's size in bytes.
 */
export async function writeTable(
  path: string,
  template: Exclude<DiskTemplate, 'none'>,
  bytes: number,
  signal?: AbortSignal,
): Promise<number> {
  const label = labelFor(bytes);
  const before = await readTable(path);
  const same = before?.label === label ? before : undefined;
  const [partition] = same?.partitions ?? [];
  const fields = [`start=${START}`, `type=${TYPES[template][label]}`];
  if (label === 'gpt' && partition?.uuid) fields.push(`uuid=${partition.uuid}`);
  if (label === 'dos' && partition?.bootable) fields.push('bootable');
  const script = [`label: ${label}`, ...(same ? [`label-id: ${same.id}`] : []), fields.join(', '), ''].join(
    '\n',
  );
  const options = ['--quiet', '--no-reread', '--no-tell-kernel', '--wipe=never', '--wipe-partitions=never'];
  const argv = ['sfdisk', ...options, basename(path)];
  await diskTool(argv, { folder: dirname(path), input: script, signal });
  const written = (await readTable(path))?.partitions[0];
  if (written?.start !== START) throw new Error('sfdisk did not write the partition');
  return written.size * SECTOR;
}

/** A disk's partition table, if it has one. */
async function readTable(path: string): Promise<Table | undefined> {
  const result = await tryTool(['sfdisk', '--json', basename(path)], { cwd: dirname(path) });
  if (result.status !== 0 || result.stdout === '') return undefined;
  return Listing.safeParse(JSON.parse(result.stdout)).data?.partitiontable;
}

/** Of the feature_incompat field of the superblock (Linux, fs/ext4/ext4.h). */
const INCOMPAT_RECOVER = 0x4;

/** What growing must know of an ext4 file system. */
export interface Ext4Size {
  blockBytes: number;
  /** blocks of each block group but the last */
  groupBlocks: number;
  /** it was in use when its machine was switched off: its journal must be replayed first */
  needsRecovery: boolean;
}

/** The superblock of the ext4 file system in the partition at sector 2048, if there is one. */
export async function readExt4(path: string): Promise<Ext4Size | undefined> {
  const file = await open(path);
  try {
    const block = Buffer.alloc(1024);
    const { bytesRead } = await file.read(block, 0, block.length, START_BYTES + 1024);
    if (bytesRead < block.length || block.readUInt16LE(56) !== 0xef53) return undefined;
    const shift = block.readUInt32LE(24);
    const groupBlocks = block.readUInt32LE(32);
    const needsRecovery = (block.readUInt32LE(96) & INCOMPAT_RECOVER) !== 0;
    if (shift > 6 || groupBlocks === 0) return undefined;
    return { blockBytes: 1024 << shift, groupBlocks, needsRecovery };
  } finally {
    await file.close();
  }
}

/** Whether the disk is still laid out as it was made: one Linux partition at sector 2048 with ext4 in it. */
export async function hasOwnLayout(path: string): Promise<boolean> {
  const table = await readTable(path);
  const [first, ...others] = table?.partitions ?? [];
  if (!table || first?.start !== START || others.length > 0) return false;
  return first.type.toUpperCase() === LINUX[table.label] && (await readExt4(path)) !== undefined;
}
