import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadPacked, pack, savePacked, type Arrays, type Format } from './packed.ts';
import { SLICE } from './slices.ts';
import type { ImageTree } from './tree.ts';
import { keptXattrs, xattrLines } from './xattr-list.ts';

/**
 * Bytes of a checksum: SHA-256. Nodes compute it too; under software emulation busybox does 53 MB/s (MD5: 85), but nobody
 * can make two files with the same one.
 */
const SUM = 32;
const CHUNK = 1 << 20;

const SHAPE = {
  /** of the tree that it was made of; ascending */
  inode: 'u32',
  mode: 'u16',
  uid: 'u32',
  gid: 'u32',
  /** seconds since the epoch */
  mtime: 'u32',
  size: 'f64',
  /** SHA-256 of file n at n * 32 */
  sums: 'u8',
  /** SHA-256 of the extended attributes of the files that have some, ascending */
  xattrFile: 'u32',
  xattrSums: 'u8',
  /** cumulative: file n's path is [pathEnd[n], pathEnd[n + 1]) of `paths` */
  pathEnd: 'u32',
  paths: 'u8',
} as const;
const FORMAT: Format<typeof SHAPE> = { shape: SHAPE, magic: 0x4d495242, version: 2 };

/** A name in a tree. */
export interface TreePath {
  /** relative, bytes as latin1 text; '' is the root */
  path: string;
  inode: number;
}

/** All names of a tree, directories before what they hold. */
export function* treePaths(tree: ImageTree, inode = 1, path = ''): Generator<TreePath> {
  yield { path, inode };
  for (const child of tree.children(inode)) {
    const name = child.name.toString('latin1');
    yield* treePaths(tree, child.inode, path === '' ? name : `${path}/${name}`);
  }
}

/** The regular files of an image with their checksums. It outlives the image: copies on nodes' disks may be of it. */
export class ImageManifest {
  readonly #arrays: Arrays<typeof SHAPE>;
  readonly #byInode: Map<number, number>;

  constructor(arrays: Arrays<typeof SHAPE>) {
    this.#arrays = arrays;
    this.#byInode = new Map([...arrays.inode].map((inode, file) => [inode, file]));
  }

  /** The SHA-256 of a file of the tree that this was made of, in hex; '' for an inode that is no file. */
  sum(inode: number): string {
    const file = this.#byInode.get(inode);
    return file === undefined ? '' : hexAt(this.#arrays.sums, file);
  }

  /**
   * Paths, each with a key that is the same for files with equal content, owner, mode, time and extended attributes. Empty
   * files are left out.
   */
  *files(): Generator<{ path: string; key: string }> {
    const { size, mode, uid, gid, mtime, paths, pathEnd, sums, xattrFile, xattrSums } = this.#arrays;
    let next = 0;
    const bytes = Buffer.from(paths.buffer, paths.byteOffset, paths.byteLength);
    for (let file = 0; file < size.length; file++) {
      const xattrs = xattrFile[next] === file ? hexAt(xattrSums, next++) : '';
      if (size[file] === 0) continue;
      const path = bytes.toString('latin1', pathEnd[file] ?? 0, pathEnd[file + 1] ?? 0);
      const attributes = [size, mode, uid, gid, mtime].map((array) => array[file] ?? 0);
      yield { path, key: [hexAt(sums, file), ...attributes, xattrs].join(' ') };
    }
  }
}

function hexAt(sums: Uint8Array, at: number): string {
  return Buffer.from(sums.buffer, sums.byteOffset + at * SUM, SUM).toString('hex');
}

/** The key of a file as `ImageManifest.files` has it. */
export function fileKey(tree: ImageTree, inode: number, sum: string): string {
  const { size, mode, uid, gid, mtimeMs } = tree.stat(inode);
  const attributes = [size, mode, uid, gid, Math.floor(mtimeMs / 1000)];
  return [sum, ...attributes, xattrSum(tree, inode)?.toString('hex')].join(' ');
}

/** Undefined for a file without attributes that are kept. */
function xattrSum(tree: ImageTree, inode: number): Buffer | undefined {
  const kept = keptXattrs(tree.xattrs(inode));
  return kept.size === 0 ? undefined : createHash('sha256').update(xattrLines('', kept)).digest();
}

/** A manifest that `makeManifest` has written, or undefined when there is none or it is damaged. */
export function loadManifest(file: string): ImageManifest | undefined {
  const packed = loadPacked(file, FORMAT);
  return packed && new ImageManifest(packed.arrays);
}

/** Reads every file of an image once, with turns for others in between, and keeps the result in `file`. */
export async function makeManifest(tree: ImageTree, file: string): Promise<ImageManifest> {
  const found = new Map<number, string>();
  let seen = 0;
  for (const { path, inode } of treePaths(tree)) {
    if (++seen % SLICE === 0) await nextTurn();
    if (tree.stat(inode).type === 'file' && !found.has(inode)) found.set(inode, path);
  }
  const files = [...found].sort(([a], [b]) => a - b);
  const count = files.length;
  const xattrs = files.flatMap(([inode], file) => {
    const sum = xattrSum(tree, inode);
    return sum ? [{ file, sum }] : [];
  });
  const packed = pack(FORMAT, {
    ...{ inode: count, mode: count, uid: count, gid: count, mtime: count, size: count },
    ...{ sums: count * SUM, pathEnd: count + 1 },
    ...{ xattrFile: xattrs.length, xattrSums: xattrs.length * SUM },
    paths: files.reduce((sum, [, path]) => sum + path.length, 0),
  });
  const { arrays } = packed;
  for (const [at, { file: number, sum }] of xattrs.entries()) {
    arrays.xattrFile[at] = number;
    arrays.xattrSums.set(sum, at * SUM);
  }
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  for (const [at, [inode, path]] of files.entries()) {
    const { mode, uid, gid, size, mtimeMs } = tree.stat(inode);
    const own = { inode, mode, uid, gid, size, mtime: Math.floor(mtimeMs / 1000) };
    for (const name of Object.keys(own) as (keyof typeof own)[]) arrays[name][at] = own[name];
    const start = arrays.pathEnd[at] ?? 0;
    arrays.paths.set(Buffer.from(path, 'latin1'), start);
    arrays.pathEnd[at + 1] = start + path.length;
    arrays.sums.set(await sumOf(tree, inode, size, chunk), at * SUM);
  }
  savePacked(file, packed);
  return new ImageManifest(arrays);
}

async function sumOf(tree: ImageTree, inode: number, size: number, chunk: Buffer): Promise<Buffer> {
  const hash = createHash('sha256');
  for (let position = 0; position < size; position += CHUNK) {
    const count = await tree.readCold(inode, position, chunk, 0, Math.min(CHUNK, size - position));
    hash.update(chunk.subarray(0, count));
  }
  return hash.digest();
}
