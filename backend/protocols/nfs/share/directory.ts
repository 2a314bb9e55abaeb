import { DIRECTORY_REPLY } from '../nfs3-directory.ts';
import { POST_OP_BYTES, HANDLE_RESULT_BYTES } from '../served-tree.ts';
import { HANDLE_BYTES, SHARE_MAGIC } from '../handle-format.ts';
import { Status } from '../status.ts';
import type { XdrWriter } from '../xdr.ts';
import { writePostOp } from './attributes.ts';
import type { ShareCall } from './call.ts';
import { fail } from './failure.ts';
import type { ShareEntry, ShareInode } from './files.ts';
import { requireList } from './permissions.ts';

/** Status, attributes, cookie verifier, end of list, eof. */
const AROUND_ENTRIES = 4 + POST_OP_BYTES + 8 + 8;
/** "one more", fileid, length of the name, cookie. */
const ENTRY = 4 + 8 + 4 + 8;
const PLUS = POST_OP_BYTES + HANDLE_RESULT_BYTES + 4;
const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');
/** Cookies of `.` and `..`; those of entries come after. */
const COOKIE_OF_DOT = 1;
const COOKIE_OF_DOT_DOT = 2;
/** Entries that are fetched at once. */
const PAGE = 128;

/** nfs_fh3 without its length */
export function handleOf(id: bigint, inode: { inode: number; generation: number }): Buffer {
  const handle = Buffer.alloc(HANDLE_BYTES);
  handle.writeUInt32BE(SHARE_MAGIC, 0);
  handle.writeBigUInt64BE(id, 4);
  handle.writeUInt32BE(inode.inode, 12);
  handle.writeUInt32BE(inode.generation, 16);
  return handle;
}

/** post_op_fh3 */
export function writeHandle(call: ShareCall, inode: ShareInode): void {
  call.out.u32(1);
  call.out.opaque(handleOf(call.files.id, inode));
}

/** READDIR (RFC 1813 §3.3.16). */
export function readDirectory(call: ShareCall): void {
  list(call, false);
}

/** READDIRPLUS (RFC 1813 §3.3.17) */
export function readDirectoryPlus(call: ShareCall): void {
  list(call, true);
}

/**
 * A cookie stays good whatever happens to the directory: it is the place of an entry in the order in which names were
 * made, and "go on from here" means the next one that is still there. So the cookie verifier is always zero.
 */
function list(call: ShareCall, plus: boolean): void {
  const { args, out } = call;
  const handle = call.handle();
  const cookie = args.u64();
  args.skip(8);
  const names = plus ? args.u32() : undefined;
  const most = Math.min(args.u32(), DIRECTORY_REPLY, call.request.dataLimit);
  call.decoded();
  const { inode } = call.directory(handle);
  requireList(call, inode);
  out.u32(Status.ok);
  writePostOp(call, inode);
  out.u64(0);
  const writer = new EntryWriter(call, plus, most - AROUND_ENTRIES, names ?? most);
  const end = writer.writeAll(inode, cookie);
  if (!writer.any && !end) fail(Status.tooSmall);
  out.u32(0);
  out.bool(end);
}

class EntryWriter {
  readonly #call: ShareCall;
  readonly #out: XdrWriter;
  readonly #plus: boolean;
  /** bytes left for entries, and for their names and cookies */
  #room: number;
  #nameRoom: number;
  any = false;

  constructor(call: ShareCall, plus: boolean, room: number, nameRoom: number) {
    this.#call = call;
    this.#out = call.out;
    this.#plus = plus;
    this.#room = room;
    this.#nameRoom = nameRoom;
  }

  /** Writes entries after `cookie`; true when none is left. */
  writeAll(directory: ShareInode, cookie: number): boolean {
    const { files } = this.#call;
    if (cookie < COOKIE_OF_DOT && !this.#write(DOT, directory.inode, COOKIE_OF_DOT)) return false;
    if (cookie < COOKIE_OF_DOT_DOT && !this.#write(DOT_DOT, directory.parent, COOKIE_OF_DOT_DOT))
      return false;
    let after = Math.max(cookie, COOKIE_OF_DOT_DOT);
    for (;;) {
      const page: ShareEntry[] = files.list(directory, after, PAGE);
      for (const entry of page) {
        if (!this.#write(entry.name, entry.inode, entry.cookie)) return false;
        after = entry.cookie;
      }
      if (page.length < PAGE) return true;
    }
  }

  /** False when there is no room for it. One entry is given even where `dircount` would not hold it. */
  #write(name: Uint8Array, inode: number, cookie: number): boolean {
    const base = ENTRY + ((name.length + 3) & ~3);
    this.#room -= base + (this.#plus ? PLUS : 0);
    this.#nameRoom -= base - 4;
    if (this.#room < 0 || (this.#nameRoom < 0 && this.any)) return false;
    this.any = true;
    this.#out.u32(1);
    this.#out.u64(inode);
    this.#out.opaque(name);
    this.#out.u64(cookie);
    if (this.#plus) {
      const object = this.#call.files.get(inode);
      writePostOp(this.#call, object);
      writeHandle(this.#call, object);
    }
    return true;
  }
}
