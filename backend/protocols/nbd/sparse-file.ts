import { randomUUID } from 'node:crypto';
import { close, constants, fdatasync, ftruncate, open, read, readSync, unlink, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NbdStore } from './export.ts';
import { Gate } from './gate.ts';
import { PageMap } from './page-map.ts';

export const PAGE = 4096;
const ZEROS = Buffer.alloc(64 * PAGE);
/** Pages that are forgotten before other work may go on: some tenths of a millisecond. */
const FORGOTTEN_AT_ONCE = 16 * 1024;
/** Bytes at the end of the file that must be free before they are given back to the host. */
const WORTH_CUTTING = 1024 * 1024;

/** Pages that lie one after the other both in the export and in the file, or that have no place in the file. */
interface Run {
  /** place in the file, bytes; -1 for zeros */
  place: number;
  /** place in the data, bytes */
  start: number;
  end: number;
}

/**
 * Bytes that last as long as the daemon, in a file without a name, for exports whose content is thrown away.
 *
 * Node cannot punch holes into a file (there is no fallocate), and a process for each TRIM of a guest would be a guest's
 * way to keep the host busy. So pages do not lie in the file where they lie in the export: a map in memory says where.
 * To trim or zero a page is to forget its place, which the next new page takes; the free end of the file is cut off. That
 * makes TRIM and WRITE_ZEROES fast on any file system, and `limit` a hard bound of the file's length.
 *
 * Whole pages are read and written at the same time as others. What moves or pads pages runs alone.
 */
export class SparseFile implements NbdStore {
  readonly #fd: number;
  readonly #size: number;
  readonly #map: PageMap;
  readonly #gate = new Gate();
  /** bytes; the file is at most as long */
  #length = 0;
  #isClosed = false;
  /** The flush that has not begun yet and so covers all that was written until now. */
  #nextFlush: Promise<void> | undefined;
  #lastFlush: Promise<void> = Promise.resolve();

  private constructor(fd: number, size: number, limit: number) {
    this.#fd = fd;
    this.#size = size;
    this.#map = new PageMap(Math.ceil(size / PAGE), Math.floor(limit / PAGE));
  }

