import { BootyardError } from '../../errors.ts';

/** Bytes of a tar record: headers are one, data is padded to whole ones. */
export const RECORD = 512;

/** The fields of one header record (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"). */
export interface TarHeader {
  /** path and link target: bytes as latin1 text */
  name: string;
  linkName: string;
  /** the type flag; '\0' of old archives is given as '0' */
  type: string;
  mode: number;
  uid: number;
  gid: number;
  /** bytes of data that follow */
  size: number;
  /** seconds since the epoch */
  mtime: number;
  major: number;
  minor: number;
  /** GNU's dialect: the bytes after the fields are not a path prefix */
  gnu: boolean;
}

/** What is wrong with a tar, said with the place. */
export function badTar(problem: string, position: number): BootyardError {
  return new BootyardError(
    'image.badTar',
    `This is not a sound tar archive: ${problem} at byte ${position}.`,
    {
      position,
    },
  );
}

export function isZeroRecord(record: Buffer): boolean {
  for (let at = 0; at < RECORD; at++) if (record[at] !== 0) return false;
  return true;
}

/** True when the checksum of the header is right; old tars summed signed bytes, both are accepted. */
export function hasChecksum(record: Buffer): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < RECORD; at++) {
    const byte = at >= 148 && at < 156 ? 32 : (record[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stated = parseNumber(record, 148, 8);
  return stated === unsigned || stated === signed;
}

/** Reads one header. `position` is where it stands in the tar, for messages. Throws `image.badTar`. */
export function parseHeader(record: Buffer, position: number): TarHeader {
  if (!hasChecksum(record)) throw badTar('a header has a wrong checksum', position);
  const magic = record.toString('latin1', 257, 265);
  const gnu = magic === 'ustar  \0';
  const number = (start: number, length: number, what: string): number => {
    const value = parseNumber(record, start, length);
    if (value === undefined) throw badTar(`a header has no readable ${what}`, position);
    return value;
  };
  const device = magic.startsWith('ustar') ? (at: number) => parseNumber(record, at, 8) ?? 0 : () => 0;
  const flag = record[156] ?? 0;
  return {
    name: prefixOf(record, magic) + text(record, 0, 100),
    linkName: text(record, 157, 100),
    type: flag === 0 ? '0' : String.fromCharCode(flag),
    mode: number(100, 8, 'mode') & 0o7777,
    uid: number(108, 8, 'owner'),
    gid: number(116, 8, 'group'),
    size: number(124, 12, 'size'),
    mtime: number(136, 12, 'time'),
    major: device(329),
    minor: device(337),
    gnu,
  };
}

/** The path prefix of POSIX headers (155 bytes) and of star's (131 bytes, then times and "tar"). */
function prefixOf(record: Buffer, magic: string): string {
  if (!magic.startsWith('ustar\0')) return '';
  const star = record.toString('latin1', 508, 511) === 'tar';
  const prefix = text(record, 345, star ? 131 : 155);
  return prefix === '' ? '' : `${prefix}/`;
}

/** Bytes up to the first NUL, as latin1. */
function text(record: Buffer, start: number, length: number): string {
  const nul = record.indexOf(0, start);
  const end = nul === -1 || nul > start + length ? start + length : nul;
  return record.toString('latin1', start, end);
}

/** An octal number, or GNU's base-256 when the first bit is set. Undefined when it is neither or not a safe integer. */
export function parseNumber(record: Buffer, start: number, length: number): number | undefined {
  const first = record[start] ?? 0;
  if (first & 0x80) return parseBase256(record, start, length);
  let at = start;
  const end = start + length;
  while (at < end && (record[at] === 32 || record[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const byte = record[at] ?? 0;
    if (byte === 32 || byte === 0) break;
    if (byte < 48 || byte > 55) return undefined;
    value = value * 8 + byte - 48;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Two's complement, big endian, without the top bit that marks it. */
function parseBase256(record: Buffer, start: number, length: number): number | undefined {
  const negative = ((record[start] ?? 0) & 0x40) !== 0;
  let value = negative ? -1 : 0;
  for (let at = start; at < start + length; at++) {
    let byte = record[at] ?? 0;
    if (at === start) byte = negative ? byte | 0x80 : byte & 0x7f;
    value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) return undefined;
  }
  return value;
}
