import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { guestFolder } from '../../guest/injected.ts';
import { run, type RunOptions } from './run.ts';
import { ubootScript } from './uboot-script.ts';

/** The time of all files that have none of their own: equal inputs give equal images. Seconds since the epoch. */
export const SOURCE_DATE_EPOCH = 1_700_000_000;

export interface BuildOptions {
  /** scratch folders are made in it and removed; finished tars stay in it and are used again */
  workFolder: string;
  signal: AbortSignal;
  /** one short line for each step */
  progress: (step: string) => void;
  /** output of the programs that run */
  log: (line: string) => void;
  /** makes an initrd from the modules and busybox of a tree (`makeInitrd` of the boot layer) */
  makeInitrd: (tree: BuildTree, options: { kernel: string }) => Buffer;
  /** an image of another name that has more than the default one */
  variant?: ImageVariant;
}
/** What an image has beside what its recipe says. */
export interface ImageVariant {
  name: string;
  /** names of Debian packages */
  packages: readonly string[];
  /** a folder whose files, owned by root, go on top of the root file system */
  files?: string;
}
/** A root file system under construction; see `FolderTree`. */
export interface BuildTree {
  lookupPath(path: string): number;
  children(inode: number): Iterable<{ name: Uint8Array; inode: number }>;
  stat(inode: number): { type: string; size: number };
  readFile(inode: number): Buffer;
}
export interface BuiltImage {
  /** a name for the image: pc-x86-64-default, pc-x86-64-tiny */
  name: string;
  /** root file system, uncompressed */
  tar: string;
  labels: Record<string, string>;
}

/** The labels of the WalT image contract. */
export function imageLabels(name: string, model: string): Record<string, string> {
  return {
    'walt.node.models': model,
    'walt.server.minversion': '4',
    'walt.image.preferred-name': name,
  };
}

/** The folder of an image's recipe among the guest files. */
export function recipeFolder(name: string): string {
  return join(guestFolder(), 'image', name);
}

/** Puts the scripts of the second stage, which iPXE runs, into `/boot/<model>` of a root file system. */
export function installIpxeScripts(root: string, model: string): void {
  const target = join(root, 'boot', model);
  const source = recipeFolder('boot');
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source)) {
    if (name.endsWith('.ipxe')) cpSync(join(source, name), join(target, name));
  }
  // Found by what the firmware says of itself: ${manufacturer}/${product}.
  const machine = join(target, 'QEMU/Standard PC (i440FX + PIIX, 1996)');
  mkdirSync(machine, { recursive: true });
  cpSync(join(source, 'QEMU/boot-params.ipxe'), join(machine, 'boot-params.ipxe'));
}

/** The same for U-Boot, which takes its scripts in a format of its own. */
export function installUbootScript(root: string, model: string): void {
  const target = join(root, 'boot', model);
  mkdirSync(target, { recursive: true });
  const text = readFileSync(join(recipeFolder('uboot'), 'start.uboot'));
  writeFileSync(join(target, 'start.uboot'), ubootScript(text, SOURCE_DATE_EPOCH));
}

/** A key of all that an image is made of: recipe files, program text, package versions. */
export function contentKey(folders: readonly string[], words: readonly string[]): string {
  const hash = createHash('sha256');
  for (const folder of folders) hashFolder(hash, folder);
  hash.update(words.join('\0'));
  return hash.digest('hex').slice(0, 16);
}

function hashFolder(hash: ReturnType<typeof createHash>, folder: string): void {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    hash.update(`${name}\0${stat.mode}\0`);
    if (stat.isDirectory()) hashFolder(hash, path);
    else if (stat.isSymbolicLink()) hash.update(readlinkSync(path));
    else if (stat.isFile()) hash.update(readFileSync(path));
  }
}

/**
 * Gives every folder and file below `root` a plain mode, whatever umask the builder has: 755, or 644 for files that are
 * not programs. `programs` are paths that must be programs even if their mode got lost on the way.
 */
export function normalizeModes(root: string, programs: readonly string[]): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o100 ? 0o755 : 0o644);
  }
  chmodSync(root, 0o755);
  for (const path of programs) chmodSync(join(root, path), 0o755);
}

/** Moves a finished tar to where it stays, and removes those of older recipes or packages. */
export function keepTar(made: string, workFolder: string, name: string, kept: string): void {
  renameSync(made, kept);
  for (const other of readdirSync(workFolder)) {
    const path = join(workFolder, other);
    const isOwn = other.startsWith(`${name}-`) && /^[0-9a-f]{16}\.tar$/.test(other.slice(name.length + 1));
    if (isOwn && path !== kept) rmSync(path);
  }
}

/** Packs a folder as a root file system: all owned by root, sorted, times not after `SOURCE_DATE_EPOCH`. */
export async function packRoot(root: string, tar: string, options: RunOptions): Promise<void> {
  const args = ['--format=pax', '--pax-option=delete=atime,delete=ctime', '--sort=name', '--numeric-owner'];
  args.push('--owner=0', '--group=0', `--mtime=@${SOURCE_DATE_EPOCH}`, '--clamp-mtime');
  await run('tar', [...args, '-C', root, '-cf', tar, '.'], options);
}
