/**
 * What the NFS server serves: a read-only tree, held in flat arrays so that a reply is a copy and not a conversion.
 * Inodes count from 1 (the root) to `count`; 0 means "none". Names and link targets are bytes, never text.
 */
export interface ExportTree {
  /** 64-bit identity derived from the content; part of every file handle, so a handle outlives a daemon */
  readonly id: bigint;
  readonly count: number;
  /** fattr3 (RFC 1813 §2.6, 84 bytes, big endian) of each inode; inode n starts at (n - 1) * 84 */
  readonly attributes: Uint8Array;
  /** 32-bit hash of an inode's path: guards a handle against an inode of the same number in another tree */
  pathHash(inode: number): number;
  /** The inode that `bytes[start..end)` names in `directory`, or 0. Does not know `.` and `..`. */
  lookup(directory: number, bytes: Uint8Array, start: number, end: number): number;
  parent(directory: number): number;
  /** A client lists the directory; for whoever keeps account. */
  noteListed?(directory: number): void;
  /** Entries of a directory are numbered `entryStart` (inclusive) to `entryEnd` (exclusive), in a stable order. */
  entryStart(directory: number): number;
  entryEnd(directory: number): number;
  entryInode(entry: number): number;
  /** The entry's name is `names[nameStart..nameEnd)`. */
  readonly names: Uint8Array;
  nameStart(entry: number): number;
  nameEnd(entry: number): number;
  /** Target of a symbolic link. */
  linkTarget(inode: number): Uint8Array;
  /** Copies file bytes into `target[at..at + length)`; returns the number copied, less than `length` only at the end. */
  read(inode: number, position: number, target: Uint8Array, at: number, length: number): number;
  /** True when these bytes were read before, so that `read` will hardly wait for a disk. */
  isWarm(inode: number, position: number, length: number): boolean;
  /** `read` in the thread pool: for bytes that are not warm. */
  readCold(inode: number, position: number, target: Uint8Array, at: number, length: number): Promise<number>;
}
