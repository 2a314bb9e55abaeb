import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { Accept, type AcceptStatus, type RpcCall } from './rpc.ts';
import { HANDLE_RESULT_BYTES, POST_OP_BYTES, type ServedTree } from './served-tree.ts';
import { FileType, Status, type NfsStatus } from './status.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

/** The largest directory reply, bytes; dtpref says so. */
export const DIRECTORY_REPLY = 64 * 1024;
/** Attributes, cookie verifier, end of list, eof. */
const AROUND_ENTRIES = POST_OP_BYTES + 8 + 8;
/** "one more", fileid, length of the name, cookie. */
const ENTRY = 4 + 8 + 4 + 8;
const PLUS = POST_OP_BYTES + 4 + HANDLE_RESULT_BYTES;

const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');
/** Cookies: `.` gives 1, `..` gives 2, the directory's nth entry 3 + n. A cookie is the place to go on from. */
const FIRST_ENTRY = 2;

/** READDIR (RFC 1813 §3.3.16). */
export function readDirectory(call: RpcCall, out: XdrWriter): AcceptStatus {
  const status = call.handles.resolve(call.args);
  const cookie = call.args.u64();
  const verifier = readVerifier(call.args);
  const limit = call.args.u32();
  if (call.args.bad) return Accept.garbageArguments;
  return list(call, out, status, { cookie, verifier, namesLimit: limit, limit, plus: false });
}

/**
 * READDIRPLUS (RFC 1813 §3.3.17): `dircount` bounds what names and cookies take, `maxcount` the whole. One entry is
 * given even where `dircount` would not hold it, because there is no other way on.
 */
export function readDirectoryPlus(call: RpcCall, out: XdrWriter): AcceptStatus {
  const status = call.handles.resolve(call.args);
  const cookie = call.args.u64();
  const verifier = readVerifier(call.args);
  const namesLimit = call.args.u32();
  const limit = call.args.u32();
  if (call.args.bad) return Accept.garbageArguments;
  return list(call, out, status, { cookie, verifier, namesLimit, limit, plus: true });
}

interface ListRequest {
  cookie: number;
  verifier: { high: number; low: number };
  /** bytes for fileids, names and cookies */
  namesLimit: number;
  /** bytes for the results */
  limit: number;
  plus: boolean;
}

/** The verifier is the tree's id: a cookie is good as long as the tree is the same, in any daemon. */
function readVerifier(args: XdrReader): { high: number; low: number } {
  return { high: args.u32(), low: args.u32() };
}

function list(call: RpcCall, out: XdrWriter, resolved: NfsStatus, request: ListRequest): AcceptStatus {
  const { handles } = call;
  const status = resolved === Status.ok ? checkRequest(handles.served, handles.inode, request) : resolved;
  const mark = out.mark();
  out.u32(status);
  writeOptionalAttributes(call, out);
  if (status !== Status.ok) return Accept.success;
  const { served, inode } = handles;
  served.tree.noteListed?.(inode);
  const limit = Math.min(request.limit, DIRECTORY_REPLY, call.dataLimit);
  out.reserve(limit);
  out.u32(served.idHigh);
  out.u32(served.idLow);
  const entries = new EntryWriter(served, inode, out, request.plus);
  const fits = entries.write(request.cookie, limit - AROUND_ENTRIES, request.namesLimit);
  if (fits) return Accept.success;
  out.rewind(mark);
  out.u32(Status.tooSmall);
  writeOptionalAttributes(call, out);
  return Accept.success;
}

function checkRequest(served: ServedTree, inode: number, request: ListRequest): NfsStatus {
  if (served.type(inode) !== FileType.directory) return Status.notDirectory;
  if (request.cookie === 0) return Status.ok;
  const last = served.tree.entryEnd(inode) - served.tree.entryStart(inode) + FIRST_ENTRY;
  const { high, low } = request.verifier;
  const ours = high === served.idHigh && low === served.idLow;
  return ours && request.cookie <= last ? Status.ok : Status.badCookie;
}

class EntryWriter {
  readonly #served: ServedTree;
  readonly #directory: number;
  readonly #out: XdrWriter;
  readonly #plus: boolean;
  readonly #first: number;
  readonly #last: number;

  constructor(served: ServedTree, directory: number, out: XdrWriter, plus: boolean) {
    this.#served = served;
    this.#directory = directory;
    this.#out = out;
    this.#plus = plus;
    this.#first = served.tree.entryStart(directory);
    this.#last = served.tree.entryEnd(directory) - this.#first + FIRST_ENTRY;
  }

  /** Writes entries from `cookie` on and what ends the list; false when not even one of them fits. */
  write(cookie: number, bytes: number, nameBytes: number): boolean {
    let place = cookie;
    let roomForAll = bytes;
    let roomForNames = nameBytes;
    while (place < this.#last) {
      const base = ENTRY + padded(this.#nameLength(place));
      roomForAll -= base + (this.#plus ? PLUS : 0);
      roomForNames -= base - 4;
      if (roomForAll < 0 || (roomForNames < 0 && place > cookie)) break;
      this.#writeEntry(place++);
    }
    if (place === cookie && place < this.#last) return false;
    this.#out.u32(0);
    this.#out.bool(place === this.#last);
    return bytes >= 0;
  }

  #writeEntry(place: number): void {
    const out = this.#out;
    const inode = this.#inode(place);
    out.u32(1);
    out.u64(inode);
    this.#writeName(place);
    out.u64(place + 1);
    if (!this.#plus) return;
    this.#served.writePostOp(out, inode);
    out.u32(1);
    this.#served.writeHandle(out, inode);
  }

  #inode(place: number): number {
    const { tree } = this.#served;
    if (place === 0) return this.#directory;
    if (place === 1) return tree.parent(this.#directory);
    return tree.entryInode(this.#first + place - FIRST_ENTRY);
  }

  #nameLength(place: number): number {
    if (place < FIRST_ENTRY) return place + 1;
    const entry = this.#first + place - FIRST_ENTRY;
    return this.#served.tree.nameEnd(entry) - this.#served.tree.nameStart(entry);
  }

  #writeName(place: number): void {
    if (place < FIRST_ENTRY) return this.#out.opaque(place === 0 ? DOT : DOT_DOT);
    const { tree } = this.#served;
    const entry = this.#first + place - FIRST_ENTRY;
    this.#out.opaque(tree.names, tree.nameStart(entry), tree.nameEnd(entry));
  }
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
