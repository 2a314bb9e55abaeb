import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase } from '../state/database.ts';
import { fail } from '../protocols/nfs/share/failure.ts';
import type {
  Change,
  NewObject,
  Place,
  ShareEntry,
  ShareFiles,
  ShareInode,
} from '../protocols/nfs/share/files.ts';
import { FileType, Status } from '../protocols/nfs/status.ts';
import { now } from './clock.ts';
import { Contents } from './contents.ts';
import { HostSpace } from './host-space.ts';
import type { Inode } from './inode.ts';
import { InodeCache } from './inode-cache.ts';
import { ReplyCache } from './reply-cache.ts';
import { shareMigrations, ShareTables } from './tables.ts';

const ROOT = 1;
/** Cookies 1 and 2 are those of `.` and `..`. */
const FIRST_COOKIE = 3;
/** What one more object is reckoned with, bytes. */
const OBJECT_BYTES = 1024;
/** As Linux's relatime. */
const ATIME_LIFE_NS = 24n * 3600n * 1_000_000_000n;
/** One per daemon: what was written UNSTABLE to another one may be lost. */
const WRITE_VERIFIER = randomInt(2 ** 48 - 1);

/**
 * The files of one share: metadata in SQLite, contents in sparse files of the host, because the daemon has no right to
 * make other people's files or devices there.
 *
 * A crash leaves both right: the database changes by whole transactions, and a reply waits for its own. The size of a
 * file is that of its content, which no transaction covers; so are the times of writes that no transaction has told
 * yet (see `InodeCache`). A content is made after its inode was committed and removed after its inode was; one without an
 * inode is removed at the next start.
 */
export class ShareStore implements ShareFiles {
  readonly id: bigint;
  readonly writeVerifier = WRITE_VERIFIER;
  readonly replies: ReplyCache;
  readonly #tables: ShareTables;
  readonly #contents: Contents;
  readonly #inodes: InodeCache;
  readonly #space: HostSpace;
  #nextInode = ROOT;
  #objects = 0;
  /** contents to be removed after the transaction */
  readonly #doomed: number[] = [];
  /** files whose content the current reply waits for */
  #syncs = new Set<number>();
  /** a transaction is open: replies must wait for it */
  changed = false;

