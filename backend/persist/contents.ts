import {
  closeSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rm,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemCode } from '../errors.ts';
import { fail } from '../protocols/nfs/share/failure.ts';
import { Status, type NfsStatus } from '../protocols/nfs/status.ts';
import { isFull } from '../state/database.ts';
import { Slots } from './slots.ts';

const MOST_OPEN = 64;

/** What was written to a file and not synced: so much more keeps the thread from other shares too long. */
const QUICK_BYTES = 64 * 1024;

interface OpenFile {
  fd: number;
  /** written since the last sync began */
  unsynced: number;
  /** syncs that need the descriptor; who drops the file while there are leaves its closing to the last */
  users: number;
  dropped?: true;
  running?: Promise<void>;
  /** the sync after the one that runs: for what was written since that began */
  next?: Promise<void>;
}

/** What the host knows of a file's content. */
export interface ContentState {
  size: number;
  /** bytes on the disk */
  used: number;
  /** ns since the epoch */
  mtime: bigint;
}

/** syncs at once, of all shares: the daemon's other reads share the thread pool */
const syncSlots = new Slots(2);

/** The contents of a share's regular files: one sparse file each, named by inode number, made when first written. */
export class Contents {
  readonly #folder: string;
  readonly #open = new Map<number, OpenFile>();
  readonly #folderFd: number;
  readonly #syncs = new Set<Promise<void>>();
  /** files made since the start, and how many of those were there at the folder's last sync */
  #made = 0;
  #madeSynced = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    this.#folderFd = openSync(folder, 'r');
  }

  /** undefined: nothing was ever written */
  state(inode: number): ContentState | undefined {
    const open = this.#open.get(inode);
    const found = open
      ? fstatSync(open.fd, { bigint: true })
      : statSync(this.#path(inode), { bigint: true, throwIfNoEntry: false });
    return found && { size: Number(found.size), used: Number(found.blocks) * 512, mtime: found.mtimeNs };
  }

  /** Returns the number of bytes read; those of a file that was never written are none. */
  read(inode: number, position: number, target: Uint8Array): number {
    const file = this.#find(inode, false);
    if (!file) return 0;
    return guarded(() => {
      let done = 0;
      while (done < target.length) {
        const got = readSync(file.fd, target, done, target.length - done, position + done);
        if (got === 0) break;
        done += got;
      }
      return done;
    });
  }

  write(inode: number, position: number, data: Uint8Array): void {
    const file = this.#make(inode);
    file.unsynced += data.length;
    guarded(() => {
      for (let done = 0; done < data.length;) {
        done += writeSync(file.fd, data, done, data.length - done, position + done);
      }
    });
  }

  truncate(inode: number, size: number): void {
    const file = this.#make(inode);
    file.unsynced = Infinity;
    guarded(() => ftruncateSync(file.fd, size));
  }

  /**
   * Resolves when all that was written before is on disk. Rejects with an NfsFailure. `isLone`: nothing else waits for
   * this thread.
   */
  sync(inode: number, isLone: boolean): Promise<void> {
    const file = this.#find(inode, false);
    if (!file) return Promise.resolve();
    if (isLone && this.#isQuick(file)) return this.#track(this.#syncNow(file));
    if (file.next) return file.next;
    file.users++;
    if (!file.running) return (file.running = this.#track(this.#sync(file)));
    const later = file.running
      .catch(() => {})
      .then(() => {
        file.next = undefined;
        return (file.running = this.#sync(file));
      });
    return (file.next = this.#track(later));
  }

  /** In the background: a large file takes the host a while. What is left over is collected at the next start. */
  remove(inode: number): void {
    this.#drop(inode);
    rm(this.#path(inode), { force: true }, () => {});
  }

  /** Removes what belongs to no inode: the daemon ended between an object's end and its content's. */
  collect(isKnown: (inode: number) => boolean): void {
    for (const name of readdirSync(this.#folder)) {
      if (!/^\d+$/.test(name) || !isKnown(Number(name)))
        rmSync(join(this.#folder, name), { recursive: true });
    }
  }

  async close(): Promise<void> {
    const files = [...this.#open.values()];
    await Promise.allSettled(this.#syncs);
    for (const { fd } of files) closeSync(fd);
    this.#open.clear();
    closeSync(this.#folderFd);
  }

  #track(sync: Promise<void>): Promise<void> {
    this.#syncs.add(sync);
    void Promise.allSettled([sync]).then(() => this.#syncs.delete(sync));
    return sync;
  }

  #isQuick({ users, unsynced }: OpenFile): boolean {
    return users === 0 && unsynced <= QUICK_BYTES && this.#madeSynced >= this.#made;
  }

  /** The way to another thread and back would take about as long as the disk does. */
  async #syncNow(file: OpenFile): Promise<void> {
    guarded(() => fsyncSync(file.fd));
    file.unsynced = 0;
  }

  async #sync(file: OpenFile): Promise<void> {
    try {
      file.unsynced = 0;
      await syncSlots.run(async () => {
        await Promise.all([syncFd(file.fd), this.#syncNames()]);
      });
    } catch (error) {
      fail(statusOf(error));
    } finally {
      file.users--;
      file.running = undefined;
      if (file.dropped && file.users === 0) closeSync(file.fd);
    }
  }

  /** New files are on disk only when their names are. */
  async #syncNames(): Promise<void> {
    const made = this.#made;
    if (this.#madeSynced >= made) return;
    await syncFd(this.#folderFd);
    this.#madeSynced = Math.max(this.#madeSynced, made);
  }

  #path(inode: number): string {
    return join(this.#folder, String(inode));
  }

  #make(inode: number): OpenFile {
    return this.#find(inode, true) ?? fail(Status.io);
  }

  #find(inode: number, make: boolean): OpenFile | undefined {
    const known = this.#open.get(inode);
    if (known) {
      // Used again: it goes to the end of the line.
      this.#open.delete(inode);
      this.#open.set(inode, known);
      return known;
    }
    const file = this.#openFile(inode, make);
    if (file) this.#open.set(inode, file);
    if (this.#open.size > MOST_OPEN) this.#closeOldest();
    return file;
  }

  #openFile(inode: number, make: boolean): OpenFile | undefined {
    try {
      return { fd: openSync(this.#path(inode), 'r+'), unsynced: Infinity, users: 0 };
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') fail(statusOf(error));
    }
    if (!make) return undefined;
    const fd = guarded(() => openSync(this.#path(inode), 'wx+', 0o600));
    this.#made++;
    return { fd, unsynced: 0, users: 0 };
  }

  #closeOldest(): void {
    for (const [inode, file] of this.#open) {
      if (file.users === 0) return this.#drop(inode);
    }
  }

  #drop(inode: number): void {
    const file = this.#open.get(inode);
    if (!file) return;
    this.#open.delete(inode);
    file.dropped = true;
    if (file.users === 0) closeSync(file.fd);
  }
}

const syncFd = promisify(fsync);

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return fail(statusOf(error));
  }
}

/** What a client is told when the host's disk refuses. */
export function statusOf(error: unknown): NfsStatus {
  switch (systemCode(error)) {
    case 'ENOSPC':
      return Status.noSpace;
    case 'EDQUOT':
      return Status.quota;
    case 'EFBIG':
      return Status.fileTooBig;
    default:
      return isFull(error) ? Status.noSpace : Status.io;
  }
}
