import { closeSync, fstatSync, openSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import { EntryType, type LayerEntry, type LayerIndex, LayerIndexBuilder } from '../tree/layer-index.ts';
import { parsePax, paxInteger, type PaxRecords, paxTime } from './pax.ts';
import { checkSparse, oldSparse, paxSparse, type SparseFile } from './sparse.ts';
import { badTar, isZeroRecord, parseHeader, RECORD, type TarHeader } from './tar-header.ts';
import { cleanTarPath, shown } from './tar-path.ts';
import { TarWindow } from './tar-window.ts';
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from '../tree/xattr-list.ts';

/** What a tar may cost: at the limit, an import takes some 300 MB of memory. Root file systems of distributions have 10,000 to 300,000 entries. */
export interface ScanLimits {
  entries: number;
  /** bytes of all names, link targets and extended attributes together */
  names: number;
}
export const DEFAULT_LIMITS: ScanLimits = { entries: 500_000, names: 128 << 20 };

export interface ScanOptions {
  limits?: ScanLimits;
  /** false when somebody vouches for the tar's length (a digest), so that a missing end mark is no sign of truncation */
  needsEnd?: boolean;
}

/** bytes of one extended header or long name */
const MAX_EXTENSION = 1 << 20;
const HEADER_ONLY = '123456';

/** One pass over the headers of an uncompressed tar: step by step from the file, or fed with all of its bytes in order. */
export class TarScanner {
  readonly #window: TarWindow;
  readonly #limits: ScanLimits;
  readonly #needsEnd: boolean;
  readonly #builder = new LayerIndexBuilder();
  readonly #readRecord = (position: number): Buffer => this.#window.bytes(position, RECORD);
  #position = 0;
  #ended = false;
  #global: PaxRecords = new Map();
  #records: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(fd: number, size: number, options: ScanOptions = {}) {
    this.#window = new TarWindow(fd, size);
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#needsEnd = options.needsEnd ?? true;
  }

  /** Reads one header with what belongs to it; false at the end of the archive. */
  step(): boolean {
    if (!this.#ended) this.#ended = !this.#next();
    return !this.#ended;
  }

  /** Reads the headers in `chunk`, which stands at `start` of the tar, out of the memory where it is already. */
  feed(chunk: Buffer, start: number): void {
    this.#window.lend(chunk, start);
    while (!this.#ended && this.#position < start + chunk.length) this.step();
    this.#window.giveBack();
  }

  #next(): boolean {
    const start = this.#position;
    if (start === this.#window.size && !this.#needsEnd) return false;
    if (start === this.#window.size) throw badTar('the archive ends without its end mark', start);
    const record = this.#window.bytes(start, RECORD);
    if (isZeroRecord(record)) return this.#end();
    const header = parseHeader(record, start);
    if (header.size < 0) throw badTar('an entry has a negative size', start);
    if (!this.#extension(header, start)) this.#entry(header, record, start);
    return true;
  }

  /** Reads what is left and gives the index. */
  finish(): LayerIndex {
    while (this.step());
    return this.#builder.finish(this.#window.size);
  }

  #end(): false {
    if (this.#records || this.#longName !== undefined || this.#longLink !== undefined) {
      throw badTar('the archive ends between an entry and its extended header', this.#position);
    }
    return false;
  }

  /** Extended headers and long names: kept for the entry that follows. */
  #extension(header: TarHeader, start: number): boolean {
    if (!'xXgLKV'.includes(header.type)) return false;
    const data = start + RECORD;
    this.#skip(data, header.size);
    if (header.type === 'V') return true;
    if (header.size > MAX_EXTENSION) throw badTar('an extended header is too large', start);
    const content = this.#window.copy(data, header.size);
    if (header.type === 'L') this.#longName = untilNul(content);
    else if (header.type === 'K') this.#longLink = untilNul(content);
    else if (header.type === 'g') parsePax(content, data, this.#global);
    else parsePax(content, data, (this.#records = new Map(this.#global)));
    return true;
  }

  /** Moves on to the record after `size` bytes of data at `data`. */
  #skip(data: number, size: number): void {
    const next = data + Math.ceil(size / RECORD) * RECORD;
    if (data + size > this.#window.size) throw badTar('an entry is larger than the archive', data - RECORD);
    this.#position = Math.min(next, this.#window.size);
  }

  #entry(header: TarHeader, record: Buffer, start: number): void {
    const records = this.#records ?? this.#global;
    const name = records.get('GNU.sparse.name') || records.get('path') || this.#longName || header.name;
    const linkName = records.get('linkpath') || this.#longLink || header.linkName;
    const type = entryType(header.type, name, start);
    const headerOnly = HEADER_ONLY.includes(header.type) || type === EntryType.directory;
    const stored = paxInteger(records, 'size', start) ?? header.size;
    // A link or device may state a size, but no data follows; GNU's dump directories ('D') do have some.
    const size = headerOnly && header.type !== 'D' ? 0 : stored;
    const sparse = headerOnly ? undefined : this.#sparse(header, record, records, start, size);
    const data = header.type === 'S' && sparse ? sparse.data : start + RECORD;
    this.#skip(data, size);
    if (sparse) checkSparse(sparse, data + size, start);
    const path = cleanTarPath(name);
    if (path === '' && type !== EntryType.directory) throw badTar("the root '/' is not a directory", start);
    this.#builder.add({
      ...metadata(header, records, start),
      type,
      path,
      link: type === EntryType.hardlink ? cleanTarPath(linkName, 'hard link target') : linkOf(type, linkName),
      size: sparse ? sparse.realSize : headerOnly ? 0 : size,
      data,
      pieces: sparse && placed(sparse),
    });
    this.#records = this.#longName = this.#longLink = undefined;
    this.#checkLimits();
  }

  #sparse(
    header: TarHeader,
    record: Buffer,
    records: PaxRecords,
    start: number,
    size: number,
  ): SparseFile | undefined {
    // The window may be filled anew while the map is read, so the header is copied.
    if (header.type === 'S') return oldSparse(Buffer.from(record), start, this.#readRecord);
    return paxSparse(records, start + RECORD, size, this.#readRecord);
  }

  #checkLimits(): void {
    const { entries, names } = this.#limits;
    if (this.#builder.count <= entries && this.#builder.blobBytes <= names) return;
    throw new BootyardError(
      'image.tooManyEntries',
      this.#builder.count > entries
        ? `The tar archive is refused: it has more than ${entries.toLocaleString('en')} entries.`
        : `The tar archive is refused: its names take more than ${names >> 20} MiB.`,
    );
  }
}

function untilNul(content: Buffer): string {
  const nul = content.indexOf(0);
  return content.toString('latin1', 0, nul === -1 ? content.length : nul);
}

function entryType(flag: string, name: string, position: number): number {
  switch (flag) {
    case '1':
      return EntryType.hardlink;
    case '2':
      return EntryType.symlink;
    case '3':
      return EntryType.char;
    case '4':
      return EntryType.block;
    case '5':
    case 'D':
      return EntryType.directory;
    case '6':
      return EntryType.fifo;
    case 'M':
    case 'N':
      throw badTar(
        `an entry has type '${flag}', which belongs to multi-volume or very old archives`,
        position,
      );
    default:
      // Old archives mark directories by a slash at the end; unknown types are to be read as files (POSIX).
      return name.endsWith('/') ? EntryType.directory : EntryType.file;
  }
}

function linkOf(type: number, target: string): string {
  if (type !== EntryType.symlink) return '';
  // A file system has no links to nothing and none of PATH_MAX bytes.
  if (target === '' || target.length >= 4096 || target.includes('\0')) {
    throw new BootyardError(
      'image.badTar',
      `The tar archive is refused: the link target ${shown(target)} is not a path.`,
    );
  }
  return target;
}

function metadata(
  header: TarHeader,
  records: PaxRecords,
  position: number,
): Pick<LayerEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'mtimeNs' | 'major' | 'minor' | 'xattrs'> {
  const uid = paxInteger(records, 'uid', position) ?? header.uid;
  const gid = paxInteger(records, 'gid', position) ?? header.gid;
  for (const id of [uid, gid, header.major, header.minor]) {
    if (id < 0 || id > 0xffffffff) throw badTar('an owner or device number is out of range', position);
  }
  const mtime = records.get('mtime');
  const time = mtime ? paxTime(mtime, position) : { seconds: header.mtime, nanoseconds: 0 };
  return {
    mode: header.mode,
    uid,
    gid,
    mtime: time.seconds,
    mtimeNs: time.nanoseconds,
    major: header.major,
    minor: header.minor,
    xattrs: xattrsOf(records, position),
  };
}

const XATTR_PREFIX = 'SCHILY.xattr.';
/** bytes of all values of an entry */
const MAX_XATTRS = 1 << 20;

/** Extended attributes of an entry; one that no Linux file system could hold makes the archive unusable. */
function xattrsOf(records: PaxRecords, position: number): Map<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let names = 0;
  let values = 0;
  for (const [key, value] of records) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    // GNU tar's way with names that have the sign which ends a key.
    const name = key.slice(XATTR_PREFIX.length).replaceAll('%3D', '=').replaceAll('%25', '%');
    names += name.length + 1;
    values += value.length;
    if (name === '' || name.length > XATTR_NAME_MAX || name.includes('\0') || value.length > XATTR_SIZE_MAX)
      throw badTar('an extended attribute is larger than Linux allows, or has no name', position);
    if (names > XATTR_LIST_MAX || values > MAX_XATTRS)
      throw badTar('an entry has more extended attributes than Linux allows', position);
    found ??= new Map();
    found.set(name, value);
  }
  return found;
}

/** The pieces with data, and where that data lies in the tar. */
function placed(file: SparseFile): LayerEntry['pieces'] {
  let data = file.data;
  const pieces: NonNullable<LayerEntry['pieces']> = [];
  for (const { offset, length } of file.pieces) {
    if (length > 0) pieces.push({ offset, length, data });
    data += length;
  }
  return pieces;
}

/**
 * Indexes an uncompressed tar of `size` bytes in the caller's turn: for small ones.
 * Throws `image.badTar` or `image.tooManyEntries` with a sentence.
 */
export function scanTarSync(fd: number, size: number, options: ScanOptions = {}): LayerIndex {
  const scanner = new TarScanner(fd, size, options);
  while (scanner.step());
  return scanner.finish();
}

/** `scanTarSync` of a small file. */
export function scanTarFile(path: string): LayerIndex {
  const fd = openSync(path, 'r');
  try {
    return scanTarSync(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

/** `scanTarSync` with pauses, so that the servers of running nodes go on meanwhile. */
export async function scanTar(
  fd: number,
  size: number,
  options: ScanOptions & { signal?: AbortSignal } = {},
): Promise<LayerIndex> {
  const scanner = new TarScanner(fd, size, options);
  for (let steps = 1; scanner.step(); steps++) {
    if (steps % 500 !== 0) continue;
    await nextTurn();
    options.signal?.throwIfAborted();
  }
  return scanner.finish();
}
