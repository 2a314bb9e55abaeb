import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileKey, type ImageManifest, treePaths } from '../../images/tree/manifest.ts';
import { SLICE } from '../../images/tree/slices.ts';
import { gnuEntryHeader, padding, type TarEntry, type TarEntryType } from '../../images/tar/tar-writer.ts';
import type { FileType, ImageTree, TreeStat } from '../../images/tree/tree.ts';
import { keptXattrs, sameXattrs, xattrLines, type Xattrs } from '../../images/tree/xattr-list.ts';
import type { HeldFile, Inventory } from './inventory.ts';

/** One entry of the tar that brings a node's copy up to date. */
export interface DeltaEntry {
  header: Buffer;
  /** the file whose bytes follow */
  inode: number | undefined;
  size: number;
}

/** What a copy of an image lacks. Paths are relative to the copy, bytes as latin1 text. */
export interface Delta {
  /** to be removed first, folders with what they hold */
  remove: string[];
  /** in the order of the tar; names begin with `n/`, targets of hard links to other copies with the copy's number and `/` */
  entries: DeltaEntry[];
  /** entries of folders once more: their times change as files are put into them */
  directories: Buffer[];
  /** regular files whose content is sent */
  received: string[];
  /** `uid:gid` and path of symbolic links that are not root's: busybox tar does not set their owner */
  linkOwners: string[];
  /** extended attributes of files that are sent, or have others: parts of a list for `walt-xattrs set` */
  xattrs: string[];
  /** of the tar, without its control files */
  bytes: number;
  /** that the entries take on an ext4 file system, and how many inodes */
  kib: number;
  inodes: number;
}

export interface DeltaParts {
  tree: ImageTree;
  /** not needed when the node has nothing */
  manifest: ImageManifest | undefined;
  inventory: Inventory;
  /** manifests of the copies that the inventory names, undefined where none is known */
  others: readonly (ImageManifest | undefined)[];
  /** files in the copy that are not the image's and stay, such as those that are injected */
  isForeign: (path: string) => boolean;
}

const TYPE_BITS: Record<FileType, number> = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};
const TYPE_MASK = 0o170000;
const NONE: Xattrs = new Map();

/** Compares a node's copy with the image. Takes turns with other work. */
export async function makeDelta(parts: DeltaParts): Promise<Delta> {
  const maker = new DeltaMaker(parts, await linkSources(parts));
  let seen = 0;
  for (const { path, inode } of treePaths(parts.tree)) {
    if (++seen % SLICE === 0) await nextTurn();
    maker.take(path, inode);
  }
  return maker.finish();
}

/** Where in the node's other copies a file with a certain key is. */
async function linkSources({ others }: DeltaParts): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  let seen = 0;
  for (const [at, manifest] of others.entries()) {
    for (const { path, key } of manifest?.files() ?? []) {
      if (++seen % SLICE === 0) await nextTurn();
      sources.set(key, `${at + 1}/${path}`);
    }
  }
  return sources;
}

