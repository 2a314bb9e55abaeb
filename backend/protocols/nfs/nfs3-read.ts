import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { Accept, PIECE } from './rpc.ts';
import type { AcceptStatus, DeferredReply, RpcCall, StreamedReply } from './rpc.ts';
import { FileType, Status, type NfsStatus } from './status.ts';
import { POST_OP_BYTES, type ServedTree } from './served-tree.ts';
import type { XdrWriter } from './xdr.ts';

/** Bytes before the data: status, attributes, count, eof, length. */
const DATA_OFFSET = 4 + POST_OP_BYTES + 12;

/**
 * READ (RFC 1813 §3.3.6). Bytes that were read before come at once, straight into the reply; others through the thread
 * pool, so that a slow disk holds up nobody else.
 */
export function read(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  let status: NfsStatus = handles.resolve(args);
  const offset = args.u64();
  const asked = args.u32();
  if (args.bad) return Accept.garbageArguments;
  if (status === Status.ok) status = checkType(handles.served.type(handles.inode));
  if (status !== Status.ok) return fail(call, out, status);
  const { served, inode } = handles;
  const size = served.size(inode);
  const count = offset >= size ? 0 : Math.min(asked, call.dataLimit, size - offset);
  if (count > 0 && !served.tree.isWarm(inode, offset, count)) {
    call.deferred = new ColdRead(served, inode, offset, count);
    call.bytesRead += count;
    return Accept.success;
  }
  if (count > PIECE && !served.unreliable) {
    call.streamed = new WarmRead(served, inode, offset, count);
    call.bytesRead += count;
    return Accept.success;
  }
  out.reserve(DATA_OFFSET + count + 4);
  const got = count === 0 ? 0 : readNow(served, inode, offset, out, count);
  if (got < 0) return fail(call, out, Status.io);
  call.bytesRead += got;
  finish(served, inode, out, got, offset + got >= size);
  return Accept.success;
}

function checkType(type: number): NfsStatus {
  if (type === FileType.regular) return Status.ok;
  return type === FileType.directory ? Status.isDirectory : Status.invalid;
}

function fail(call: RpcCall, out: XdrWriter, status: NfsStatus): AcceptStatus {
  out.u32(status);
  writeOptionalAttributes(call, out);
  return Accept.success;
}

/** Reads into the place that the data will have in a short reply; -1 when the disk fails or the file has shrunk. */
function readNow(served: ServedTree, inode: number, offset: number, out: XdrWriter, count: number): number {
  try {
    return served.tree.read(inode, offset, out.bytes, out.position + DATA_OFFSET, count) || -1;
  } catch {
    return -1;
  }
}

/** Writes what stands around data that is in its place already. */
function finish(served: ServedTree, inode: number, out: XdrWriter, got: number, eof: boolean): void {
  writeHead(served, inode, out, got, eof);
  out.position += got;
  out.pad(got);
}

/** DATA_OFFSET bytes */
function writeHead(served: ServedTree, inode: number, out: XdrWriter, count: number, eof: boolean): void {
  out.u32(Status.ok);
  served.writePostOp(out, inode);
  out.u32(count);
  out.bool(eof);
  out.u32(count);
}

/** A long READ of what is warm. */
class WarmRead implements StreamedReply {
  readonly length: number;
  readonly #served: ServedTree;
  readonly #inode: number;
  readonly #offset: number;
  readonly #count: number;
  #done = 0;

  constructor(served: ServedTree, inode: number, offset: number, count: number) {
    this.#served = served;
    this.#inode = inode;
    this.#offset = offset;
    this.#count = count;
    this.length = DATA_OFFSET + count + (-count & 3);
  }

  writePiece(out: XdrWriter): 'more' | 'done' | 'failed' {
    const length = Math.min(PIECE, this.#count - this.#done);
    out.reserve(DATA_OFFSET + length + 4);
    if (this.#done === 0) {
      const eof = this.#offset + this.#count >= this.#served.size(this.#inode);
      writeHead(this.#served, this.#inode, out, this.#count, eof);
    }
    if (!this.#read(out, length)) return 'failed';
    out.position += length;
    this.#done += length;
    if (this.#done < this.#count) return 'more';
    out.pad(this.#count);
    return 'done';
  }

  /** False when not all of it can be read. */
  #read(out: XdrWriter, length: number): boolean {
    let got = 0;
    try {
      got = this.#served.tree.read(this.#inode, this.#offset + this.#done, out.bytes, out.position, length);
    } catch {
      got = 0;
    }
    this.#served.unreliable ||= got < length;
    return got === length;
  }
}

class ColdRead implements DeferredReply {
  readonly size: number;
  readonly #served: ServedTree;
  readonly #inode: number;
  readonly #offset: number;
  readonly #count: number;

  constructor(served: ServedTree, inode: number, offset: number, count: number) {
    this.#served = served;
    this.#inode = inode;
    this.#offset = offset;
    this.#count = count;
    this.size = DATA_OFFSET + count + 4;
  }

  async complete(out: XdrWriter): Promise<void> {
    const got = await this.#readData(out);
    if (got > 0) {
      const end = this.#offset + got;
      return finish(this.#served, this.#inode, out, got, end >= this.#served.size(this.#inode));
    }
    out.u32(Status.io);
    this.#served.writePostOp(out, this.#inode);
  }

  async #readData(out: XdrWriter): Promise<number> {
    const at = out.position + DATA_OFFSET;
    try {
      return await this.#served.tree.readCold(this.#inode, this.#offset, out.bytes, at, this.#count);
    } catch {
      return 0;
    }
  }
}
