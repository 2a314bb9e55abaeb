import type { Arrays, Format, Packed } from './packed.ts';
import { SLICE, type Steps } from './slices.ts';

/** bytes of an fattr3 (RFC 1813 §2.6) */
export const FATTR_SIZE = 84;

/** Where the fields of an fattr3 start. */
export const Fattr = {
  type: 0,
  mode: 4,
  nlink: 8,
  uid: 12,
  gid: 16,
  size: 20,
  used: 28,
  rdev: 36,
  fsid: 44,
  fileid: 52,
  atime: 60,
  mtime: 68,
  ctime: 76,
} as const;

const SHAPE = {
  /** fattr3 of inode n at (n - 1) * 84 */
  attributes: 'u8',
  /** these five have a slot for inode 0, which is none */
  pathHash: 'u32',
  /** directory that holds the inode (the first one of a hard-linked file) */
  parent: 'u32',
  /** directory: its entries; symbolic link: its target in `links`; sparse file: its pieces */
  first: 'u32',
  last: 'u32',
  /** number of the layer, from 1 on, that gave the attributes and, of a file, holds the bytes; 0: implied by others */
  layer: 'u16',
  /** plain file: where its bytes start in the layer's tar; -1: sparse */
  data: 'f64',
  entryInode: 'u32',
  /** `nameHash` of the entry's name */
  entryHash: 'u32',
  nameStart: 'u32',
  nameEnd: 'u32',
  /** open addressing by (directory, name): entry + 1, or 0 */
  slots: 'u32',
  names: 'u8',
  links: 'u8',
  pieceOffset: 'f64',
  pieceLength: 'f64',
  pieceData: 'f64',
  /** inodes with extended attributes, ascending, and the ends of their parts of `xattrs` (one more than inodes) */
  xattrInode: 'u32',
  xattrEnd: 'u32',
  xattrs: 'u8',
} as const;

export type TreeArrays = Arrays<typeof SHAPE>;
export type PackedTree = Packed<typeof SHAPE>;
export const TREE_FORMAT: Format<typeof SHAPE> = { shape: SHAPE, magic: 0x45525442, version: 2 };

/** FNV-1a, 32 bits, of bytes. */
export function nameHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}

/** Hash of a path from its parent's and its name's. */
export function joinHash(parent: number, name: number): number {
  let hash = Math.imul(parent ^ (name >>> 15) ^ name, 0x9e3779b1);
  hash ^= hash >>> 16;
  return Math.imul(hash, 0x85ebca6b) >>> 0;
}

/** Where the search for (directory, name) begins in `slots`. */
export function slotOf(directory: number, hash: number, mask: number): number {
  let mixed = Math.imul(hash ^ Math.imul(directory, 0x9e3779b1), 0x85ebca6b);
  mixed ^= mixed >>> 13;
  return mixed & mask;
}

/** The entry named `bytes[start..end)` in a directory, or -1. */
export function findEntry(
  tree: TreeArrays,
  directory: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const hash = nameHash(bytes, start, end);
  const mask = tree.slots.length - 1;
  const firstEntry = tree.first[directory] ?? 0;
  const lastEntry = tree.last[directory] ?? 0;
  for (let slot = slotOf(directory, hash, mask); ; slot = (slot + 1) & mask) {
    const entry = (tree.slots[slot] ?? 0) - 1;
    if (entry === -1) return -1;
    if (tree.entryHash[entry] !== hash || entry < firstEntry || entry >= lastEntry) continue;
    if (sameName(tree, entry, bytes, start, end)) return entry;
  }
}

function sameName(tree: TreeArrays, entry: number, bytes: Uint8Array, start: number, end: number): boolean {
  const from = tree.nameStart[entry] ?? 0;
  if ((tree.nameEnd[entry] ?? 0) - from !== end - start) return false;
  for (let at = 0; at < end - start; at++) if (tree.names[from + at] !== bytes[start + at]) return false;
  return true;
}

/** Fills `slots` anew from the directories' entries; `isDirectory` tells which inodes have some. */
export function* fillSlots(tree: TreeArrays, isDirectory: (inode: number) => boolean): Steps<void> {
  tree.slots.fill(0);
  const mask = tree.slots.length - 1;
  for (let inode = 1; inode < tree.first.length; inode++) {
    if (inode % SLICE === 0) yield;
    if (!isDirectory(inode)) continue;
    for (let entry = tree.first[inode] ?? 0; entry < (tree.last[inode] ?? 0); entry++) {
      let slot = slotOf(inode, tree.entryHash[entry] ?? 0, mask);
      while (tree.slots[slot] !== 0) slot = (slot + 1) & mask;
      tree.slots[slot] = entry + 1;
    }
  }
}
