import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tryTool } from '../../lab/tool.ts';
import { diskPath, syncFolder, writeRecord } from './files.ts';
import { START, START_BYTES, writeTable } from './table.ts';
import { diskError, diskTool, type DiskToolOptions } from './tools.ts';
import { sizeText, type DiskSpec } from './setting.ts';

/**
 * What the kernels of old images know, too: the defaults of a host's mke2fs.conf may be newer than the image's kernel.
 * `none` takes those defaults away.
 */
const EXT4_FEATURES = [
  'none',
  'has_journal',
  'ext_attr',
  'resize_inode',
  'dir_index',
  'filetype',
  'extent',
].concat([
  '64bit',
  'flex_bg',
  'sparse_super',
  'large_file',
  'huge_file',
  'dir_nlink',
  'extra_isize',
  'metadata_csum',
]);
const PAGE = 4096;

export function diskTitle(index: number, spec: DiskSpec): string {
  return `Disk ${index} (${spec.template === 'none' ? '' : `${spec.template}, `}${sizeText(spec.bytes)})`;
}

/**
 * Makes the file of disk `index` in the folder of the disks; one that is there is overwritten. The disk is there with
 * all it shall hold, or not at all. Throws `disk.full`, `disk.tooLarge`, `disk.noTool`, `disk.failed` or the reason of
 * `signal`.
 */
export async function makeDisk(
  folder: string,
  index: number,
  spec: DiskSpec,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const temporary = join(folder, `disk_${index}.${randomBytes(4).toString('hex')}.part`);
  try {
    await mkdir(folder, { recursive: true });
    await truncated(temporary, spec.bytes);
    if (spec.template !== 'none')
      await format(temporary, { ...spec, template: spec.template }, { folder, signal });
    const writtenAt = await synced(temporary);
    signal?.throwIfAborted();
    const { bytes, template } = spec;
    // The record first: its file's time tells that it belongs to another file when the rename does not happen.
    await writeRecord(folder, `disk_${index}`, { template, bytes, madeAt: Date.now(), writtenAt });
    await rename(temporary, diskPath(folder, `disk_${index}`));
    await syncFolder(folder);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw diskError(error, `${diskTitle(index, spec)} could not be made`, folder);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Makes the file of a disk that is one ext4 file system without partitions. It is there as a whole or not at all. Throws as
 * `makeDisk`.
 */
export async function makeExt4File(
  folder: string,
  name: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const part = join(folder, `${name}.part`);
  try {
    await mkdir(folder, { recursive: true });
    await rm(part, { force: true });
    await truncated(part, bytes);
    await makeExt4(`${name}.part`, bytes, { folder, signal }, 0);
    await synced(part);
    await rename(part, diskPath(folder, name));
    await syncFolder(folder);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw diskError(error, `Disk ${name} (${sizeText(bytes)}) could not be made`, folder);
  } finally {
    await rm(part, { force: true });
  }
}

async function truncated(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

/** Returns the file's modification time, ms. */
async function synced(path: string): Promise<number> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
  }
}

async function format(
  path: string,
  spec: DiskSpec & { template: Exclude<DiskSpec['template'], 'none'> },
  options: DiskToolOptions,
): Promise<void> {
  const size = await writeTable(path, spec.template, spec.bytes, options.signal);
  const name = path.slice(path.lastIndexOf('/') + 1);
  switch (spec.template) {
    case 'swap':
      return writeSwap(path, size);
    case 'fat32':
      return makeFat32(name, size, options);
    case 'ext4':
      return makeExt4(name, size, options);
    case 'hybrid-boot-v':
    case 'hybrid-boot-p':
      await makeExt4(name, size, options);
      return addMarker(name, spec.template === 'hybrid-boot-p', options);
  }
}

/** The file is new, so that its unwritten parts are zero: mke2fs need not write them, nor the node's kernel later. */
async function makeExt4(
  name: string,
  size: number,
  options: DiskToolOptions,
  offset = START_BYTES,
): Promise<void> {
  const extended = [`offset=${offset}`, 'nodiscard', 'lazy_itable_init=1'];
  const make = (more: string[]) => {
    const features = ['-O', EXT4_FEATURES.join(','), '-I', '256', '-b', '4096'];
    const all = [...extended, ...more].join(',');
    const argv = [
      'mke2fs',
      '-q',
      '-F',
      '-t',
      'ext4',
      ...features,
      '-E',
      all,
      name,
      `${Math.floor(size / 1024)}k`,
    ];
    return diskTool(argv, options);
  };
  // Since 1.47 of e2fsprogs. Without, the node's kernel writes zeros for a while, which QEMU turns into holes.
  const { stdout, stderr } = await tryTool(['mke2fs', '-V']);
  const [, major = '0', minor = '0'] = /mke2fs (\d+)\.(\d+)/.exec(stdout + stderr) ?? [];
  const isRecent = Number(major) > 1 || Number(minor) >= 47;
  await make(isRecent ? ['assume_storage_prezeroed=1'] : ['lazy_journal_init=1']);
}

/** WalT's mark of a disk for hybrid boot; `.persistent` in it for the persistent kind. debugfs makes all root's. */
async function addMarker(name: string, isPersistent: boolean, options: DiskToolOptions): Promise<void> {
  const commands = ['mkdir walt_hybrid'];
  if (isPersistent)
    commands.push('cd walt_hybrid', 'write /dev/null .persistent', 'sif .persistent mode 0100644');
  const argv = ['debugfs', '-w', '-f', '-', `${name}?offset=${START_BYTES}`];
  const { stderr } = await diskTool(argv, { ...options, input: `${commands.join('\n')}\n` });
  // debugfs ends with 0 whatever happened; but for its version, its standard error holds errors only.
  const problem = stderr.split('\n').find((line) => line !== '' && !line.startsWith('debugfs '));
  if (problem !== undefined) throw new Error(`debugfs: ${problem}`);
}

/** mkfs.fat writes its tables, hundreds of megabytes of a large disk, as zeros; those become holes of the file. */
async function makeFat32(name: string, size: number, options: DiskToolOptions): Promise<void> {
  const place = ['--offset', String(START), '-h', String(START), name, String(Math.floor(size / 1024))];
  await diskTool(['mkfs.fat', '-F', '32', '-S', '512', ...place], options);
  await diskTool(['fallocate', '--dig-holes', name], options);
}

/**
 * The header of a swap area, as Linux has it in include/linux/swap.h: version at 1024, last page, no bad pages, a UUID at
 * 1036; `SWAPSPACE2` ends the first page. mkswap writes to the start of a file only.
 */
async function writeSwap(path: string, size: number): Promise<void> {
  const page = Buffer.alloc(PAGE);
  page.writeUInt32LE(1, 1024);
  page.writeUInt32LE(Math.min(Math.floor(size / PAGE) - 1, 0xffffffff), 1028);
  randomBytes(16).copy(page, 1036);
  page.write('SWAPSPACE2', PAGE - 10, 'latin1');
  const file = await open(path, 'r+');
  try {
    await file.write(page, 0, page.length, START_BYTES);
  } finally {
    await file.close();
  }
}
