import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { RECORD } from './tar-header.ts';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** One entry to be written. What is not given is 0 (owner, time, device) or empty. */
export interface TarEntry {
  /** a leading slash is dropped; a string is written as UTF-8 */
  path: string;
  /** of `path` and `target`; `latin1` for names that are kept as bytes */
  encoding?: 'latin1';
  type: TarEntryType;
  mode: number;
  uid?: number;
  gid?: number;
  /** seconds since the epoch */
  mtime?: number;
  /** nanoseconds on top of a whole `mtime`; a number with both would not be exact */
  mtimeNs?: number;
  /** of a file whose data is a map and pieces (GNU tar's format 1.0, `sparseMap`): the bytes of the file when it is read */
  sparseSize?: number;
  content?: Uint8Array;
  /** of a symbolic or hard link */
  target?: string;
  major?: number;
  minor?: number;
  /** names are bytes as latin1 text */
  xattrs?: ReadonlyMap<string, Uint8Array>;
}

const FLAGS: Record<TarEntryType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};
/** what the numeric fields of a header hold in octal */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

/** Writes a tar in pax format; the same entries always give the same bytes. A crash leaves no half of a file behind. */
export function writeTar(file: string, entries: Iterable<TarEntry>): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const fd = openSync(temporary, 'wx');
    try {
      for (const entry of entries) {
        const content = entry.type === 'file' ? (entry.content ?? new Uint8Array(0)) : new Uint8Array(0);
        writeAll(fd, entryHeader(entry, content.length));
        writeAll(fd, content);
        writeAll(fd, padding(content.length));
      }
      writeAll(fd, END_OF_TAR);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

export const END_OF_TAR = Buffer.alloc(2 * RECORD);

/** The zeros that follow `size` bytes of data. */
export function padding(size: number): Buffer {
  return Buffer.alloc((RECORD - (size % RECORD)) % RECORD);
}

/** The header records of an entry with `size` bytes of data, with an extended header where a plain one is too small. */
export function entryHeader(entry: TarEntry, size: number): Buffer {
  let path = Buffer.from(entry.path.replace(/^\/+/, '') || './', entry.encoding);
  if (entry.type === 'directory' && path.at(-1) !== 47) path = Buffer.concat([path, Buffer.from('/')]);
  const target = Buffer.from(
    entry.type === 'hardlink' ? (entry.target ?? '').replace(/^\/+/, '') : (entry.target ?? ''),
    entry.encoding,
  );
  const mtime = entry.mtime ?? 0;
  const records: [string, Uint8Array][] = [];
  const text = (key: string, value: string): void => void records.push([key, Buffer.from(value)]);
  if (path.length > 100) records.push(['path', path]);
  if (target.length > 100) records.push(['linkpath', target]);
  if (size > MAX_SIZE) text('size', String(size));
  if ((entry.uid ?? 0) > MAX_ID) text('uid', String(entry.uid));
  if ((entry.gid ?? 0) > MAX_ID) text('gid', String(entry.gid));
  if (entry.sparseSize !== undefined) {
    text('GNU.sparse.major', '1');
    text('GNU.sparse.minor', '0');
    records.push(['GNU.sparse.name', path]);
    text('GNU.sparse.realsize', String(entry.sparseSize));
  }
  if (entry.mtimeNs) text('mtime', `${mtime}.${String(entry.mtimeNs).padStart(9, '0')}`);
  else if (!Number.isInteger(mtime) || mtime < 0 || mtime > MAX_SIZE)
    text('mtime', mtime.toFixed(9).replace(/\.?0+$/, ''));
  for (const [name, value] of entry.xattrs ?? []) {
    // As GNU tar writes the sign that ends a key.
    records.push([`SCHILY.xattr.${name.replaceAll('%', '%25').replaceAll('=', '%3D')}`, value]);
  }
  const plain = headerRecord(FLAGS[entry.type], path, target, size, entry);
  if (records.length === 0) return plain;
  const data = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const extended = headerRecord('x', Buffer.from('pax'), Buffer.alloc(0), data.length, { mode: 0o644 });
  return Buffer.concat([extended, data, padding(data.length), plain]);
}

/**
 * The header records of an entry as GNU tar writes them, which busybox reads (it passes over pax headers): long names as
 * entries of types L and K, large numbers in base 256. `path` and `target` are bytes as latin1 text.
 */
export function gnuEntryHeader(entry: TarEntry, size: number): Buffer {
  const path = Buffer.from(entry.path, 'latin1');
  const target = Buffer.from(entry.target ?? '', 'latin1');
  const long = (flag: string, name: Buffer): Buffer[] => {
    if (name.length <= 100) return [];
    const bytes = Buffer.concat([name, Buffer.of(0)]);
    const link = Buffer.from('../@LongLink');
    const header = headerRecord(flag, link, Buffer.alloc(0), bytes.length, { mode: 0 });
    return [header, bytes, padding(bytes.length)];
  };
  const plain = headerRecord(FLAGS[entry.type], path, target, size, entry, 'base256');
  return Buffer.concat([...long('K', target), ...long('L', path), plain]);
}

/** One ustar header (POSIX.1-2017 pax, "ustar Interchange Format"). What does not fit is in an extended header. */
function headerRecord(
  flag: string,
  path: Buffer,
  target: Buffer,
  size: number,
  entry: Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'major' | 'minor'>,
  tooLarge: 'extended' | 'base256' = 'extended',
): Buffer {
  const record = Buffer.alloc(RECORD);
  const octal = (value: number, at: number, length: number): void => {
    record.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  const number = (value: number | undefined, max: number, at: number, length: number): void => {
    if (tooLarge === 'extended' || (value ?? 0) <= max) return octal(bounded(value, max), at, length);
    record.writeBigUInt64BE(BigInt(Math.floor(value ?? 0)), at + length - 8);
    record.writeUInt8(record.readUInt8(at) | 0x80, at);
  };
  path.copy(record, 0, 0, 100);
  octal(entry.mode & 0o7777, 100, 8);
  number(entry.uid, MAX_ID, 108, 8);
  number(entry.gid, MAX_ID, 116, 8);
  number(size, MAX_SIZE, 124, 12);
  number(entry.mtime, MAX_SIZE, 136, 12);
  record.fill(' ', 148, 156);
  record.write(flag, 156, 'latin1');
  target.copy(record, 157, 0, 100);
  record.write('ustar\x0000', 257, 'latin1');
  octal(bounded(entry.major, MAX_ID), 329, 8);
  octal(bounded(entry.minor, MAX_ID), 337, 8);
  const sum = record.reduce((total, byte) => total + byte, 0);
  record.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return record;
}

/** A number for an octal field; 0 where the field is too small and an extended header has the number. */
function bounded(value: number | undefined, max: number): number {
  return value === undefined || value < 0 || value > max ? 0 : Math.floor(value);
}

/** `"%d %s=%s\n"`; the number counts the whole record, its own digits too. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}
