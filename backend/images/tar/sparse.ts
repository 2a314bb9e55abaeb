import { badTar, parseNumber, RECORD } from './tar-header.ts';
import type { PaxRecords } from './pax.ts';
import { paxInteger } from './pax.ts';

/** A piece of a sparse file that has data: `length` bytes at `offset` in the file. All else reads as zeros. */
export interface SparsePiece {
  offset: number;
  length: number;
}
/** A sparse file in a tar: its pieces lie one after the other from `data` on. */
export interface SparseFile {
  /** bytes of the file when it is read */
  realSize: number;
  pieces: SparsePiece[];
  /** where the data of the first piece begins in the tar */
  data: number;
}
/** Reads the record that starts at `position` in the tar; throws when the tar ends before. */
export type ReadRecord = (position: number) => Buffer;

const MAX_PIECES = 1_000_000;

/** Type 'S' of old GNU tar: four pieces in the header, 21 more in each record that follows it. */
export function oldSparse(header: Buffer, position: number, readRecord: ReadRecord): SparseFile {
  const pieces: SparsePiece[] = [];
  addPieces(pieces, header, 386, 4, position);
  const realSize = parseNumber(header, 483, 12);
  if (realSize === undefined) throw badTar('a sparse file has no readable size', position);
  let data = position + RECORD;
  let more = header[482] !== 0;
  while (more) {
    const record = readRecord(data);
    addPieces(pieces, record, 0, 21, data);
    more = record[504] !== 0;
    data += RECORD;
  }
  return { realSize, pieces, data };
}

function addPieces(
  pieces: SparsePiece[],
  record: Buffer,
  start: number,
  count: number,
  position: number,
): void {
  for (let at = start; at < start + count * 24; at += 24) {
    if (record[at] === 0) return;
    const offset = parseNumber(record, at, 12);
    const length = parseNumber(record, at + 12, 12);
    if (offset === undefined || length === undefined) throw badTar('a sparse map is malformed', position);
    addPiece(pieces, offset, length, position);
  }
}

function addPiece(pieces: SparsePiece[], offset: number, length: number, position: number): void {
  if (pieces.length >= MAX_PIECES) throw badTar('a sparse file has too many pieces', position);
  pieces.push({ offset, length });
}

/**
 * The sparse formats 0.0, 0.1 (map in the extended header) and 1.0 (map in front of the data) of GNU tar; undefined when
 * the records speak of none. `data` is where the entry's data begins, `size` the number of its bytes.
 */
export function paxSparse(
  records: PaxRecords,
  data: number,
  size: number,
  readRecord: ReadRecord,
): SparseFile | undefined {
  const realSize =
    paxInteger(records, 'GNU.sparse.realsize', data) ?? paxInteger(records, 'GNU.sparse.size', data);
  if (records.get('GNU.sparse.major') === '1') {
    if (realSize === undefined) throw badTar('a sparse file has no size', data);
    return mapBeforeData(realSize, data, size, readRecord);
  }
  const map = records.get('GNU.sparse.map');
  if (map === undefined || realSize === undefined) return undefined;
  const numbers = map === '' ? [] : map.split(',').map(Number);
  const pieces: SparsePiece[] = [];
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    addPiece(pieces, numbers[at] ?? NaN, numbers[at + 1] ?? NaN, data);
  }
  return { realSize, pieces, data };
}

/** Format 1.0: decimal numbers, one a line: how many pieces, then offset and length of each; padded to a record. */
function mapBeforeData(realSize: number, data: number, size: number, readRecord: ReadRecord): SparseFile {
  let at = data;
  let record: Buffer | undefined;
  const next = (): number => {
    let digits = '';
    for (;;) {
      if (at >= data + size || digits.length > 20) throw badTar('a sparse map is malformed', at);
      if (!record || (at - data) % RECORD === 0)
        record = readRecord(data + Math.floor((at - data) / RECORD) * RECORD);
      const byte = record[(at++ - data) % RECORD] ?? 0;
      if (byte === 10) break;
      digits += String.fromCharCode(byte);
    }
    if (!/^\d+$/.test(digits)) throw badTar('a sparse map is malformed', at);
    return Number(digits);
  };
  const pieces: SparsePiece[] = [];
  const count = next();
  for (let n = 0; n < count; n++) {
    const offset = next();
    addPiece(pieces, offset, next(), at);
  }
  return { realSize, pieces, data: data + Math.ceil((at - data) / RECORD) * RECORD };
}

/** Refuses a map whose pieces overlap, go backwards, lie outside the file, or need more data than the entry has. */
export function checkSparse(file: SparseFile, dataEnd: number, position: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of file.pieces) {
    const sound =
      Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0 && offset >= end;
    if (!sound) throw badTar('a sparse map is malformed', position);
    end = offset + length;
    total += length;
  }
  if (end > file.realSize || file.data + total > dataEnd) {
    throw badTar('a sparse map does not fit its file', position);
  }
}
