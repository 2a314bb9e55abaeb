import { open, type FileHandle } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BootyardError } from '../errors.ts';
import { EntryType, type LayerIndex } from './tree/layer-index.ts';
import { megabytes, pace } from './pace.ts';
import type { ImportControl, StagedLayer, Staging } from './staging.ts';
import { END_OF_TAR, entryHeader, padding, type TarEntry, type TarEntryType } from './tar/tar-writer.ts';
import { shown } from './tar/tar-path.ts';
import type { FileType, ImageTree } from './tree/tree.ts';
import { includesXattrs, keptXattrs, sameXattrs, type Xattrs } from './tree/xattr-list.ts';

/** One path that a layer changes. */
export interface LayerChange {
  /** absolute; bytes that are no UTF-8 are replaced */
  path: string;
  /** added, modified, deleted */
  kind: 'A' | 'M' | 'D';
  type: FileType | 'hardlink';
  /** bytes of a file */
  sizeBytes: number;
}
export interface Diff {
  changes: LayerChange[];
  /** undefined when nothing differs, or it is not wanted */
  layer: StagedLayer | undefined;
}

/** Extended attributes that a node told. */
export interface NodeXattrs {
  /** of the files of its dump, by their paths in it */
  found: ReadonlyMap<string, Xattrs>;
  /** false: it has its image from a server that shows none, so their absence says nothing */
  seesImage: boolean;
}

export interface DiffInput {
  /** a tar of what a node changed; paths relative to the root, or to the folder `below` (latin1 text) */
  dump: StagedLayer;
  xattrs: NodeXattrs;
  below?: string;
  /** what there is now in each folder of the dump, as paths (latin1 text); undefined: nothing was deleted */
  present?: ReadonlySet<string>;
  /** the image */
  base: ImageTree;
  /** paths (latin1 text) that are put over the image in the node: it does not see the attributes of the folders on their way */
  injected: readonly string[];
  /** no layer is wanted, but the list of changes alone */
  listOnly?: boolean;
  /** true for paths (latin1 text, relative) that are not the image's matter */
  isExcluded: (path: string) => boolean;
}

const CHUNK = 1 << 20;
const NONE: Xattrs = new Map();
/** Linux takes it from a file that is written to, or gets another owner. */
const CAPABILITY = 'security.capability';
const TYPES: Record<number, TarEntryType> = {
  [EntryType.file]: 'file',
  [EntryType.directory]: 'directory',
  [EntryType.symlink]: 'symlink',
  [EntryType.hardlink]: 'hardlink',
  [EntryType.char]: 'char',
  [EntryType.block]: 'block',
  [EntryType.fifo]: 'fifo',
};

/**
 * The layer that makes an image what a node has made of it: whiteouts for what is gone (OCI image-spec, "layer.md"), then
 * what is new or differs, in the order of the dump. What is as in the image is left out. Throws the reason of the staging's
 * signal.
 */
export async function diffLayer(input: DiffInput, staging: Staging): Promise<Diff> {
  const handle = await open(input.dump.file, 'r');
  try {
    const differ = new Differ(input, handle, staging.control);
    const { entries, changes } = await differ.compare();
    if (changes.length === 0 || input.listOnly) return { changes, layer: undefined };
    const blob = await staging.write(differ.tar(entries));
    return { changes, layer: await staging.indexed(blob, { needsEnd: true }) };
  } finally {
    await handle.close();
  }
}

/** An entry of the new layer; `data` is where a file's bytes are in the dump. */
interface NewEntry {
  entry: TarEntry;
  size: number;
  data: number;
}

class Differ {
  readonly #index: LayerIndex;
  readonly #input: DiffInput;
  readonly #handle: FileHandle;
  readonly #control: ImportControl;
  readonly #places = new Map<string, number>();
  readonly #changed = new Set<string>();
  /** bytes of files that were compared */
  #compared = 0;
  /** inodes of the image */
  readonly #hidden: ReadonlySet<number>;

  constructor(input: DiffInput, handle: FileHandle, control: ImportControl) {
    this.#input = input;
    this.#index = input.dump.index;
    this.#handle = handle;
    this.#control = control;
    this.#hidden = foldersOf(input.base, input.injected);
  }