class DeltaMaker {
  readonly #parts: DeltaParts;
  readonly #sources: ReadonlyMap<string, string>;
  readonly #delta: Delta = {
    ...{ remove: [], entries: [], directories: [], received: [], linkOwners: [], xattrs: [] },
    ...{ bytes: 0, kib: 0, inodes: 0 },
  };
  readonly #known = new Set<string>();
  /** folders that get entries, and those whose own attributes are wrong */
  readonly #touched = new Set<string>();
  readonly #headers = new Map<string, Buffer>();
  /** the first name of each file with several */
  readonly #firstNames = new Map<number, string>();

  constructor(parts: DeltaParts, sources: ReadonlyMap<string, string>) {
    this.#parts = parts;
    this.#sources = sources;
  }

  take(path: string, inode: number): void {
    const { tree, inventory } = this.#parts;
    const stat = tree.stat(inode);
    // A tar cannot hold sockets, and a socket without its process is of no use.
    if (stat.type === 'socket') return;
    this.#known.add(path);
    const held = inventory.held.get(path);
    const firstName = stat.type === 'file' && stat.links > 1 ? this.#firstNames.get(inode) : undefined;
    if (stat.type === 'file' && stat.links > 1 && firstName === undefined) this.#firstNames.set(inode, path);
    if (stat.type === 'directory') this.#headers.set(path, this.#header(path, inode, stat));
    if (held && this.#isRight(held, stat, inode)) return this.#checkXattrs(path, inode);
    if (held && (isDirectory(held) || stat.type === 'directory') && !sameType(held, stat))
      this.#delta.remove.push(path);
    this.#touched.add(parentOf(path));
    if (stat.type === 'directory') {
      this.#touched.add(path);
      this.#checkXattrs(path, inode);
      return this.#add(this.#headers.get(path), 4);
    }
    this.#addFile(path, inode, stat, firstName);
  }

  finish(): Delta {
    const delta = this.#delta;
    for (const path of this.#parts.inventory.held.keys()) {
      if (!this.#known.has(path) && !this.#parts.isForeign(path)) {
        delta.remove.push(path);
        this.#touched.add(parentOf(path));
      }
    }
    for (const path of this.#touched) {
      const header = this.#headers.get(path);
      if (header) delta.directories.push(header);
    }
    return delta;
  }

  #addFile(path: string, inode: number, stat: TreeStat, firstName: string | undefined): void {
    const delta = this.#delta;
    const key = stat.type === 'file' && this.#parts.manifest !== undefined ? this.#key(inode) : '';
    const source = firstName === undefined ? this.#sources.get(key) : `n/${firstName}`;
    if (stat.type === 'file' && source !== undefined)
      return this.#add(gnuEntryHeader(entryOf(`n/${path}`, 'hardlink', stat, source), 0), 0);
    if (stat.type === 'symlink' && (stat.uid !== 0 || stat.gid !== 0))
      delta.linkOwners.push(`${stat.uid}:${stat.gid}`, path);
    const size = stat.type === 'file' ? stat.size : 0;
    this.#add(this.#header(path, inode, stat), Math.ceil(size / 4096) * 4, inode, size);
    delta.inodes++;
    this.#sendXattrs(path, keptXattrs(this.#parts.tree.xattrs(inode)));
    if (stat.type === 'file') delta.received.push(path);
  }

  /** Of what is there, and stays or gets new attributes. */
  #checkXattrs(path: string, inode: number): void {
    const { tree, inventory } = this.#parts;
    if (!inventory.xattrs) return;
    const wanted = keptXattrs(tree.xattrs(inode));
    const held = inventory.xattrs.get(path) ?? NONE;
    if (!sameXattrs(wanted, held)) this.#delta.xattrs.push(xattrLines(path || '.', wanted));
  }

  #sendXattrs(path: string, xattrs: Xattrs): void {
    if (this.#parts.inventory.xattrs && xattrs.size > 0) this.#delta.xattrs.push(xattrLines(path, xattrs));
  }

  #add(header: Buffer | undefined, kib: number, inode?: number, size = 0): void {
    if (!header) return;
    const delta = this.#delta;
    delta.entries.push({ header, inode: size > 0 ? inode : undefined, size });
    delta.bytes += header.length + size + padding(size).length;
    delta.kib += kib;
  }

  #key(inode: number): string {
    return fileKey(this.#parts.tree, inode, this.#parts.manifest?.sum(inode) ?? '');
  }

  #header(path: string, inode: number, stat: TreeStat): Buffer {
    const target =
      stat.type === 'symlink' ? Buffer.from(this.#parts.tree.linkTarget(inode)).toString('latin1') : '';
    const type = stat.type === 'socket' ? 'file' : stat.type;
    return gnuEntryHeader(
      entryOf(path === '' ? 'n' : `n/${path}`, type, stat, target),
      type === 'file' ? stat.size : 0,
    );
  }

  #isRight(held: HeldFile, stat: TreeStat, inode: number): boolean {
    if (!sameType(held, stat) || held.uid !== stat.uid || held.gid !== stat.gid) return false;
    if (stat.type === 'symlink')
      return held.target === Buffer.from(this.#parts.tree.linkTarget(inode)).toString('latin1');
    if ((held.mode & 0o7777) !== stat.mode || held.mtime !== Math.floor(stat.mtimeMs / 1000)) return false;
    if (stat.type === 'char' || stat.type === 'block')
      return held.rdev.major === stat.rdev.major && held.rdev.minor === stat.rdev.minor;
    if (stat.type !== 'file') return true;
    if (held.size !== stat.size) return false;
    // Files that were linked from another copy, or checked in an earlier round, come without a checksum.
    if (held.sum === undefined) return !this.#parts.inventory.isFull || stat.size === 0;
    return held.sum === this.#parts.manifest?.sum(inode);
  }
}

function entryOf(path: string, type: TarEntryType, stat: TreeStat, target: string): TarEntry {
  const { mode, uid, gid } = stat;
  return { path, type, mode, uid, gid, mtime: Math.floor(stat.mtimeMs / 1000), target, ...stat.rdev };
}

function sameType(held: HeldFile, stat: TreeStat): boolean {
  return (held.mode & TYPE_MASK) === TYPE_BITS[stat.type];
}
function isDirectory(held: HeldFile): boolean {
  return (held.mode & TYPE_MASK) === TYPE_BITS.directory;
}

/** The folder of a path; the root for a name in it. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
