import { type Arrays, type Format, loadPacked, pack, type Packed, savePacked } from './packed.ts';
import type { SparsePiece } from '../tar/sparse.ts';

/** Kinds of entries: NFS's numbers (RFC 1813 §2.5, ftype3), and one more for a hard link to another entry. */
export const EntryType = {
  file: 1,
  directory: 2,
  block: 3,
  char: 4,
  symlink: 5,
  socket: 6,
  fifo: 7,
  hardlink: 8,
} as const;

const SHAPE = {
  /** `EntryType` */
  type: 'u8',
  mode: 'u16',
  uid: 'u32',
  gid: 'u32',
  /** seconds since the epoch */
  mtime: 'f64',
  mtimeNs: 'u32',
  /** bytes of the file when read */
  size: 'f64',
  /** where a plain file's bytes start in the tar */
  data: 'f64',
  major: 'u32',
  minor: 'u32',
  /** these four are cumulative: entry n owns [end[n], end[n + 1]) */
  pathEnd: 'u32',
  linkEnd: 'u32',
  pieceEnd: 'u32',
  xattrEnd: 'u32',
  /** pieces of sparse files: offset in the file, length, offset in the tar */
  pieceOffset: 'f64',
  pieceLength: 'f64',
  pieceData: 'f64',
  paths: 'u8',
  links: 'u8',
  /** `encodeXattrs` of each entry that has some */
  xattrs: 'u8',
  /** bytes of the tar; whether an entry is sparse is told by its pieces, `sparse` marks those with none */
  tarSize: 'f64',
  sparse: 'u8',
} as const;
export const LAYER_FORMAT: Format<typeof SHAPE> = { shape: SHAPE, magic: 0x4c595242, version: 1 };

/** What a layer's tar holds, entry by entry in the order of the tar, as flat arrays. Paths are clean and relative. */
export interface LayerIndex {
  readonly count: number;
  readonly tarSize: number;
  readonly arrays: Arrays<typeof SHAPE>;
  /** bytes as latin1 text; '' is the root */
  path(entry: number): string;
  link(entry: number): string;
}

/** One entry on its way into an index. */
export interface LayerEntry {
  type: number;
  path: string;
  link: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  size: number;
  data: number;
  major: number;
  minor: number;
  /** of a sparse file, with their places in the tar */
  pieces?: (SparsePiece & { data: number })[];
  xattrs?: Map<string, string>;
}

export function saveLayerIndex(file: string, index: LayerIndex): void {
  savePacked(file, { buffer: index.arrays.type.buffer, arrays: index.arrays });
}

/** The index of a tar of `tarSize` bytes, or undefined when the file is missing, damaged, or of another tar. */
export function loadLayerIndex(file: string, tarSize: number): LayerIndex | undefined {
  const packed = loadPacked(file, LAYER_FORMAT);
  return packed && packed.arrays.tarSize[0] === tarSize ? viewOf(packed) : undefined;
}

/** Gives the text of an entry out of a blob. */
function textReader(blob: Uint8Array, ends: Uint32Array): (entry: number) => string {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  return (entry) => bytes.toString('latin1', ends[entry] ?? 0, ends[entry + 1] ?? 0);
}

function viewOf({ arrays }: Packed<typeof SHAPE>): LayerIndex {
  return {
    count: arrays.type.length,
    tarSize: arrays.tarSize[0] ?? 0,
    arrays,
    path: textReader(arrays.paths, arrays.pathEnd),
    link: textReader(arrays.links, arrays.linkEnd),
  };
}

/** Bytes that grow. */
class Blob {
  #bytes = Buffer.allocUnsafe(4096);
  length = 0;

  add(latin1: string): void {
    if (this.length + latin1.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + latin1.length));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    this.length += this.#bytes.write(latin1, this.length, 'latin1');
  }
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

type NumberField =
  'type' | 'mode' | 'uid' | 'gid' | 'mtime' | 'mtimeNs' | 'size' | 'data' | 'major' | 'minor';