  async compare(): Promise<{ entries: NewEntry[]; changes: LayerChange[] }> {
    const { isExcluded } = this.#input;
    const entries: NewEntry[] = [];
    const changes: LayerChange[] = [];
    const isDue = pace();
    for (let at = 0; at < this.#index.count; at++) {
      if (at % 256 === 0) await nextTurn();
      this.#goOn(isDue, () => `Comparing: ${at} of ${this.#index.count} files, ${megabytes(this.#compared)}`);
      const path = this.#pathOf(at);
      if (this.#isWhiteout(at)) continue;
      if (this.#index.arrays.type[at] === EntryType.directory) {
        for (const gone of this.#goneFrom(path)) {
          changes.push(gone.change);
          entries.push({ entry: gone.whiteout, size: 0, data: 0 });
        }
      }
      if (path === '' || path === this.#input.below || isExcluded(path)) continue;
      this.#places.set(path, at);
      const old = this.#baseInode(path);
      if (old !== 0 && (await this.#isSame(at, old))) continue;
      this.#changed.add(path);
      const made = this.#entry(at, path);
      made.entry.xattrs = await this.#newXattrs(at, old);
      entries.push(made);
      const type = made.entry.type;
      changes.push({ path: readable(path), kind: old === 0 ? 'A' : 'M', type, sizeBytes: made.size });
    }
    changes.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { entries, changes };
  }

  async *tar(entries: NewEntry[]): AsyncGenerator<Uint8Array> {
    const whole = megabytes(entries.reduce((sum, { size }) => sum + size, 0));
    const isDue = pace();
    let written = 0;
    for (const { entry, size, data } of entries) {
      yield entryHeader(entry, size);
      for (let done = 0; done < size;) {
        this.#goOn(isDue, () => `Keeping what differs: ${megabytes(written)} of ${whole}`);
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - done));
        await this.#read(chunk, data + done);
        yield chunk;
        done += chunk.length;
        written += chunk.length;
      }
      yield padding(size);
    }
    yield END_OF_TAR;
  }

  /** Tells how far it is, or throws when it is to end. */
  #goOn(isDue: () => boolean, message: () => string): void {
    this.#control.signal?.throwIfAborted();
    if (isDue()) this.#control.progress?.({ message: message() });
  }

  #pathOf(at: number): string {
    return this.#below(this.#index.path(at));
  }
  #linkOf(at: number): string {
    const link = this.#index.link(at);
    return this.#index.arrays.type[at] === EntryType.hardlink ? this.#below(link) : link;
  }
  #below(path: string): string {
    return [this.#input.below, path].filter(Boolean).join('/');
  }

  /** As an overlay marks a name that is gone: a device 0/0 (kernel: Documentation/filesystems/overlayfs). */
  #isWhiteout(at: number): boolean {
    const { type, major, minor } = this.#index.arrays;
    return type[at] === EntryType.char && major[at] === 0 && minor[at] === 0;
  }

  /** What the image has in a folder that the node has too, and the node has not (any more). */
  *#goneFrom(folder: string): Generator<{ change: LayerChange; whiteout: TarEntry }> {
    const { base, present, isExcluded } = this.#input;
    const inode = this.#baseInode(folder);
    if (present === undefined || inode === 0 || base.stat(inode).type !== 'directory') return;
    const prefix = folder === '' ? '' : `${folder}/`;
    for (const child of base.children(inode)) {
      const name = child.name.toString('latin1');
      const path = prefix + name;
      if (present.has(path) || isExcluded(path)) continue;
      const { type, size } = base.stat(child.inode);
      const sizeBytes = type === 'file' ? size : 0;
      yield {
        change: { path: readable(path), kind: 'D', type, sizeBytes },
        whiteout: { path: `${prefix}.wh.${name}`, encoding: 'latin1', type: 'file', mode: 0o644 },
      };
    }
  }

  /** The image's own entry at a path; links on the way are not followed, as a node's folders are real ones. */
  #baseInode(path: string): number {
    const { base } = this.#input;
    let inode = 1;
    for (const part of path === '' ? [] : path.split('/')) {
      if (inode === 0 || base.stat(inode).type !== 'directory') return 0;
      const name = Buffer.from(part, 'latin1');
      inode = base.lookup(inode, name, 0, name.length);
    }
    return inode;
  }

  /** Times do not count: a node touches much. */
  async #isSame(at: number, old: number): Promise<boolean> {
    const { base } = this.#input;
    const { arrays } = this.#index;
    const type = arrays.type[at] ?? 0;
    const stat = base.stat(old);
    if (type === EntryType.hardlink) {
      const target = this.#linkOf(at);
      return this.#places.has(target) && !this.#changed.has(target) && this.#baseInode(target) === old;
    }
    if (TYPES[type] !== stat.type) return false;
    const isSameList = this.#sees(old) ? sameXattrs : includesXattrs;
    if (!isSameList(keptXattrs(base.xattrs(old)), this.#xattrs(at))) return false;
    if (type === EntryType.symlink) {
      return this.#linkOf(at) === Buffer.from(base.linkTarget(old)).toString('latin1');
    }
    if (stat.mode !== arrays.mode[at] || stat.uid !== arrays.uid[at] || stat.gid !== arrays.gid[at])
      return false;
    if (type === EntryType.char || type === EntryType.block) {
      return stat.rdev.major === arrays.major[at] && stat.rdev.minor === arrays.minor[at];
    }
    if (type !== EntryType.file) return true;
    return stat.size === arrays.size[at] && (await this.#hasSameBytes(at, old, stat.size));
  }

  async #hasSameBytes(at: number, old: number, size: number): Promise<boolean> {
    const source = this.#input.base.source(old);
    for (let done = 0; done < size;) {
      this.#control.signal?.throwIfAborted();
      const length = Math.min(CHUNK, size - done);
      const [ours, theirs] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
      await this.#read(ours, (this.#index.arrays.data[at] ?? 0) + done);
      source.read(theirs, done);
      if (!ours.equals(theirs)) return false;
      done += length;
      this.#compared += length;
    }
    return true;
  }

  /** A hard link to something that is left out becomes a file. */
  #entry(at: number, path: string): NewEntry {
    const { arrays } = this.#index;
    if (arrays.sparse[at]) {
      throw new BootyardError(
        'image.badDiff',
        `The node sent ${shown(path)} in a form that cannot be saved.`,
      );
    }
    const type = arrays.type[at] ?? 0;
    const target = this.#linkOf(at);
    if (type === EntryType.hardlink && !this.#places.has(target)) {
      for (let other = 0; other < at; other++) {
        if (this.#pathOf(other) === target) return this.#entryOf(other, path);
      }
    }
    return this.#entryOf(at, path);
  }

  #entryOf(at: number, path: string): NewEntry {
    const { arrays } = this.#index;
    const type = TYPES[arrays.type[at] ?? 0] ?? 'file';
    const entry: TarEntry = {
      path,
      encoding: 'latin1',
      type,
      mode: arrays.mode[at] ?? 0,
      uid: arrays.uid[at] ?? 0,
      gid: arrays.gid[at] ?? 0,
      mtime: (arrays.mtime[at] ?? 0) + (arrays.mtimeNs[at] ?? 0) / 1e9,
      target: this.#linkOf(at),
      major: arrays.major[at] ?? 0,
      minor: arrays.minor[at] ?? 0,
    };
    return { entry, size: type === 'file' ? (arrays.size[at] ?? 0) : 0, data: arrays.data[at] ?? 0 };
  }

  #xattrs(at: number): Xattrs {
    return this.#input.xattrs.found.get(this.#index.path(at)) ?? NONE;
  }

  #sees(old: number): boolean {
    return this.#input.xattrs.seesImage && !this.#hidden.has(old);
  }

  /** Those that a changed entry gets. A node that does not see the image's would have kept them, as Linux does. */
  async #newXattrs(at: number, old: number): Promise<Xattrs> {
    const { base } = this.#input;
    const { type, uid, gid, size } = this.#index.arrays;
    const own = this.#xattrs(at);
    const stat = old === 0 || this.#sees(old) ? undefined : base.stat(old);
    if (stat === undefined || TYPES[type[at] ?? 0] !== stat.type) return own;
    const kept = new Map(keptXattrs(base.xattrs(old)));
    if (kept.has(CAPABILITY)) {
      const isUntouched = stat.uid === uid[at] && stat.gid === gid[at] && stat.size === size[at];
      if (!isUntouched || !(await this.#hasSameBytes(at, old, stat.size))) kept.delete(CAPABILITY);
    }
    return new Map([...kept, ...own]);
  }

  async #read(target: Buffer, position: number): Promise<void> {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) throw new Error('the dump has become shorter');
      done += bytesRead;
    }
  }
}

function readable(path: string): string {
  return `/${Buffer.from(path, 'latin1').toString('utf8')}`;
}

/** The folders of a tree on the way to some paths; links are followed. */
function foldersOf(tree: ImageTree, paths: readonly string[]): Set<number> {
  const folders = new Set<number>();
  for (const path of paths) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    let inode = tree.lookupPath(Buffer.from(parent, 'latin1'));
    while (inode !== 0 && tree.stat(inode).type === 'directory' && !folders.has(inode)) {
      folders.add(inode);
      inode = tree.parent(inode);
    }
  }
  return folders;
}
