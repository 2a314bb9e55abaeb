import { createHash } from 'node:crypto';
import { EntryType, decodeXattrs, type LayerIndex } from './layer-index.ts';
import { LayerFile } from './layer-file.ts';
import { flatten } from './flatten.ts';
import { MAX_LINKS, MergeTree } from './merge.ts';
import type { FileSource } from '../../protocols/file-source.ts';
import type { ExportTree } from '../../protocols/nfs/export-tree.ts';
import type { SparsePiece } from '../tar/sparse.ts';
import { scanTarSync } from '../tar/tar-scan.ts';
import type { ReadRecord } from './read-record.ts';
import { Fattr, FATTR_SIZE, findEntry, type PackedTree, type TreeArrays } from './tree-arrays.ts';

export type FileType = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';

export interface TreeStat {
  type: FileType;
  /** permission bits with setuid, setgid and sticky */
  mode: number;
  uid: number;
  gid: number;
  /** bytes */
  size: number;
  mtimeMs: number;
  rdev: { major: number; minor: number };
  /** names of the inode; of a directory 2 and one more for each directory in it */
  links: number;
}

const TYPE_NAMES = new Map<number, FileType>([
  [EntryType.file, 'file'],
  [EntryType.directory, 'directory'],
  [EntryType.symlink, 'symlink'],
  [EntryType.char, 'char'],
  [EntryType.block, 'block'],
  [EntryType.fifo, 'fifo'],
  [EntryType.socket, 'socket'],
]);

/** Something that several trees hold; the last `release` frees it. */
export interface Holder {
  retain(): void;
  release(): void;
}

/** The id of a tree: 64 bits of the SHA-256 of its layers' digests. */
export function treeId(digests: string[]): bigint {
  return createHash('sha256').update(digests.join('\n')).digest().readBigUInt64BE();
}

/** Merges layer indexes, the lowest first, into one tree. */
export function mergeLayers(indexes: LayerIndex[], id: bigint): PackedTree {
  const merge = new MergeTree();
  indexes.forEach((index, at) => merge.apply(index, at + 1));
  return flatten(merge, undefined, id);
}

/**
 * A root file system made of layers, served from their tars by offset (findings: "Index"). All that is not file content
 * is in flat arrays. Whoever gets a tree closes it; several trees may share arrays and open layers.
 */
export class ImageTree implements ExportTree {
  readonly id: bigint;
  readonly count: number;
  readonly attributes: Uint8Array;
  readonly names: Uint8Array;
  readonly #arrays: TreeArrays;
  readonly #view: DataView;
  readonly #layers: readonly LayerFile[];
  readonly #holder: Holder | undefined;
  #closed = false;
  /** Where reads of files and links, and listings of directories, are noted, if anywhere. */
  reads: ReadRecord | undefined;

  /** `layers`, lowest first, and `holder` have been retained for this tree; `close` releases them. */
  constructor(id: bigint, packed: PackedTree, layers: readonly LayerFile[], holder?: Holder) {
    this.id = id;
    this.#arrays = packed.arrays;
    this.#layers = layers;
    this.#holder = holder;
    this.attributes = packed.arrays.attributes;
    this.names = packed.arrays.names;
    this.count = packed.arrays.pathHash.length - 1;
    this.#view = new DataView(this.attributes.buffer, this.attributes.byteOffset, this.attributes.byteLength);
  }