const NUMBER_FIELDS: NumberField[] = [
  'type',
  'mode',
  'uid',
  'gid',
  'mtime',
  'mtimeNs',
  'size',
  'data',
  'major',
  'minor',
];

/** Collects entries and packs them at the end. */
export class LayerIndexBuilder {
  readonly #columns = new Map<NumberField, number[]>(NUMBER_FIELDS.map((field) => [field, []]));
  readonly #ends = { path: [0], link: [0], piece: [0], xattr: [0] };
  readonly #pieces: (SparsePiece & { data: number })[] = [];
  readonly #sparse: number[] = [];
  readonly #paths = new Blob();
  readonly #links = new Blob();
  readonly #xattrs = new Blob();

  get count(): number {
    return this.#sparse.length;
  }
  /** bytes of names, link targets, attributes and sparse maps so far */
  get blobBytes(): number {
    return this.#paths.length + this.#links.length + this.#xattrs.length + this.#pieces.length * 24;
  }

  add(entry: LayerEntry): void {
    for (const [field, column] of this.#columns) column.push(entry[field]);
    this.#paths.add(entry.path);
    this.#links.add(entry.link);
    if (entry.xattrs) this.#xattrs.add(encodeXattrs(entry.xattrs));
    for (const piece of entry.pieces ?? []) this.#pieces.push(piece);
    this.#sparse.push(entry.pieces ? 1 : 0);
    this.#ends.path.push(this.#paths.length);
    this.#ends.link.push(this.#links.length);
    this.#ends.piece.push(this.#pieces.length);
    this.#ends.xattr.push(this.#xattrs.length);
  }

  finish(tarSize: number): LayerIndex {
    const count = this.count;
    const pieceCount = this.#pieces.length;
    const numbers = Object.fromEntries(NUMBER_FIELDS.map((field) => [field, count])) as Record<
      NumberField,
      number
    >;
    const ends = { pathEnd: count + 1, linkEnd: count + 1, pieceEnd: count + 1, xattrEnd: count + 1 };
    const pieces = { pieceOffset: pieceCount, pieceLength: pieceCount, pieceData: pieceCount };
    const blobs = { paths: this.#paths.length, links: this.#links.length, xattrs: this.#xattrs.length };
    const packed = pack(LAYER_FORMAT, {
      ...numbers,
      ...ends,
      ...pieces,
      ...blobs,
      sparse: count,
      tarSize: 1,
    });
    const { arrays } = packed;
    for (const [field, column] of this.#columns) arrays[field].set(column);
    arrays.sparse.set(this.#sparse);
    arrays.pathEnd.set(this.#ends.path);
    arrays.linkEnd.set(this.#ends.link);
    arrays.pieceEnd.set(this.#ends.piece);
    arrays.xattrEnd.set(this.#ends.xattr);
    this.#pieces.forEach((piece, at) => {
      arrays.pieceOffset[at] = piece.offset;
      arrays.pieceLength[at] = piece.length;
      arrays.pieceData[at] = piece.data;
    });
    arrays.paths.set(this.#paths.bytes);
    arrays.links.set(this.#links.bytes);
    arrays.xattrs.set(this.#xattrs.bytes);
    arrays.tarSize[0] = tarSize;
    return viewOf(packed);
  }
}

/** Netstrings in turns of name and value (`<length>:<bytes>`), as latin1 text. */
function encodeXattrs(xattrs: Map<string, string>): string {
  let text = '';
  for (const [name, value] of xattrs) text += `${name.length}:${name}${value.length}:${value}`;
  return text;
}

/** The reverse of the form that an index keeps extended attributes in: name (latin1 text) → value. */
export function decodeXattrs(bytes: Uint8Array): Map<string, Buffer> {
  const data = Buffer.from(bytes);
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length;) {
    const colon = data.indexOf(58, at);
    const end = colon + 1 + Number(data.toString('latin1', at, colon));
    parts.push(data.subarray(colon + 1, end));
    at = end;
  }
  const xattrs = new Map<string, Buffer>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    xattrs.set(parts[at]?.toString('latin1') ?? '', parts[at + 1] ?? Buffer.alloc(0));
  }
  return xattrs;
}
