import { FileType } from '../protocols/nfs/status.ts';
import type { Contents } from './contents.ts';
import type { Inode } from './inode.ts';
import type { InodeRow, ShareTables } from './tables.ts';

const MOST = 8192;
const DIRECTORY_SIZE = 4096;

/** Inodes in memory. Dirty ones stay until they were written, and none goes while a call is worked on. */
export class InodeCache {
  readonly #tables: ShareTables;
  readonly #contents: Contents;
  readonly #inodes = new Map<number, Inode>();
  readonly #dirty = new Set<Inode>();

  constructor(tables: ShareTables, contents: Contents) {
    this.#tables = tables;
    this.#contents = contents;
  }

  get hasDirty(): boolean {
    return this.#dirty.size > 0;
  }

  get(number: number): Inode | undefined {
    const inode = this.#inodes.get(number) ?? this.#load(number);
    if (inode?.usedIsOld) {
      inode.used = this.#contents.state(number)?.used ?? 0;
      inode.usedIsOld = false;
    }
    return inode;
  }

  /** A new one. */
  add(inode: Inode): void {
    this.#inodes.set(inode.inode, inode);
    this.#dirty.add(inode);
  }

  markDirty(inode: Inode): void {
    this.#dirty.add(inode);
  }

  /** Within a transaction. */
  remove(inode: Inode): void {
    this.#inodes.delete(inode.inode);
    this.#dirty.delete(inode);
    this.#tables.removeInode(inode.inode);
  }

  /** Within a transaction. */
  writeDirty(): void {
    for (const inode of this.#dirty) this.#tables.putInode(inode);
    this.#dirty.clear();
  }

  #load(number: number): Inode | undefined {
    const row = this.#tables.inode(number);
    if (!row) return undefined;
    const inode = this.#fromRow(row);
    this.#inodes.set(number, inode);
    return inode;
  }

  /**
   * The content has the size, and tells when it was last written if no transaction has: its own time is then after the
   * inode's.
   */
  #fromRow(row: InodeRow): Inode {
    const { target, verifier, ...numbers } = row;
    const inode: Inode = {
      ...numbers,
      target: target ?? undefined,
      verifier: verifier ?? undefined,
      size: row.type === FileType.directory ? DIRECTORY_SIZE : (target?.length ?? 0),
      used: row.type === FileType.directory ? DIRECTORY_SIZE : 0,
      usedIsOld: false,
    };
    const content = row.type === FileType.regular ? this.#contents.state(row.inode) : undefined;
    if (!content) return inode;
    inode.size = content.size;
    inode.used = content.used;
    if (content.mtime > inode.ctime) inode.mtime = inode.ctime = content.mtime;
    return inode;
  }

  /** Forgets the oldest when there are too many. */
  trim(): void {
    if (this.#inodes.size <= MOST) return;
    for (const [number, oldest] of this.#inodes) {
      if (this.#inodes.size <= MOST * 0.9) break;
      if (!this.#dirty.has(oldest)) this.#inodes.delete(number);
    }
  }
}