  /** This tree with the tar at `path` as one more layer. The tar must not change while the new tree is open. */
  withLayer(path: string): ImageTree {
    const layer = new LayerFile(path);
    try {
      const index = scanTarSync(layer.fd, layer.size);
      const content = Buffer.allocUnsafe(layer.size);
      layer.readAt(0, content, 0, layer.size);
      const id = createHash('sha256').update(this.id.toString(16)).update(content).digest().readBigUInt64BE();
      const merge = new MergeTree(this.#arrays);
      merge.apply(index, this.#layers.length + 1);
      const packed = flatten(merge, this.#arrays, id);
      for (const lower of this.#layers) lower.retain();
      this.#holder?.retain();
      return new ImageTree(id, packed, [...this.#layers, layer], this.#holder);
    } catch (error) {
      layer.release();
      throw error;
    }
  }

  /** The tars that it is made of, lowest first; open as long as the tree is. */
  get layers(): readonly LayerFile[] {
    return this.#layers;
  }

  /** Files opened by `source` must not be read after this. Reads in the thread pool that are under way end well. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const layer of this.#layers) layer.release();
    this.#holder?.release();
  }

  pathHash(inode: number): number {
    return this.#arrays.pathHash[inode] ?? 0;
  }
  lookup(directory: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.#type(directory) !== EntryType.directory) return 0;
    const entry = findEntry(this.#arrays, directory, bytes, start, end);
    return entry === -1 ? 0 : this.entryInode(entry);
  }
  isDirectory(inode: number): boolean {
    return this.#type(inode) === EntryType.directory;
  }
  parent(directory: number): number {
    return this.#arrays.parent[directory] ?? 0;
  }
  noteListed(directory: number): void {
    this.reads?.note(directory, 0);
  }
  entryStart(directory: number): number {
    return this.#arrays.first[directory] ?? 0;
  }
  entryEnd(directory: number): number {
    return this.#arrays.last[directory] ?? 0;
  }
  entryInode(entry: number): number {
    return this.#arrays.entryInode[entry] ?? 0;
  }
  nameStart(entry: number): number {
    return this.#arrays.nameStart[entry] ?? 0;
  }
  nameEnd(entry: number): number {
    return this.#arrays.nameEnd[entry] ?? 0;
  }
  linkTarget(inode: number): Uint8Array {
    if (this.#type(inode) !== EntryType.symlink) return new Uint8Array(0);
    this.reads?.note(inode, 0);
    return this.#arrays.links.subarray(this.#arrays.first[inode], this.#arrays.last[inode]);
  }

  read(inode: number, position: number, target: Uint8Array, at: number, length: number): number {
    const count = this.#readable(inode, position, length);
    this.reads?.note(inode, count);
    const plain = this.#plain(inode);
    if (plain && count > 0) plain.readAt((this.#arrays.data[inode] ?? 0) + position, target, at, count);
    if (plain) return count;
    this.#spans(inode, position, count, target, at, (layer, from, to, bytes) =>
      layer.readAt(from, target, to, bytes),
    );
    return count;
  }

  isWarm(inode: number, position: number, length: number): boolean {
    const count = this.#readable(inode, position, length);
    const plain = this.#plain(inode);
    if (plain) return count === 0 || plain.isWarm((this.#arrays.data[inode] ?? 0) + position, count);
    let warm = true;
    this.#spans(inode, position, count, undefined, 0, (layer, from, _to, bytes) => {
      warm &&= layer.isWarm(from, bytes);
    });
    return warm;
  }

  async readCold(
    inode: number,
    position: number,
    target: Uint8Array,
    at: number,
    length: number,
  ): Promise<number> {
    const count = this.#readable(inode, position, length);
    this.reads?.note(inode, count);
    const reads: Promise<void>[] = [];
    this.#spans(inode, position, count, target, at, (layer, from, to, bytes) => {
      reads.push(layer.readAtCold(from, target, to, bytes));
    });
    const began = performance.now();
    await Promise.all(reads);
    this.reads?.noteWait(inode, performance.now() - began);
    return count;
  }

  /** The layer of a file whose bytes are in one piece, which is what nearly all reads are of. */
  #plain(inode: number): LayerFile | undefined {
    return this.#arrays.data[inode] === -1 ? undefined : this.#layers[(this.#arrays.layer[inode] ?? 0) - 1];
  }

  /** How many of `length` bytes from `position` on the file has. */
  #readable(inode: number, position: number, length: number): number {
    if (this.#closed) throw new Error('the image tree is closed');
    if (this.#type(inode) !== EntryType.file) return 0;
    return Math.max(0, Math.min(length, this.#size(inode) - position));
  }

  /** Calls `use` for each stretch of the tar that has bytes of the range; zeroes what lies in holes. */
  #spans(
    inode: number,
    position: number,
    length: number,
    target: Uint8Array | undefined,
    at: number,
    use: (layer: LayerFile, from: number, to: number, bytes: number) => void,
  ): void {
    const layer = this.#layers[(this.#arrays.layer[inode] ?? 0) - 1];
    if (length === 0 || !layer) return;
    const data = this.#arrays.data[inode] ?? 0;
    if (data !== -1) {
      use(layer, data + position, at, length);
      return;
    }
    target?.fill(0, at, at + length);
    const { first, last, pieceOffset, pieceLength, pieceData } = this.#arrays;
    for (let piece = this.#pieceAt(inode, position); piece < (last[inode] ?? first[inode] ?? 0); piece++) {
      const offset = pieceOffset[piece] ?? 0;
      if (offset >= position + length) return;
      const start = Math.max(offset, position);
      const end = Math.min(offset + (pieceLength[piece] ?? 0), position + length);
      if (start < end)
        use(layer, (pieceData[piece] ?? 0) + start - offset, at + start - position, end - start);
    }
  }

  /** The first piece of a sparse file that ends behind `position`. */
  #pieceAt(inode: number, position: number): number {
    const { first, last, pieceOffset, pieceLength } = this.#arrays;
    let low = first[inode] ?? 0;
    let high = last[inode] ?? 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pieceOffset[middle] ?? 0) + (pieceLength[middle] ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #type(inode: number): number {
    return this.attributes[(inode - 1) * FATTR_SIZE + Fattr.type + 3] ?? 0;
  }
  #size(inode: number): number {
    const at = (inode - 1) * FATTR_SIZE + Fattr.size;
    return this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /**
   * The inode at a path, or 0. Links, absolute ones too, are followed inside the root; the last component only if
   * `follow` (default). A path in a string is UTF-8.
   */
  lookupPath(path: string | Uint8Array, options: { follow?: boolean } = {}): number {
    const text = (typeof path === 'string' ? Buffer.from(path) : Buffer.from(path)).toString('latin1');
    const rest = text.split('/').toReversed();
    let at = 1;
    let links = 0;
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (this.#type(at) !== EntryType.directory) return 0;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at = this.parent(at);
        continue;
      }
      const name = Buffer.from(part, 'latin1');
      const next = this.lookup(at, name, 0, name.length);
      if (next === 0) return 0;
      const isLast = rest.length === 0;
      if (this.#type(next) !== EntryType.symlink || (isLast && options.follow === false)) {
        at = next;
        continue;
      }
      if (++links > MAX_LINKS) return 0;
      const target = Buffer.from(this.linkTarget(next)).toString('latin1');
      rest.push(...target.split('/').toReversed());
      if (target.startsWith('/')) at = 1;
    }
    return at;
  }

  stat(inode: number): TreeStat {
    this.#check(inode);
    const at = (inode - 1) * FATTR_SIZE;
    const number = (field: number): number => this.#view.getUint32(at + field);
    return {
      type: TYPE_NAMES.get(number(Fattr.type)) ?? 'file',
      mode: number(Fattr.mode),
      uid: number(Fattr.uid),
      gid: number(Fattr.gid),
      size: this.#size(inode),
      mtimeMs: number(Fattr.mtime) * 1000 + number(Fattr.mtime + 4) / 1e6,
      rdev: { major: number(Fattr.rdev), minor: number(Fattr.rdev + 4) },
      links: number(Fattr.nlink),
    };
  }

  /** Names and inodes of a directory in the order of the names' bytes. */
  *children(inode: number): Generator<{ name: Buffer; inode: number }> {
    this.#check(inode);
    if (this.#type(inode) !== EntryType.directory) return;
    for (let entry = this.entryStart(inode); entry < this.entryEnd(inode); entry++) {
      const name = Buffer.from(this.names.subarray(this.nameStart(entry), this.nameEnd(entry)));
      yield { name, inode: this.entryInode(entry) };
    }
  }

  /** The whole content of a file; for those that are known to be small. */
  readFile(inode: number): Buffer {
    const content = Buffer.allocUnsafeSlow(this.source(inode).size);
    this.read(inode, 0, content, 0, content.length);
    return content;
  }

  /** The number of the layer, from 1 on, that gave an inode its attributes and content; 0: no layer did, others imply it. */
  layer(inode: number): number {
    return this.#arrays.layer[inode] ?? 0;
  }

  /** Where the bytes of a file begin in its layer; undefined for a sparse one, whose bytes lie in pieces. */
  position(inode: number): number | undefined {
    const data = this.#arrays.data[inode] ?? 0;
    return data === -1 ? undefined : data;
  }

  /** The stretches of a sparse file that have bytes. */
  pieces(inode: number): SparsePiece[] {
    const { first, last, pieceOffset, pieceLength } = this.#arrays;
    const start = first[inode] ?? 0;
    return Array.from({ length: (last[inode] ?? start) - start }, (_, at) => ({
      offset: pieceOffset[start + at] ?? 0,
      length: pieceLength[start + at] ?? 0,
    }));
  }

  /** `mtimeMs` of `stat` in full: seconds, and nanoseconds beside them. */
  mtime(inode: number): { seconds: number; nanoseconds: number } {
    const at = (inode - 1) * FATTR_SIZE + Fattr.mtime;
    return { seconds: this.#view.getUint32(at), nanoseconds: this.#view.getUint32(at + 4) };
  }

  source(inode: number): FileSource {
    this.#check(inode);
    const size = this.#type(inode) === EntryType.file ? this.#size(inode) : 0;
    return {
      size,
      read: (target, position) => this.read(inode, position, target, 0, target.length),
      isWarm: (position, length) => this.isWarm(inode, position, length),
      readLater: (target, position) => this.readCold(inode, position, target, 0, target.length),
    };
  }

  /** Extended attributes as the tar had them: name → value. NFSv3 cannot carry them; copies on disks have them. */
  xattrs(inode: number): Map<string, Buffer> {
    const { xattrInode, xattrEnd, xattrs } = this.#arrays;
    let at = 0;
    for (let end = xattrInode.length; at < end;) {
      const middle = (at + end) >> 1;
      if ((xattrInode[middle] ?? 0) < inode) at = middle + 1;
      else end = middle;
    }
    if (xattrInode[at] !== inode) return new Map();
    return decodeXattrs(xattrs.subarray(xattrEnd[at], xattrEnd[at + 1]));
  }

  #check(inode: number): void {
    if (!Number.isInteger(inode) || inode < 1 || inode > this.count)
      throw new RangeError(`there is no inode ${inode}`);
  }
}
