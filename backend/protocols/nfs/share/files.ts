/** A file, directory, link, device, pipe or socket of a share, as it is at this moment. */
export interface ShareInode {
  readonly inode: number;
  /** guards a handle against another object of the same number */
  readonly generation: number;
  /** ftype3 */
  readonly type: number;
  /** permission bits, set-id bits, sticky bit */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** bytes; of a link the length of its target */
  readonly size: number;
  /** bytes on the disk */
  readonly used: number;
  readonly major: number;
  readonly minor: number;
  /** ns since the epoch */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  /** inode of the directory that holds this directory; the root's is the root */
  readonly parent: number;
}

export interface NewObject {
  type: number;
  mode: number;
  uid: number;
  gid: number;
  /** of a device */
  major?: number;
  minor?: number;
  /** of a symbolic link */
  target?: Uint8Array;
  /** createverf3 of an exclusive CREATE */
  verifier?: Uint8Array;
}

/** What SETATTR may change besides the size; times in ns. */
export interface Change {
  mode?: number;
  uid?: number;
  gid?: number;
  atime?: bigint;
  mtime?: bigint;
}

export interface ShareEntry {
  name: Uint8Array;
  inode: number;
  /** above every cookie that the directory gave before; 3 or more */
  cookie: number;
}

/** bytes */
export interface ShareSpace {
  total: number;
  free: number;
  /** files and directories there are */
  objects: number;
}

/**
 * The files of one share. Who calls has checked names, types and permissions; these methods keep links, times and sizes
 * right, and throw an NfsFailure when the host's disk refuses. A change is on disk when its reply goes out: the keeper of
 * the files sees to that.
 */
export interface ShareFiles {
  readonly id: bigint;
  /** writeverf3, a safe integer: another one in each daemon */
  readonly writeVerifier: number;
  now(): bigint;
  space(): ShareSpace;
  /** undefined when there is none of this number and generation */
  find(inode: number, generation: number): ShareInode | undefined;
  /** An inode that an entry names. */
  get(inode: number): ShareInode;
  lookup(directory: ShareInode, name: Uint8Array): ShareInode | undefined;
  isEmpty(directory: ShareInode): boolean;
  /** Entries with a higher cookie than `after`, in the order of their cookies. */
  list(directory: ShareInode, after: number, most: number): ShareEntry[];
  linkTarget(link: ShareInode): Uint8Array;
  /** createverf3 that a file was made with */
  verifierOf(file: ShareInode): Uint8Array | undefined;
  create(directory: ShareInode, name: Uint8Array, object: NewObject): ShareInode;
  link(file: ShareInode, directory: ShareInode, name: Uint8Array): void;
  /** An object that has lost its last name is gone. */
  unlink(directory: ShareInode, name: Uint8Array, object: ShareInode): void;
  /** `replaced` is what the new name meant before. */
  rename(from: Place, to: Place, moved: ShareInode, replaced: ShareInode | undefined): void;
  change(object: ShareInode, change: Change): void;
  truncate(file: ShareInode, size: number): void;
  /** Copies bytes into `target`; returns their number, less than its length only at the end of the file. */
  read(file: ShareInode, position: number, target: Uint8Array): number;
  /** `durable`: the reply waits until the bytes are on disk. */
  write(file: ShareInode, position: number, data: Uint8Array, durable: boolean): void;
  /** The reply waits until all bytes written before are on disk. */
  commit(file: ShareInode): void;
}

export interface Place {
  directory: ShareInode;
  name: Uint8Array;
}
