import { setImmediate as nextTurn } from 'node:timers/promises';
import { type TreePath, treePaths } from './manifest.ts';
import { megabytes, pace } from '../pace.ts';
import { SLICE } from './slices.ts';
import type { SparsePiece } from '../tar/sparse.ts';
import type { ImportControl } from '../staging.ts';
import { RECORD } from '../tar/tar-header.ts';
import { END_OF_TAR, entryHeader, padding, type TarEntry } from '../tar/tar-writer.ts';
import type { ImageTree } from './tree.ts';

const CHUNK = 1 << 20;

/**
 * A tar of all that is at and below `from` (default: the root) of a tree: owners, modes, times, devices, hard links,
 * extended attributes and holes. Its paths start with `name` instead of that of `from`; '' is `./`. Names are latin1 text.
 * `doing`: a verb for the progress. Throws the reason of the signal.
 */
export async function* treeTar(
  tree: ImageTree,
  { from = 1, name = '', doing }: { from?: number; name?: string; doing: string },
  control: ImportControl,
): AsyncGenerator<Uint8Array> {
  yield* tarOf(tree, () => treePaths(tree, from, name), doing, control);
}

/**
 * The same of some paths, which `paths` gives each time anew, folders before what they hold. One with inode 0 is marked as
 * gone (a whiteout; OCI image-spec, "layer.md").
 */
export async function* tarOf(
  tree: ImageTree,
  paths: () => Iterable<TreePath>,
  doing: string,
  control: ImportControl,
): AsyncGenerator<Uint8Array> {
  const whole = await sizeOf(tree, paths(), control.signal);
  const isDue = pace();
  const first = new Map<number, string>();
  const out = new Batch();
  let done = 0;
  let count = 0;
  for (const { path, inode } of paths()) {
    if (++count % SLICE === 0) await nextTurn();
    control.signal?.throwIfAborted();
    if (inode === 0) {
      out.add(entryHeader(whiteout(path), 0));
      continue;
    }
    const entry = entryOf(tree, inode, path, first);
    const { sparse, size } = contentOf(tree, inode, entry);
    out.add(entryHeader(entry, size));
    if (sparse) out.add(sparse.map);
    for (const { offset, length } of sparse?.pieces ?? [{ offset: 0, length: size }]) {
      for (let at = 0; at < length;) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, length - at));
        await tree.readCold(inode, offset + at, chunk, 0, chunk.length);
        at += chunk.length;
        done += chunk.length;
        out.add(chunk);
        if (out.isFull) yield out.take();
        control.signal?.throwIfAborted();
        if (isDue()) control.progress?.({ message: `${doing} ${megabytes(whole)}`, fraction: done / whole });
      }
    }
    out.add(padding(size));
  }
  out.add(END_OF_TAR);
  yield out.take();
}

/** Small pieces that are written together. */
class Batch {
  #parts: Uint8Array[] = [];
  #size = 0;

  add(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }
  get isFull(): boolean {
    return this.#size >= CHUNK;
  }
  take(): Buffer {
    const all = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return all;
  }
}

/** Bytes of files, each once. */
async function sizeOf(
  tree: ImageTree,
  paths: Iterable<TreePath>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const seen = new Set<number>();
  let size = 0;
  let count = 0;
  for (const { inode } of paths) {
    if (++count % SLICE === 0) await nextTurn();
    signal?.throwIfAborted();
    if (inode === 0) continue;
    const stat = tree.stat(inode);
    if (stat.type !== 'file' || seen.has(inode)) continue;
    if (stat.links > 1) seen.add(inode);
    size += stat.size;
  }
  return size;
}

/** The mark that a path of a lower layer is gone; latin1 text. */
export function whiteout(path: string): TarEntry {
  const slash = path.lastIndexOf('/') + 1;
  const marked = `${path.slice(0, slash)}.wh.${path.slice(slash)}`;
  return { path: marked, encoding: 'latin1', type: 'file', mode: 0o644 };
}

/** `first` has the names of files with several, once they are written. */
function entryOf(tree: ImageTree, inode: number, path: string, first: Map<number, string>): TarEntry {
  const { type, mode, uid, gid, rdev, links } = tree.stat(inode);
  const { seconds, nanoseconds } = tree.mtime(inode);
  if (type === 'socket') throw new Error('an image has no sockets');
  const known = first.get(inode);
  if (type !== 'directory' && links > 1) first.set(inode, known ?? path);
  return {
    path: path === '' ? './' : path,
    encoding: 'latin1',
    type: known === undefined ? type : 'hardlink',
    mode,
    uid,
    gid,
    mtime: seconds,
    mtimeNs: nanoseconds,
    major: rdev.major,
    minor: rdev.minor,
    target: known ?? Buffer.from(tree.linkTarget(inode)).toString('latin1'),
    xattrs: known === undefined ? tree.xattrs(inode) : undefined,
  };
}

/** Bytes of data that follow the header; a sparse file's entry is marked as one. */
function contentOf(
  tree: ImageTree,
  inode: number,
  entry: TarEntry,
): { size: number; sparse?: { map: Buffer; pieces: SparsePiece[] } } {
  if (entry.type !== 'file') return { size: 0 };
  const { size } = tree.stat(inode);
  if (tree.position(inode) !== undefined) return { size };
  const pieces = tree.pieces(inode);
  const map = sparseMap(pieces, size);
  entry.sparseSize = size;
  return { size: pieces.reduce((sum, { length }) => sum + length, map.length), sparse: { map, pieces } };
}

/** What stands before the data of a sparse file (GNU tar manual, "PAX Format, Version 1.0"). GNU tar wants an empty piece at the end of a file that ends with a hole. */
function sparseMap(pieces: readonly SparsePiece[], size: number): Buffer {
  const last = pieces.at(-1);
  const isOpen = last === undefined || last.offset + last.length < size;
  const all = isOpen ? [...pieces, { offset: size, length: 0 }] : pieces;
  const text = [all.length, ...all.flatMap(({ offset, length }) => [offset, length])].join('\n');
  const map = Buffer.from(`${text}\n`);
  return Buffer.concat([map, Buffer.alloc((RECORD - (map.length % RECORD)) % RECORD)]);
}
