import type { ShareInode } from '../protocols/nfs/share/files.ts';

/** An object of a share in memory. What is changed here goes to the database with the next transaction. */
export interface Inode extends ShareInode {
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  used: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  parent: number;
  /** of a symbolic link */
  readonly target: Uint8Array | undefined;
  /** createverf3 */
  readonly verifier: Uint8Array | undefined;
  /** of a directory: the last cookie that it gave */
  cookies: number;
  /** `used` is not what the host says any more */
  usedIsOld: boolean;
}
