import type { ExportTree } from './export-tree.ts';
import { HANDLE_BYTES, HANDLE_MAGIC } from './handle-format.ts';
import type { XdrWriter } from './xdr.ts';

const ATTRIBUTE_WORDS = 21;
const ATTRIBUTE_BYTES = ATTRIBUTE_WORDS * 4;
/** Bytes of a post_op_attr that is there. */
export const POST_OP_BYTES = 4 + ATTRIBUTE_BYTES;
/** Bytes of a file handle with its length. */
export const HANDLE_RESULT_BYTES = 4 + HANDLE_BYTES;

/** Offsets in fattr3 (RFC 1813 §2.6). */
const TYPE = 0;
const MODE = 4;
const UID = 12;
const GID = 16;
const SIZE = 20;
const USED = 28;

/** An export tree with what replies are made of: attributes as words in network order, the id in halves. */
export class ServedTree {
  static readonly #known = new WeakMap<ExportTree, ServedTree>();

  /** Made once per tree. */
  static of(tree: ExportTree): ServedTree {
    let served = ServedTree.#known.get(tree);
    if (!served) {
      served = new ServedTree(tree);
      ServedTree.#known.set(tree, served);
    }
    return served;
  }

  readonly tree: ExportTree;
  readonly idHigh: number;
  readonly idLow: number;
  readonly #words: Uint32Array;
  readonly #view: DataView;
  #usedBytes: number | undefined;
  /** Set when a file was shorter than its size says: then no reply promises bytes that were not read yet. */
  unreliable = false;

  private constructor(tree: ExportTree) {
    this.tree = tree;
    this.idHigh = Number((tree.id >> 32n) & 0xffff_ffffn);
    this.idLow = Number(tree.id & 0xffff_ffffn);
    const { attributes } = tree;
    const aligned = attributes.byteOffset % 4 === 0 ? attributes : new Uint8Array(attributes);
    this.#words = new Uint32Array(aligned.buffer, aligned.byteOffset, tree.count * ATTRIBUTE_WORDS);
    this.#view = new DataView(aligned.buffer, aligned.byteOffset, tree.count * ATTRIBUTE_BYTES);
  }

  type(inode: number): number {
    return this.#field(inode, TYPE);
  }
  mode(inode: number): number {
    return this.#field(inode, MODE);
  }
  uid(inode: number): number {
    return this.#field(inode, UID);
  }
  gid(inode: number): number {
    return this.#field(inode, GID);
  }
  /** bytes */
  size(inode: number): number {
    return this.#field(inode, SIZE) * 0x1_0000_0000 + this.#field(inode, SIZE + 4);
  }

  /** Bytes that all files take together; counted when a client first asks for it. */
  usedBytes(): number {
    this.#usedBytes ??= this.#countUsed();
    return this.#usedBytes;
  }

  /** fattr3 */
  writeAttributes(out: XdrWriter, inode: number): void {
    out.words(this.#words, (inode - 1) * ATTRIBUTE_WORDS, ATTRIBUTE_WORDS);
  }

  /** post_op_attr */
  writePostOp(out: XdrWriter, inode: number): void {
    out.u32(1);
    this.writeAttributes(out, inode);
  }

  /** nfs_fh3 */
  writeHandle(out: XdrWriter, inode: number): void {
    out.u32(HANDLE_BYTES);
    out.u32(HANDLE_MAGIC);
    out.u32(this.idHigh);
    out.u32(this.idLow);
    out.u32(inode);
    out.u32(this.tree.pathHash(inode));
  }

  #field(inode: number, offset: number): number {
    return this.#view.getUint32((inode - 1) * ATTRIBUTE_BYTES + offset);
  }

  #countUsed(): number {
    let sum = 0;
    for (let inode = 1; inode <= this.tree.count; inode++) {
      sum += this.#field(inode, USED) * 0x1_0000_0000 + this.#field(inode, USED + 4);
    }
    return sum;
  }
}