  /** Opens the share in `folder`, or makes it. Throws BootyardErrors of `openDatabase`, and system errors. */
  constructor(id: bigint, folder: string) {
    this.id = id;
    this.#contents = new Contents(join(folder, 'content'));
    this.#space = new HostSpace(folder);
    const database = openDatabase(join(folder, 'files.db'), shareMigrations);
    this.#tables = new ShareTables(database);
    this.#inodes = new InodeCache(this.#tables, this.#contents);
    this.replies = new ReplyCache(this.#tables);
    const known = new Set(this.#tables.inodeNumbers());
    this.#objects = known.size;
    for (const inode of known) this.#nextInode = Math.max(this.#nextInode, inode + 1);
    this.#contents.collect((inode) => known.has(inode));
    if (known.size === 0) this.#makeRoot();
  }

  get root(): ShareInode {
    return this.#inodes.get(ROOT) ?? fail(Status.serverFault);
  }
  /** Changes that no transaction holds yet, and no reply waits for: times of reads and writes. */
  get hasLooseTimes(): boolean {
    return this.#inodes.hasDirty;
  }

  now(): bigint {
    return now();
  }

  space(): { total: number; free: number; objects: number } {
    return { ...this.#space.get(), objects: this.#objects };
  }

  find(inode: number, generation: number): ShareInode | undefined {
    const found = this.#inodes.get(inode);
    return found?.generation === generation ? found : undefined;
  }
  get(inode: number): ShareInode {
    return this.#inodes.get(inode) ?? fail(Status.serverFault);
  }
  lookup(directory: ShareInode, name: Uint8Array): ShareInode | undefined {
    const inode = this.#tables.entry(directory.inode, name);
    return inode === undefined ? undefined : this.get(inode);
  }
  isEmpty(directory: ShareInode): boolean {
    return !this.#tables.hasEntries(directory.inode);
  }
  list(directory: ShareInode, after: number, most: number): ShareEntry[] {
    return this.#tables.entries(directory.inode, after, most);
  }
  linkTarget(link: ShareInode): Uint8Array {
    return this.#own(link).target ?? fail(Status.invalid);
  }
  verifierOf(file: ShareInode): Uint8Array | undefined {
    return this.#own(file).verifier;
  }

  create(directory: ShareInode, name: Uint8Array, object: NewObject): ShareInode {
    this.#space.take(OBJECT_BYTES);
    const inode = newInode(this.#nextInode++, directory.inode, object);
    this.#begin();
    this.#inodes.add(inode);
    this.#objects++;
    this.#addEntry(directory, name, inode);
    return inode;
  }

  link(file: ShareInode, directory: ShareInode, name: Uint8Array): void {
    this.#space.take(OBJECT_BYTES);
    const inode = this.#change(file);
    inode.nlink++;
    this.#addEntry(directory, name, inode);
  }

  unlink(directory: ShareInode, name: Uint8Array, object: ShareInode): void {
    this.#removeEntry(directory, name, object);
    this.#loseName(this.#change(object));
  }

  rename(from: Place, to: Place, moved: ShareInode, replaced: ShareInode | undefined): void {
    if (replaced) this.unlink(to.directory, to.name, replaced);
    this.#removeEntry(from.directory, from.name, moved);
    const inode = this.#change(moved);
    if (inode.type === FileType.directory) inode.parent = to.directory.inode;
    this.#addEntry(to.directory, to.name, inode);
  }

  change(object: ShareInode, change: Change): void {
    Object.assign(this.#change(object), change);
  }

  truncate(file: ShareInode, size: number): void {
    // Nothing was written and nothing is to be: there is no content to make for that.
    if (size > 0 || file.size > 0) {
      this.#contents.truncate(file.inode, size);
      this.#syncs.add(file.inode);
    }
    const inode = this.#change(file);
    inode.size = size;
    inode.mtime = inode.ctime;
    inode.usedIsOld = true;
  }

  read(file: ShareInode, position: number, target: Uint8Array): number {
    const inode = this.#own(file);
    const count = this.#contents.read(inode.inode, position, target);
    const time = now();
    if (inode.atime <= inode.mtime || inode.atime <= inode.ctime || time - inode.atime > ATIME_LIFE_NS) {
      inode.atime = time;
      this.#inodes.markDirty(inode);
    }
    return count;
  }

  write(file: ShareInode, position: number, data: Uint8Array, durable: boolean): void {
    const inode = this.#own(file);
    this.#space.take(data.length);
    this.#contents.write(inode.inode, position, data);
    inode.size = Math.max(inode.size, position + data.length);
    inode.mtime = inode.ctime = now();
    inode.usedIsOld = true;
    this.#inodes.markDirty(inode);
    if (durable) this.#syncs.add(inode.inode);
  }

  commit(file: ShareInode): void {
    this.#syncs.add(file.inode);
  }

  /** Starts what the reply to the call that ends must wait for besides the transaction. `isLone`: no other call waits. */
  endCall(isLone: boolean): Promise<void>[] {
    this.#inodes.trim();
    if (this.#syncs.size === 0) return [];
    const inodes = this.#syncs;
    this.#syncs = new Set();
    return [...inodes].map((inode) => this.#contents.sync(inode, isLone));
  }

  /** Puts all changes on disk. Throws what SQLite throws; then the store must be opened anew. */
  commitChanges(): void {
    this.#begin();
    this.#inodes.writeDirty();
    this.#tables.commit();
    this.changed = false;
    for (const inode of this.#doomed.splice(0)) this.#contents.remove(inode);
  }

  /** Without `abandon`, loose times are kept. */
  async close(abandon = false): Promise<void> {
    if (!abandon && this.hasLooseTimes) this.commitChanges();
    await this.#contents.close();
    this.#tables.close();
  }

  #begin(): void {
    if (this.changed) return;
    this.#tables.begin();
    this.changed = true;
  }

  #makeRoot(): void {
    const root = newInode(this.#nextInode++, ROOT, { type: FileType.directory, mode: 0o755, uid: 0, gid: 0 });
    this.#inodes.add(root);
    this.#objects++;
    this.commitChanges();
  }

  #own(inode: ShareInode): Inode {
    return this.#inodes.get(inode.inode) ?? fail(Status.serverFault);
  }

  /** The object, to be changed in the transaction. */
  #change(object: ShareInode): Inode {
    this.#begin();
    const inode = this.#own(object);
    inode.ctime = now();
    this.#inodes.markDirty(inode);
    return inode;
  }

  #addEntry(directory: ShareInode, name: Uint8Array, object: Inode): void {
    const parent = this.#change(directory);
    parent.mtime = parent.ctime;
    parent.cookies++;
    if (object.type === FileType.directory) parent.nlink++;
    this.#tables.putEntry(parent.inode, name, object.inode, parent.cookies);
  }

  #removeEntry(directory: ShareInode, name: Uint8Array, object: ShareInode): void {
    const parent = this.#change(directory);
    parent.mtime = parent.ctime;
    if (object.type === FileType.directory) parent.nlink--;
    this.#tables.removeEntry(parent.inode, name);
  }

  #loseName(inode: Inode): void {
    inode.nlink -= inode.type === FileType.directory ? 2 : 1;
    if (inode.nlink > 0) return;
    this.#inodes.remove(inode);
    this.#objects--;
    if (inode.type === FileType.regular) this.#doomed.push(inode.inode);
  }
}

function newInode(inode: number, parent: number, object: NewObject): Inode {
  const time = now();
  const { type, mode, uid, gid, major = 0, minor = 0, target, verifier } = object;
  return {
    inode,
    generation: randomInt(2 ** 32),
    type,
    mode,
    nlink: type === FileType.directory ? 2 : 1,
    uid,
    gid,
    size: type === FileType.directory ? DIRECTORY_SIZE : (target?.length ?? 0),
    used: type === FileType.directory ? DIRECTORY_SIZE : 0,
    major,
    minor,
    atime: time,
    mtime: time,
    ctime: time,
    parent,
    target,
    verifier,
    cookies: FIRST_COOKIE - 1,
    usedIsOld: false,
  };
}
const DIRECTORY_SIZE = 4096;
