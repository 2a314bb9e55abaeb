import { EntryType, type LayerIndex } from './layer-index.ts';
import type { MergeInode, MergeName, MergeTree } from './merge.ts';
import { pack } from './packed.ts';
import { atOnce, eachOf, SLICE, type Steps } from './slices.ts';
import {
  Fattr,
  FATTR_SIZE,
  fillSlots,
  joinHash,
  nameHash,
  type PackedTree,
  TREE_FORMAT,
  type TreeArrays,
} from './tree-arrays.ts';

/** A directory whose entries are written: its names in the order of their bytes. */
interface Directory {
  number: number;
  names: MergeName[];
}
interface NewInode {
  inode: MergeInode;
  parent: number;
  pathHash: number;
}
/** What is to be written on top of the base tree. */
interface Plan {
  directories: Directory[];
  made: NewInode[];
  /** inodes of the base tree that get other attributes */
  described: MergeInode[];
}

const IMPLIED = { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, major: 0, minor: 0 };

/**
 * The merged tree as flat arrays. Inodes of `base` keep their numbers; new ones follow, numbered depth first with the
 * names of each directory in the order of their bytes, so that the same layers always give the same numbers.
 * `id` becomes the file system id of all inodes.
 */
export function flatten(merge: MergeTree, base: TreeArrays | undefined, id: bigint): PackedTree {
  return atOnce(flattenSteps(merge, base, id));
}

/** The same, bit by bit. */
export function* flattenSteps(merge: MergeTree, base: TreeArrays | undefined, id: bigint): Steps<PackedTree> {
  const plan = yield* makePlan(merge, base);
  const packed = pack(TREE_FORMAT, yield* lengthsFor(plan, merge, base));
  const tree = packed.arrays;
  const writer = new TreeWriter(tree, base, merge.indexes);
  yield* eachOf(plan.made, ({ inode, parent, pathHash }) => {
    tree.parent[inode.number] = parent;
    tree.pathHash[inode.number] = pathHash;
    writer.inode(inode);
  });
  for (const inode of plan.described) writer.inode(inode);
  for (const inode of merge.baseInodes.values()) writer.links(inode);
  for (const [at, directory] of plan.directories.entries()) {
    writer.directory(directory);
    if (at % 64 === 63) yield;
  }
  writer.xattrs();
  const view = new DataView(tree.attributes.buffer, tree.attributes.byteOffset);
  for (let at = 0; at < tree.attributes.length; at += FATTR_SIZE) view.setBigUint64(at + Fattr.fsid, id);
  yield;
  yield* fillSlots(
    tree,
    (inode) => tree.attributes[(inode - 1) * FATTR_SIZE + Fattr.type + 3] === EntryType.directory,
  );
  return packed;
}

function* makePlan(merge: MergeTree, base: TreeArrays | undefined): Steps<Plan> {
  const plan: Plan = { directories: [], made: [], described: [] };
  let count = (base?.pathHash.length ?? 1) - 1;
  let visited = 0;
  const settle = (name: MergeName, parent: number, parentHash: number): number => {
    const { inode } = name;
    if (inode.base !== 0) {
      if (inode.layer !== 0 && name.layer !== 0) plan.described.push(inode);
      return base?.pathHash[inode.base] ?? 0;
    }
    const bytes = Buffer.from(name.name, 'latin1');
    const pathHash = joinHash(parentHash, nameHash(bytes, 0, bytes.length));
    if (inode.number === 0) {
      inode.number = ++count;
      plan.made.push({ inode, parent, pathHash });
    }
    return pathHash;
  };
  function* visit(directory: MergeName, hash: number): Steps<void> {
    if (!directory.children) return;
    const number = directory.inode.number;
    const names = [...directory.children.values()].sort(byName);
    if (directory.changed) plan.directories.push({ number, names });
    for (const name of names) {
      const nameHash = settle(name, number, hash);
      if (++visited % SLICE === 0) yield;
      if (name.inode.type === EntryType.directory) yield* visit(name, nameHash);
    }
  }
  const rootHash = settle(merge.root, 1, 0);
  yield* visit(merge.root, rootHash);
  return plan;
}