  /**
   * Makes the file in `folder`, where it is never seen.
   * @param size bytes of the export
   * @param limit bytes of the host's disk that it may take
   */
  static async create(folder: string, size: number, limit = Infinity): Promise<SparseFile> {
    const path = join(folder, `.nbd-${randomUUID()}`);
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    const fd = await promisify(open)(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
    await promisify(unlink)(path);
    return new SparseFile(fd, size, limit);
  }

  get storedBytes(): number {
    return this.#map.count * PAGE;
  }
  /** The file's length, bytes: what the host's disk may hold of it. Storage that is free inside of it is used again. */
  get fileBytes(): number {
    return Math.max(this.#length, this.#map.end * PAGE);
  }

  read(target: Uint8Array, position: number, isLone = false): Promise<void> {
    return this.#gate.together(async () => {
      this.#checkOpen();
      await this.#each(position, target.length, ({ place, start, end }) => {
        const part = target.subarray(start, end);
        if (place >= 0 && isLone) return readNow(this.#fd, part, place);
        if (place >= 0) return readFully(this.#fd, part, place);
        part.fill(0);
      });
    });
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    const end = position + data.length;
    const isDone = await this.#gate.together(async () => {
      if (this.#halfNewPages(position, end).length > 0) return false;
      await this.#put(data, position);
      return true;
    });
    if (isDone) return;
    await this.#gate.alone(async () => {
      // Another may have come first.
      const pages = this.#halfNewPages(position, end);
      for (const page of pages) await this.#put(ZEROS.subarray(0, PAGE), page * PAGE);
      await this.#put(data, position);
    });
  }

  /** One at a time: those that ask while one is under way share the next. */
  flush(): Promise<void> {
    this.#nextFlush ??= this.#lastFlush
      .catch(() => {})
      .then(() => {
        this.#lastFlush = this.#flushNow();
        this.#nextFlush = undefined;
        return this.#lastFlush;
      });
    return this.#nextFlush;
  }

  async zero(position: number, length: number, keepSpace: boolean): Promise<void> {
    const end = position + length;
    if (keepSpace) return this.#writeZeros(position, end);
    const firstWhole = Math.min(Math.ceil(position / PAGE) * PAGE, end);
    const endWhole = Math.max(this.#isAtEnd(end) ? end : Math.floor(end / PAGE) * PAGE, firstWhole);
    await this.#zeroPart(position, firstWhole);
    await this.#zeroPart(endWhole, end);
    await this.trim(firstWhole, endWhole - firstWhole);
  }

  /** Pages that are not covered whole keep their content. */
  async trim(position: number, length: number): Promise<void> {
    const end = position + length;
    const endPage = Math.floor((this.#isAtEnd(end) ? end + PAGE - 1 : end) / PAGE);
    for (let page = Math.ceil(position / PAGE); page < endPage; page += FORGOTTEN_AT_ONCE) {
      await this.#forget(page, Math.min(page + FORGOTTEN_AT_ONCE, endPage));
      if (page + FORGOTTEN_AT_ONCE < endPage) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  isHole(position: number, length: number): boolean {
    const lastPage = Math.floor((position + length - 1) / PAGE);
    for (let page = Math.floor(position / PAGE); page <= lastPage; page++) {
      if (this.#map.slotOf(page) >= 0) return false;
    }
    return true;
  }

  /** The content is gone when what is under way has ended; what comes later is answered with an error. */
  close(): Promise<void> {
    return this.#gate.alone(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      await this.#lastFlush.catch(() => {});
      await promisify(close)(this.#fd);
    });
  }

  async #flushNow(): Promise<void> {
    this.#checkOpen();
    await promisify(fdatasync)(this.#fd);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw Object.assign(new Error('the store is closed'), { code: 'EIO' });
  }
  #isAtEnd(position: number): boolean {
    return position === this.#size;
  }

  /** Pages without a place of which only a part would be written: at most the first and the last. */
  #halfNewPages(position: number, end: number): number[] {
    const pages = new Set<number>();
    if (position % PAGE !== 0) pages.add(Math.floor(position / PAGE));
    if (end % PAGE !== 0) pages.add(Math.floor(end / PAGE));
    return [...pages].filter((page) => this.#map.slotOf(page) < 0);
  }

  /** Gives new pages a place, all or none, and writes. When that fails their content is not defined. */
  async #put(data: Uint8Array, position: number): Promise<void> {
    this.#checkOpen();
    const first = Math.floor(position / PAGE);
    const end = Math.ceil((position + data.length) / PAGE);
    const missing: number[] = [];
    for (let page = first; page < end; page++) if (this.#map.slotOf(page) < 0) missing.push(page);
    if (missing.length > this.#map.free) throw Object.assign(new Error('limit reached'), { code: 'ENOSPC' });
    for (const page of missing) this.#map.assign(page);
    this.#length = Math.max(this.#length, this.#map.end * PAGE);
    await this.#each(position, data.length, (run) =>
      writeFully(this.#fd, data.subarray(run.start, run.end), run.place),
    );
  }

  async #zeroPart(position: number, end: number): Promise<void> {
    if (position >= end) return;
    const page = Math.floor(position / PAGE);
    await this.#gate.alone(async () => {
      if (this.#map.slotOf(page) >= 0) await this.#put(ZEROS.subarray(0, end - position), position);
    });
  }

  async #writeZeros(position: number, end: number): Promise<void> {
    let at = position;
    while (at < end) {
      const next = Math.min(end, (Math.floor(at / ZEROS.length) + 1) * ZEROS.length);
      await this.write(ZEROS.subarray(0, next - at), at);
      at = next;
    }
  }

  async #forget(firstPage: number, endPage: number): Promise<void> {
    await this.#gate.alone(async () => {
      this.#checkOpen();
      for (let page = firstPage; page < endPage; page++) this.#map.forget(page);
      const needed = this.#map.end * PAGE;
      const free = this.#length - needed;
      if (free === 0 || (needed > 0 && free < WORTH_CUTTING)) return;
      await promisify(ftruncate)(this.#fd, needed);
      this.#length = needed;
    });
  }

  /** Works on all runs of a range at once; the first error counts, after all have ended. */
  async #each(position: number, length: number, work: (run: Run) => Promise<void> | void): Promise<void> {
    const runs = this.#runs(position, length);
    if (runs.length === 1) return work(runs[0]!);
    const results = await Promise.allSettled(runs.map(async (run) => work(run)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #runs(position: number, length: number): Run[] {
    const runs: Run[] = [];
    let last: Run | undefined;
    for (let start = 0; start < length;) {
      const page = Math.floor((position + start) / PAGE);
      const inPage = (position + start) % PAGE;
      const slot = this.#map.slotOf(page);
      const place = slot < 0 ? -1 : slot * PAGE + inPage;
      const end = Math.min(length, start + PAGE - inPage);
      if (last && follows(last, place, start)) last.end = end;
      else runs.push((last = { place, start, end }));
      start = end;
    }
    return runs;
  }
}

function follows(run: Run, place: number, start: number): boolean {
  if (run.place < 0 || place < 0) return run.place < 0 && place < 0;
  return place === run.place + start - run.start;
}

/** Beyond the end of the file, where a write may have failed, there are zeros. */
async function readFully(fd: number, target: Uint8Array, place: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const count = await readOnce(fd, target, done, place + done);
    if (count === 0) return void target.fill(0, done);
    done += count;
  }
}

/** As `readFully`, without the way to another thread and back, which takes longer than to read what is in memory. */
function readNow(fd: number, target: Uint8Array, place: number): void {
  for (let done = 0; done < target.length;) {
    const count = readSync(fd, target, done, target.length - done, place + done);
    if (count === 0) return void target.fill(0, done);
    done += count;
  }
}

async function writeFully(fd: number, data: Uint8Array, place: number): Promise<void> {
  for (let done = 0; done < data.length;) done += await writeOnce(fd, data, done, place + done);
}

function readOnce(fd: number, target: Uint8Array, from: number, place: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, from, target.length - from, place, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });
}

function writeOnce(fd: number, data: Uint8Array, from: number, place: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, data, from, data.length - from, place, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });
}
