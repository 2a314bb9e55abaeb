import { LARGEST_REPLY } from './buffer-pool.ts';
import { HANDLE_BYTES, SHARE_MAGIC } from './handle-format.ts';
import { Accept, type AcceptStatus, type DeferredReply, type RpcCall } from './rpc.ts';
import { bareFailure } from './share/failure.ts';
import type { NfsShare, ShareReply } from './share/share.ts';
import { Status } from './status.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

/** Where a procedure's arguments differ for trees and shares: in the magic of the first handle, after its length. */
export const SHARE_AT = 6;
const NFS_PROGRAM = 100003;
const WRITE = 7;

/** Whether the first argument is a handle of a share. */
export function leadsToShare({ args, procedure }: RpcCall): boolean {
  const { position, end } = args;
  if (procedure === 0 || end - position < 4 + HANDLE_BYTES) return false;
  const isOurs = args.u32() === HANDLE_BYTES && args.u32() === SHARE_MAGIC;
  args.position = position;
  return isOurs;
}

/** Hands the call to the share that its handle names; one that its client may not use is gone for it. */
export function askShare(call: RpcCall): AcceptStatus {
  const share = call.handles.share(shareId(call.args));
  call.deferred = share ? new ShareAnswer(call, share) : new Gone(call.procedure);
  return Accept.success;
}

/** Whether an RPC record begins a WRITE, whose data is wanted to the end. */
export function isWrite(record: Uint8Array): boolean {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return view.getUint32(12) === NFS_PROGRAM && view.getUint32(20) === WRITE;
}

function shareId(args: XdrReader): bigint {
  const start = args.position;
  args.skip(8);
  const id = (BigInt(args.u32()) << 32n) | BigInt(args.u32());
  args.position = start;
  return id;
}

/** Large WRITEs come alone in their memory: they are handed on as they are. */
function ownArguments({ args, isAlone }: RpcCall): Uint8Array<ArrayBuffer> {
  const { bytes, position, end } = args;
  const { buffer, byteOffset } = bytes;
  if (isAlone && buffer instanceof ArrayBuffer) {
    return new Uint8Array(buffer, byteOffset + position, end - position);
  }
  return new Uint8Array(bytes.subarray(position, end));
}

class ShareAnswer implements DeferredReply {
  readonly ready: Promise<void>;
  readonly held: number;
  #reply: ShareReply | undefined;

  constructor(call: RpcCall, share: NfsShare) {
    const { procedure, xid, uid, gid, dataLimit } = call;
    const own = ownArguments(call);
    this.held = own.length;
    const request = { procedure, xid, uid, gid, groups: call.groups(), dataLimit, args: own };
    this.ready = share.call(request).then((reply) => void (this.#reply = reply));
  }

  get size(): number {
    return Math.min((this.#reply?.results.length ?? 0) + 4, LARGEST_REPLY);
  }
  get spare(): ArrayBuffer | undefined {
    return this.#reply?.spare;
  }
  get accept(): AcceptStatus {
    return this.#reply?.accept ?? Accept.systemError;
  }

  async complete(out: XdrWriter): Promise<void> {
    await this.ready;
    out.raw(this.#reply?.results ?? new Uint8Array(0));
  }
}

class Gone implements DeferredReply {
  readonly size = 64;
  readonly #procedure: number;
  constructor(procedure: number) {
    this.#procedure = procedure;
  }
  complete(out: XdrWriter): Promise<void> {
    out.raw(bareFailure(this.#procedure, Status.stale));
    return Promise.resolve();
  }
}