/** Names are latin1 text, so the order of characters is the order of bytes. */
function byName(a: MergeName, b: MergeName): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function* lengthsFor(plan: Plan, merge: MergeTree, base: TreeArrays | undefined) {
  let entries = base?.entryInode.length ?? 0;
  let names = base?.names.length ?? 0;
  for (const directory of plan.directories) {
    entries += directory.names.length;
    for (const { name } of directory.names) names += name.length;
  }
  let links = base?.links.length ?? 0;
  let pieces = base?.pieceOffset.length ?? 0;
  const xattrs = new Map<number, number>();
  base?.xattrInode.forEach((inode, at) =>
    xattrs.set(inode, (base.xattrEnd[at + 1] ?? 0) - (base.xattrEnd[at] ?? 0)),
  );
  const count = (inode: MergeInode): void => {
    const arrays = merge.indexes.get(inode.layer)?.arrays;
    if (!arrays) return;
    links += lengthAt(arrays.linkEnd, inode.entry);
    pieces += lengthAt(arrays.pieceEnd, inode.entry);
    const bytes = lengthAt(arrays.xattrEnd, inode.entry);
    if (bytes > 0) xattrs.set(inode.number, bytes);
    else if (xattrs.size > 0) xattrs.delete(inode.number);
  };
  yield* eachOf(plan.made, ({ inode }) => count(inode));
  for (const inode of plan.described) count(inode);
  const inodes = (base?.pathHash.length ?? 1) + plan.made.length;
  let slots = 16;
  while (slots < entries * 2) slots *= 2;
  const perInode = {
    pathHash: inodes,
    parent: inodes,
    first: inodes,
    last: inodes,
    layer: inodes,
    data: inodes,
  };
  const perEntry = { entryInode: entries, entryHash: entries, nameStart: entries, nameEnd: entries };
  const perPiece = { pieceOffset: pieces, pieceLength: pieces, pieceData: pieces };
  const xattrBytes = [...xattrs.values()].reduce((sum, bytes) => sum + bytes, 0);
  const blobs = { names, links, xattrInode: xattrs.size, xattrEnd: xattrs.size + 1, xattrs: xattrBytes };
  return { attributes: (inodes - 1) * FATTR_SIZE, slots, ...perInode, ...perEntry, ...perPiece, ...blobs };
}

function lengthAt(ends: Uint32Array, entry: number): number {
  return (ends[entry + 1] ?? 0) - (ends[entry] ?? 0);
}

function rangeOf(ends: Uint32Array, entry: number): { start: number; end: number; length: number } {
  const start = ends[entry] ?? 0;
  const end = ends[entry + 1] ?? 0;
  return { start, end, length: end - start };
}

/** Writes the new arrays, which start as a copy of the base tree's. */
class TreeWriter {
  readonly #tree: TreeArrays;
  readonly #view: DataView;
  readonly #indexes: ReadonlyMap<number, LayerIndex>;
  readonly #xattrs = new Map<number, Uint8Array>();
  #entry: number;
  #name: number;
  #link: number;
  #piece: number;

  constructor(tree: TreeArrays, base: TreeArrays | undefined, indexes: ReadonlyMap<number, LayerIndex>) {
    this.#tree = tree;
    this.#view = new DataView(tree.attributes.buffer, tree.attributes.byteOffset);
    this.#indexes = indexes;
    if (base) copyArrays(tree, base);
    base?.xattrInode.forEach((inode, at) =>
      this.#xattrs.set(inode, base.xattrs.subarray(base.xattrEnd[at], base.xattrEnd[at + 1])),
    );
    this.#entry = base?.entryInode.length ?? 0;
    this.#name = base?.names.length ?? 0;
    this.#link = base?.links.length ?? 0;
    this.#piece = base?.pieceOffset.length ?? 0;
  }

  inode(inode: MergeInode): void {
    const arrays = this.#indexes.get(inode.layer)?.arrays;
    const entry = inode.entry;
    const pick = (field: keyof typeof IMPLIED): number => arrays?.[field][entry] ?? IMPLIED[field];
    const at = (inode.number - 1) * FATTR_SIZE;
    const view = this.#view;
    view.setUint32(at + Fattr.type, inode.type);
    view.setUint32(at + Fattr.mode, pick('mode'));
    view.setUint32(at + Fattr.nlink, inode.links);
    view.setUint32(at + Fattr.uid, pick('uid'));
    view.setUint32(at + Fattr.gid, pick('gid'));
    view.setUint32(at + Fattr.rdev, pick('major'));
    view.setUint32(at + Fattr.rdev + 4, pick('minor'));
    view.setBigUint64(at + Fattr.fileid, BigInt(inode.number));
    const seconds = Math.min(Math.max(pick('mtime'), 0), 0xffffffff);
    for (const field of [Fattr.atime, Fattr.mtime, Fattr.ctime]) {
      view.setUint32(at + field, seconds);
      view.setUint32(at + field + 4, pick('mtimeNs'));
    }
    this.#tree.layer[inode.number] = inode.layer;
    const { size, used } = this.#content(inode);
    view.setBigUint64(at + Fattr.size, BigInt(size));
    view.setBigUint64(at + Fattr.used, BigInt(Math.ceil(used / 4096) * 4096));
    this.#setXattrs(inode);
  }

