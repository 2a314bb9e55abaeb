import type { ExportTree } from './export-tree.ts';
import { HANDLE_BYTES, HANDLE_MAGIC } from './handle-format.ts';
import { ServedTree } from './served-tree.ts';
import { Status, type NfsStatus } from './status.ts';
import type { NfsShare } from './share/share.ts';
import type { XdrReader } from './xdr.ts';

/** RFC 1813 §2.4 */
const LONGEST_HANDLE = 64;

/** Who may reach which tree. */
export interface NfsExports {
  /** What `client` (IPv4 address) gets for a MOUNT of `path`, or one clause that says why nothing. */
  mount(client: string, path: string): { tree: ExportTree } | { share: NfsShare } | { refused: string };
  /** The tree of that id if `client` may read it (still, or again after a restart of the daemon). */
  tree(client: string, id: bigint): ExportTree | undefined;
  /** The share of that id if it is the client's. */
  share?(client: string, id: bigint): NfsShare | undefined;
  /** Paths that `client` may mount, for `showmount -e`. */
  list?(client: string): string[];
}

/**
 * Turns a client's file handles into inodes of the trees that it may reach. A handle says: our magic | tree id | inode
 * | hash of the path. It is made from content alone, so it outlives the daemon; and because every lookup goes through
 * `exports.tree`, a handle that another client was given opens nothing.
 */
export class HandleResolver {
  readonly #client: string;
  readonly #exports: NfsExports;
  #served: ServedTree | undefined;
  /** the inode that the last `resolve` found; 0 when it failed */
  inode = 0;

  constructor(client: string, exports: NfsExports) {
    this.#client = client;
    this.#exports = exports;
  }

  /** The tree that the last successful `resolve` found. */
  get served(): ServedTree {
    if (!this.#served) throw new Error('no handle was resolved');
    return this.#served;
  }

  /** Forgets what the client may reach; called before each batch of requests, so that a change counts at once. */
  renew(): void {
    this.#served = undefined;
  }

  /** Reads an nfs_fh3 argument: OK, BADHANDLE for what we never gave out, STALE for what is no longer there. */
  resolve(args: XdrReader): NfsStatus {
    this.inode = 0;
    const length = args.opaque(LONGEST_HANDLE);
    if (args.bad || length !== HANDLE_BYTES) return Status.badHandle;
    const { bytes, opaqueStart: at } = args;
    if (u32(bytes, at) !== HANDLE_MAGIC) return Status.badHandle;
    const served = this.#find(u32(bytes, at + 4), u32(bytes, at + 8));
    if (!served) return Status.stale;
    const inode = u32(bytes, at + 12);
    if (inode === 0 || inode > served.tree.count) return Status.stale;
    if (served.tree.pathHash(inode) >>> 0 !== u32(bytes, at + 16)) return Status.stale;
    this.inode = inode;
    return Status.ok;
  }

  /** The share of a handle of ours. */
  share(id: bigint): NfsShare | undefined {
    return this.#exports.share?.(this.#client, id);
  }

  #find(idHigh: number, idLow: number): ServedTree | undefined {
    const last = this.#served;
    if (last?.idHigh === idHigh && last.idLow === idLow) return last;
    const tree = this.#exports.tree(this.#client, (BigInt(idHigh) << 32n) | BigInt(idLow));
    if (!tree) return undefined;
    this.#served = ServedTree.of(tree);
    return this.#served;
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
