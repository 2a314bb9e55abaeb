import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { systemCode } from '../../errors.ts';

/*
 * Several typed arrays in one ArrayBuffer, which is written to disk as it is and read back without parsing.
 * Layout: magic, version, CRC-32 of all that follows, number of arrays (4 × u32); length of each array in elements (f64);
 * the arrays, each at a multiple of 8. Numbers are in the byte order of the machine: the files never leave it.
 */
const MAKERS = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  f64: Float64Array,
};
export type ElementKind = keyof typeof MAKERS;
interface ArrayOf {
  u8: Uint8Array<ArrayBuffer>;
  u16: Uint16Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  f64: Float64Array<ArrayBuffer>;
}
export type Shape = Record<string, ElementKind>;
export type Arrays<S extends Shape> = { [K in keyof S]: ArrayOf[S[K]] };
export type Lengths<S extends Shape> = { [K in keyof S]: number };

/** What a kind of file is: its arrays by name, a magic number and a version that grows with every change of meaning. */
export interface Format<S extends Shape> {
  shape: S;
  magic: number;
  version: number;
}
export interface Packed<S extends Shape> {
  buffer: ArrayBuffer;
  arrays: Arrays<S>;
}

const HEADER = 16;
const align = (position: number): number => Math.ceil(position / 8) * 8;

/** New zeroed arrays of the given lengths. */
export function pack<S extends Shape>(format: Format<S>, lengths: Lengths<S>): Packed<S> {
  const names = Object.keys(format.shape);
  let size = HEADER + names.length * 8;
  for (const name of names) size = align(size + (lengths[name] ?? 0) * bytesOf(format.shape, name));
  const buffer = new ArrayBuffer(size);
  const header = new Uint32Array(buffer, 0, 4);
  header.set([format.magic, format.version, 0, names.length]);
  const stored = new Float64Array(buffer, HEADER, names.length);
  names.forEach((name, at) => (stored[at] = lengths[name] ?? 0));
  return { buffer, arrays: views(format, buffer) };
}

function bytesOf(shape: Shape, name: string): number {
  return MAKERS[shape[name] ?? 'u8'].BYTES_PER_ELEMENT;
}

/** Views of the arrays; the header's lengths have been checked to fit. */
function views<S extends Shape>(format: Format<S>, buffer: ArrayBuffer): Arrays<S> {
  const names = Object.keys(format.shape);
  const lengths = new Float64Array(buffer, HEADER, names.length);
  let at = HEADER + names.length * 8;
  const arrays: Record<string, ArrayOf[ElementKind]> = {};
  names.forEach((name, index) => {
    const length = lengths[index] ?? 0;
    arrays[name] = new MAKERS[format.shape[name] ?? 'u8'](buffer, at, length);
    at = align(at + length * bytesOf(format.shape, name));
  });
  return arrays as Arrays<S>;
}

/** Writes the arrays so that a crash leaves either the old file or the new one. */
export function savePacked<S extends Shape>(file: string, packed: Packed<S>): void {
  const bytes = new Uint8Array(packed.buffer);
  new Uint32Array(packed.buffer, 8, 1)[0] = crc32(bytes.subarray(HEADER));
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, bytes);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The arrays of a file, or undefined when there is none, it is damaged, or of another version. */
export function loadPacked<S extends Shape>(file: string, format: Format<S>): Packed<S> | undefined {
  const buffer = readWhole(file);
  if (!buffer || !isSound(format, buffer)) return undefined;
  return { buffer, arrays: views(format, buffer) };
}

function readWhole(file: string): ArrayBuffer | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(new ArrayBuffer(fstatSync(fd).size));
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(fd, bytes, at, bytes.length - at, at);
      if (count === 0) return undefined;
      at += count;
    }
    return bytes.buffer;
  } finally {
    closeSync(fd);
  }
}

function isSound<S extends Shape>(format: Format<S>, buffer: ArrayBuffer): boolean {
  const names = Object.keys(format.shape);
  const start = HEADER + names.length * 8;
  if (buffer.byteLength < start) return false;
  const [magic, version, checksum, count] = new Uint32Array(buffer, 0, 4);
  if (magic !== format.magic || version !== format.version || count !== names.length) return false;
  const lengths = new Float64Array(buffer, HEADER, names.length);
  let size = start;
  names.forEach((name, at) => (size = align(size + (lengths[at] ?? 0) * bytesOf(format.shape, name))));
  return size === buffer.byteLength && crc32(new Uint8Array(buffer, HEADER)) === checksum;
}