  #content(inode: MergeInode): { size: number; used: number } {
    if (inode.type === EntryType.directory) return { size: 4096, used: 4096 };
    const arrays = this.#indexes.get(inode.layer)?.arrays;
    if (!arrays) return { size: 0, used: 0 };
    if (inode.type === EntryType.symlink) {
      const { start, end, length } = rangeOf(arrays.linkEnd, inode.entry);
      this.#tree.links.set(arrays.links.subarray(start, end), this.#link);
      this.#setRange(inode.number, this.#link, (this.#link += length));
      return { size: length, used: 0 };
    }
    if (inode.type !== EntryType.file) return { size: 0, used: 0 };
    const size = arrays.size[inode.entry] ?? 0;
    this.#tree.data[inode.number] = arrays.data[inode.entry] ?? 0;
    return { size, used: arrays.sparse[inode.entry] === 1 ? this.#pieces(inode, arrays) : size };
  }

  #pieces(inode: MergeInode, arrays: LayerIndex['arrays']): number {
    const tree = this.#tree;
    const { start, end, length } = rangeOf(arrays.pieceEnd, inode.entry);
    tree.pieceOffset.set(arrays.pieceOffset.subarray(start, end), this.#piece);
    tree.pieceLength.set(arrays.pieceLength.subarray(start, end), this.#piece);
    tree.pieceData.set(arrays.pieceData.subarray(start, end), this.#piece);
    this.#setRange(inode.number, this.#piece, (this.#piece += length));
    tree.data[inode.number] = -1;
    return arrays.pieceLength.subarray(start, end).reduce((sum, bytes) => sum + bytes, 0);
  }

  #setRange(number: number, first: number, last: number): void {
    this.#tree.first[number] = first;
    this.#tree.last[number] = last;
  }

  #setXattrs(inode: MergeInode): void {
    const arrays = this.#indexes.get(inode.layer)?.arrays;
    const range = arrays && rangeOf(arrays.xattrEnd, inode.entry);
    if (arrays && range && range.length > 0) {
      this.#xattrs.set(inode.number, arrays.xattrs.subarray(range.start, range.end));
    } else this.#xattrs.delete(inode.number);
  }

  /** The link count of a file of the base tree: names may have come or gone. */
  links(inode: MergeInode): void {
    if (inode.type === EntryType.directory) return;
    this.#view.setUint32((inode.base - 1) * FATTR_SIZE + Fattr.nlink, inode.links);
  }

  directory({ number, names }: Directory): void {
    const tree = this.#tree;
    const first = this.#entry;
    let folders = 0;
    for (const { name, inode } of names) {
      const entry = this.#entry++;
      const bytes = Buffer.from(name, 'latin1');
      tree.names.set(bytes, this.#name);
      tree.entryInode[entry] = inode.number;
      tree.entryHash[entry] = nameHash(bytes, 0, bytes.length);
      tree.nameStart[entry] = this.#name;
      tree.nameEnd[entry] = this.#name += bytes.length;
      if (inode.type === EntryType.directory) folders++;
    }
    this.#setRange(number, first, this.#entry);
    this.#view.setUint32((number - 1) * FATTR_SIZE + Fattr.nlink, 2 + folders);
  }

  xattrs(): void {
    const tree = this.#tree;
    let end = 0;
    [...this.#xattrs.entries()]
      .sort(([a], [b]) => a - b)
      .forEach(([inode, bytes], at) => {
        tree.xattrInode[at] = inode;
        tree.xattrs.set(bytes, end);
        end += bytes.length;
        tree.xattrEnd[at + 1] = end;
      });
  }
}

/** Copies all arrays but the hash slots, which are filled anew. */
function copyArrays(target: TreeArrays, source: TreeArrays): void {
  target.attributes.set(source.attributes);
  target.pathHash.set(source.pathHash);
  target.parent.set(source.parent);
  target.first.set(source.first);
  target.last.set(source.last);
  target.layer.set(source.layer);
  target.data.set(source.data);
  target.entryInode.set(source.entryInode);
  target.entryHash.set(source.entryHash);
  target.nameStart.set(source.nameStart);
  target.nameEnd.set(source.nameEnd);
  target.names.set(source.names);
  target.links.set(source.links);
  target.pieceOffset.set(source.pieceOffset);
  target.pieceLength.set(source.pieceLength);
  target.pieceData.set(source.pieceData);
}
