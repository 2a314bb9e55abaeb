import * as z from 'zod';
import type { ImageTree } from '../images/tree/tree.ts';
import type { BootReadRecord } from '../state/read-records.ts';
import { neededPaths } from './needed-paths.ts';
import { imagePackages } from './image-packages.ts';

/**
 * `bytes` counts what was read twice twice; a link has none, and so has a directory, which was listed and whose path ends with
 * a slash. `atMs`: the first read, after power-on. `waitedMs`: its reads waited for a disk of this machine, each for itself.
 */
export const ReadFile = z.object({
  path: z.string(),
  bytes: z.number(),
  atMs: z.number(),
  waitedMs: z.number(),
});
export type ReadFile = z.infer<typeof ReadFile>;

const Amount = z.object({ files: z.number(), bytes: z.number() });
type Amount = z.infer<typeof Amount>;
const Named = Amount.extend({ name: z.string() });
type Named = z.infer<typeof Named>;

/** What boots over the network have read of an image. Bytes of files never count twice. */
export const ImageUsage = z.object({
  image: z.string(),
  /** boots that this tells of */
  boots: z.number(),
  /** boots that took the image whole, to a disk or to memory: they are left out */
  copied: z.number(),
  /** boots of what the image was before: they are left out */
  older: z.number(),
  /** regular files of the image */
  all: Amount,
  /** read by a boot at least */
  read: Amount,
  /** read by each boot before it was booted: what is read ahead */
  needed: Amount,
  /** of the needed files those with most bytes, which never count twice; times are those of the last boot */
  largest: z.array(ReadFile),
  /** files for which the last boot waited longest until it was booted: they came from a disk and not from memory */
  waitedFor: z.array(ReadFile),
  /** ms, all such waits of the last boot, each for itself: reads that wait side by side count each */
  waitedMs: z.number(),
  /** directories never listed in which no file was ever read, the largest first; those inside of them are not named */
  untouchedDirectories: z.array(Named),
  /** packages of which no file was ever read, the largest first */
  untouchedPackages: z.array(Named),
});
export type ImageUsage = z.infer<typeof ImageUsage>;

const LARGEST = 20;

/** `boots`: the newest first. The tree is that of the image as it is now. */
export function imageUsage(
  image: { name: string; id: string },
  tree: ImageTree,
  boots: readonly BootReadRecord[],
): ImageUsage {
  const present = boots.filter(({ imageId }) => imageId === image.id);
  const used = present.filter(({ isCopied }) => !isCopied);
  const bytesOf = bytesRead(tree, used);
  const touched = new Set(bytesOf.keys());
  const needed = neededPaths(used).flatMap((path) => {
    const inode = tree.lookupPath(path, { follow: false });
    const bytes = bytesOf.get(inode);
    return bytes === undefined || tree.stat(inode).type !== 'file' ? [] : [{ path, bytes }];
  });
  const early = used[0]?.reads.filter(({ atMs }) => atMs <= (used[0]?.bootedMs ?? 0)) ?? [];
  const lastRead = new Map(early.map((read) => [read.path, read]));
  const untouched: Named[] = [];
  const all = sumFolder(tree, { inode: 1, path: '' }, touched, untouched, new Set());
  return {
    image: image.name,
    boots: used.length,
    copied: present.length - used.length,
    older: boots.length - present.length,
    all: { files: all.files, bytes: all.bytes },
    read: sum([...bytesOf].filter(([inode]) => tree.stat(inode).type === 'file').map(([, bytes]) => bytes)),
    needed: sum(needed.map(({ bytes }) => bytes)),
    largest: needed
      .toSorted((one, other) => other.bytes - one.bytes)
      .slice(0, LARGEST)
      .map((file) => ({ atMs: 0, waitedMs: 0, ...lastRead.get(file.path), ...file })),
    waitedFor: early
      .filter(({ waitedMs }) => waitedMs > 0)
      .toSorted((one, other) => other.waitedMs - one.waitedMs)
      .slice(0, LARGEST),
    waitedMs: early.reduce((total, { waitedMs }) => total + waitedMs, 0),
    untouchedDirectories: used.length === 0 ? [] : bySize(untouched),
    untouchedPackages: used.length === 0 ? [] : bySize(untouchedPackages(tree, touched)),
  };
}

/** By inode, the most that a boot read of it, and never more than there is. */
function bytesRead(tree: ImageTree, boots: readonly BootReadRecord[]): Map<number, number> {
  const bytesOf = new Map<number, number>();
  for (const { path, bytes } of boots.flatMap(({ reads }) => reads)) {
    const inode = tree.lookupPath(path, { follow: false });
    if (inode === 0) continue;
    bytesOf.set(inode, Math.max(bytesOf.get(inode) ?? 0, Math.min(bytes, tree.source(inode).size)));
  }
  return bytesOf;
}

interface Folder {
  inode: number;
  path: string;
}

/** Files in and below a directory, those of several names once; adds the topmost directories without a touched file. */
function sumFolder(
  tree: ImageTree,
  folder: Folder,
  touched: ReadonlySet<number>,
  untouched: Named[],
  seen: Set<number>,
): Amount & { isTouched: boolean } {
  const total = { files: 0, bytes: 0, isTouched: touched.has(folder.inode) };
  const quiet: Named[] = [];
  for (const { name, inode } of tree.children(folder.inode)) {
    total.isTouched ||= touched.has(inode);
    const { type, size } = tree.stat(inode);
    if (type === 'directory') {
      const inner = { inode, path: `${folder.path}/${name.toString()}` };
      const part = sumFolder(tree, inner, touched, untouched, seen);
      total.files += part.files;
      total.bytes += part.bytes;
      total.isTouched ||= part.isTouched;
      if (!part.isTouched && part.files > 0) {
        quiet.push({ name: inner.path, files: part.files, bytes: part.bytes });
      }
    } else if (type === 'file' && !seen.has(inode)) {
      seen.add(inode);
      total.files++;
      total.bytes += size;
    }
  }
  if (total.isTouched) untouched.push(...quiet);
  return total;
}

function untouchedPackages(tree: ImageTree, touched: ReadonlySet<number>): Named[] {
  return imagePackages(tree)
    .filter(({ inodes }) => !inodes.some((inode) => touched.has(inode)))
    .map(({ name, inodes }) => ({ name, ...sum(inodes.map((inode) => tree.stat(inode).size)) }));
}

const bySize = (named: readonly Named[]): Named[] =>
  named.toSorted((one, other) => other.bytes - one.bytes || (one.name < other.name ? -1 : 1));

function sum(sizes: readonly number[]): Amount {
  return { files: sizes.length, bytes: sizes.reduce((total, size) => total + size, 0) };
}
