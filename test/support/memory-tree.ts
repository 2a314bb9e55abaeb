import type { ExportTree } from '../../backend/protocols/nfs/export-tree.ts';

const ATTRIBUTE_BYTES = 84;
const TYPES = { file: 1, directory: 2, block: 3, character: 4, link: 5, socket: 6, fifo: 7 } as const;
export type MemoryType = keyof typeof TYPES;

/** One object of a tree for tests. `path` is bytes or text, without a slash at its ends; the root is ''. */
export interface MemoryEntry {
  path: string | Buffer;
  type: MemoryType;
  mode?: number;
  uid?: number;
  gid?: number;
  /** seconds since the epoch */
  mtime?: number;
  content?: Uint8Array;
  /** a file without content of this size; byte n is `n % 251` */
  size?: number;
  target?: string | Buffer;
  major?: number;
  minor?: number;
  /** a hard link: path of the file that this is another name of */
  same?: string;
}

interface Node {
  entry: MemoryEntry;
  inode: number;
  parent: number;
  nlink: number;
  pathHash: number;
  children: [name: Buffer, inode: number][];
}

/** An ExportTree from a list, parents before children. */
export class MemoryTree implements ExportTree {
  readonly id: bigint;
  readonly count: number;
  readonly attributes: Uint8Array;
  readonly names: Uint8Array;
  /** bytes [inode] are warm; files are warm unless a test says otherwise */
  readonly cold = new Set<number>();
  /** reads that went through the thread pool */
  coldReads = 0;
  /** a test that wants reads to fail sets this */
  failing = false;
  readonly #nodes: Node[] = [];
  readonly #entries: { inode: number; start: number; end: number }[] = [];
  readonly #starts: number[] = [];

  constructor(id: bigint, entries: MemoryEntry[]) {
    this.id = id;
    const byPath = new Map<string, Node>();
    for (const entry of entries) this.#add(entry, byPath);
    this.count = this.#nodes.length;
    this.attributes = new Uint8Array(this.count * ATTRIBUTE_BYTES);
    for (const node of this.#nodes) this.#encode(node);
    this.names = this.#number();
  }

  #add(entry: MemoryEntry, byPath: Map<string, Node>): void {
    const path = Buffer.from(entry.path);
    const slash = path.lastIndexOf(0x2f);
    const parent =
      path.length === 0 ? undefined : byPath.get(path.subarray(0, Math.max(slash, 0)).toString('latin1'));
    let node = entry.same === undefined ? undefined : byPath.get(Buffer.from(entry.same).toString('latin1'));
    if (node) node.nlink++;
    else {
      const inode = this.#nodes.length + 1;
      node = { entry, inode, parent: parent?.inode ?? 1, nlink: 1, pathHash: hash(path), children: [] };
      this.#nodes.push(node);
    }
    byPath.set(path.toString('latin1'), node);
    parent?.children.push([path.subarray(slash + 1), node.inode]);
  }

  #encode({ entry, inode, nlink }: Node): void {
    const view = new DataView(this.attributes.buffer, (inode - 1) * ATTRIBUTE_BYTES, ATTRIBUTE_BYTES);
    const size = BigInt(this.#size(entry));
    view.setUint32(0, TYPES[entry.type]);
    view.setUint32(4, entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644));
    view.setUint32(8, nlink);
    view.setUint32(12, entry.uid ?? 0);
    view.setUint32(16, entry.gid ?? 0);
    view.setBigUint64(20, size);
    view.setBigUint64(28, ((size + 511n) / 512n) * 512n);
    view.setUint32(36, entry.major ?? 0);
    view.setUint32(40, entry.minor ?? 0);
    view.setBigUint64(44, this.id);
    view.setBigUint64(52, BigInt(inode));
    for (const time of [60, 68, 76]) view.setUint32(time, entry.mtime ?? 1_700_000_000);
  }

  #size(entry: MemoryEntry): number {
    if (entry.type === 'link') return Buffer.from(entry.target ?? '').length;
    if (entry.type === 'directory') return 4096;
    return entry.content?.length ?? entry.size ?? 0;
  }

  #number(): Uint8Array {
    const names: Buffer[] = [];
    let at = 0;
    for (const node of this.#nodes) {
      this.#starts.push(this.#entries.length);
      for (const [name, inode] of node.children) {
        names.push(name);
        this.#entries.push({ inode, start: at, end: at + name.length });
        at += name.length;
      }
    }
    this.#starts.push(this.#entries.length);
    return Buffer.concat(names);
  }

  #node(inode: number): Node {
    const node = this.#nodes[inode - 1];
    if (!node) throw new Error(`no inode ${inode}`);
    return node;
  }

  pathHash(inode: number): number {
    return this.#node(inode).pathHash;
  }
  lookup(directory: number, bytes: Uint8Array, start: number, end: number): number {
    const name = bytes.subarray(start, end);
    return this.#node(directory).children.find(([known]) => known.equals(name))?.[1] ?? 0;
  }
  parent(directory: number): number {
    return this.#node(directory).parent;
  }
  entryStart(directory: number): number {
    return this.#starts[directory - 1] ?? 0;
  }
  entryEnd(directory: number): number {
    return this.#starts[directory] ?? 0;
  }
  entryInode(entry: number): number {
    return this.#entries[entry]?.inode ?? 0;
  }
  nameStart(entry: number): number {
    return this.#entries[entry]?.start ?? 0;
  }
  nameEnd(entry: number): number {
    return this.#entries[entry]?.end ?? 0;
  }
  linkTarget(inode: number): Uint8Array {
    return Buffer.from(this.#node(inode).entry.target ?? '');
  }
  read(inode: number, position: number, target: Uint8Array, at: number, length: number): number {
    if (this.failing) throw new Error('EIO');
    const { entry } = this.#node(inode);
    if (entry.content) {
      const part = entry.content.subarray(position, position + length);
      target.set(part, at);
      return part.length;
    }
    const count = Math.max(0, Math.min(length, this.#size(entry) - position));
    for (let index = 0; index < count; index++) target[at + index] = (position + index) % 251;
    return count;
  }
  isWarm(inode: number): boolean {
    return !this.cold.has(inode);
  }
  async readCold(
    inode: number,
    position: number,
    target: Uint8Array,
    at: number,
    length: number,
  ): Promise<number> {
    await new Promise((resolve) => setImmediate(resolve));
    this.coldReads++;
    return this.read(inode, position, target, at, length);
  }
}

/** FNV-1a */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
