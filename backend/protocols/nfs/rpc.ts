import { XdrReader, type XdrWriter } from './xdr.ts';
import type { HandleResolver } from './handle.ts';

/** accept_stat (RFC 5531 §9). */
export const Accept = {
  success: 0,
  programUnavailable: 1,
  programMismatch: 2,
  procedureUnavailable: 3,
  garbageArguments: 4,
  systemError: 5,
} as const;
export type AcceptStatus = (typeof Accept)[keyof typeof Accept];

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const ACCEPTED = 0;
const DENIED = 1;
const RPC_MISMATCH = 0;
const AUTH_ERROR = 1;
const BAD_CREDENTIAL = 1;
const AUTH_NONE = 0;
const AUTH_SYS = 1;
const LONGEST_AUTH_BODY = 400;
const MOST_GROUPS = 16;
const NOBODY = 65534;

/** Bytes of the longest reply that needs no `reserve`. */
export const PLAIN_REPLY = 512;

/** Most data bytes that are written at once: fewer pieces wake the client less often, more would leave the cache. */
export const PIECE = 512 * 1024;

/** The rest of a reply whose data must come from a disk first. */
export interface DeferredReply {
  /** Resolves when the results are there, which something else than the reply's buffer holds until then. */
  readonly ready?: Promise<void>;
  /** bytes that are held until `ready` */
  readonly held?: number;
  /** bytes that the results may take; known when `ready` */
  readonly size: number;
  /** memory of the arguments that is needed no more; known when `ready` */
  readonly spare?: ArrayBuffer;
  /** what is answered instead of success; known when `ready` */
  readonly accept?: AcceptStatus;
  /** Writes the results. A rejection is answered with SYSTEM_ERR. */
  complete(out: XdrWriter): Promise<void>;
}

/**
 * Results too long to be built at once: they are written piece by piece as the client takes them, so that little memory
 * is in use and it stays in the processor's cache.
 */
export interface StreamedReply {
  /** bytes of the results */
  readonly length: number;
  /** Writes the next piece. `failed`: what was promised cannot be read, and only a broken connection says so. */
  writePiece(out: XdrWriter): 'more' | 'done' | 'failed';
}

/** One RPC program on a port. A procedure decodes its arguments and writes its results in one go. */
export interface RpcProgram {
  readonly number: number;
  readonly lowVersion: number;
  readonly highVersion: number;
  /** Results written for any status but `success` are taken back. */
  run(call: RpcCall, out: XdrWriter): AcceptStatus;
}

/** A call as it is being answered. Each connection has one and uses it again for each record. */
export class RpcCall {
  readonly args = new XdrReader();
  /** IPv4 address as text */
  readonly client: string;
  readonly transport: 'tcp' | 'udp';
  readonly handles: HandleResolver;
  /** most data bytes that one reply may carry */
  readonly dataLimit: number;
  xid = 0;
  program = 0;
  version = 0;
  procedure = 0;
  uid = NOBODY;
  gid = NOBODY;
  /** The memory of the arguments may be given away. */
  isAlone = false;
  /** Set by a procedure whose results come later. */
  deferred: DeferredReply | undefined;
  /** Set by a procedure whose results are longer than `PIECE`. */
  streamed: StreamedReply | undefined;
  /** Totals of what was served; the transport reads them. */
  operations = 0;
  bytesRead = 0;
  readonly #credential = new XdrReader();
  #groupsStart = 0;
  #groups = 0;

  constructor(client: string, transport: 'tcp' | 'udp', handles: HandleResolver, dataLimit: number) {
    this.client = client;
    this.transport = transport;
    this.handles = handles;
    this.dataLimit = dataLimit;
  }

  /** Whether AUTH_SYS names `gid` as the caller's group or one of its further groups. */
  inGroup(gid: number): boolean {
    if (gid === this.gid) return true;
    const { bytes } = this.args;
    for (let group = 0; group < this.#groups; group++) {
      const at = this.#groupsStart + group * 4;
      const value = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (value >>> 0 === gid) return true;
    }
    return false;
  }

  /** The caller's further groups. */
  groups(): number[] {
    const { bytes } = this.args;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: this.#groups }, (_, group) => view.getUint32(this.#groupsStart + group * 4));
  }

  /** Reads credential and verifier; false when they are malformed or of a flavour that we do not know. */
  readCredentials(): boolean {
    const { args } = this;
    this.uid = this.gid = NOBODY;
    this.#groups = 0;
    const flavour = args.u32();
    args.opaque(LONGEST_AUTH_BODY);
    const known = flavour === AUTH_NONE || (flavour === AUTH_SYS && this.#readAuthSys());
    args.u32();
    args.opaque(LONGEST_AUTH_BODY);
    return known;
  }

  /** authsys_parms (RFC 5531 appendix A): stamp, machine name, uid, gid, groups. */
  #readAuthSys(): boolean {
    const body = this.#credential;
    body.reset(this.args.bytes, this.args.opaqueStart, this.args.opaqueEnd);
    body.u32();
    body.opaque(255);
    const uid = body.u32();
    const gid = body.u32();
    const groups = body.u32();
    const groupsStart = body.position;
    body.skip(groups * 4);
    if (body.bad || groups > MOST_GROUPS) return false;
    this.uid = uid;
    this.gid = gid;
    this.#groups = groups;
    this.#groupsStart = groupsStart;
    return true;
  }
}

/**
 * Answers one record (RFC 5531 §8, §9): decodes it into `call` and writes the reply at `out`. Returns false when it is
 * no call: such a record has no answer. Never throws: what a procedure throws is answered with SYSTEM_ERR.
 */
export function answer(
  call: RpcCall,
  programs: readonly RpcProgram[],
  out: XdrWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { args } = call;
  args.reset(bytes, start, end);
  call.deferred = call.streamed = undefined;
  call.xid = args.u32();
  const type = args.u32();
  const rpcVersion = args.u32();
  call.program = args.u32();
  call.version = args.u32();
  call.procedure = args.u32();
  if (args.bad || type !== CALL) return false;
  if (rpcVersion !== RPC_VERSION) return writeRpcMismatch(call, out);
  const known = call.readCredentials();
  if (args.bad) return false;
  if (!known) return writeAuthError(call, out);
  runProgram(call, programs, out);
  return true;
}

/** Writes the head of an accepted reply: 24 bytes, AUTH_NONE verifier. */
export function writeAccepted(out: XdrWriter, xid: number, status: AcceptStatus): void {
  out.u32(xid);
  out.u32(REPLY);
  out.u32(ACCEPTED);
  out.u32(AUTH_NONE);
  out.u32(0);
  out.u32(status);
}
const HEAD = 24;

function runProgram(call: RpcCall, programs: readonly RpcProgram[], out: XdrWriter): void {
  let found: RpcProgram | undefined;
  for (const program of programs) if (program.number === call.program) found = program;
  if (!found) return writeAccepted(out, call.xid, Accept.programUnavailable);
  if (call.version < found.lowVersion || call.version > found.highVersion) {
    writeAccepted(out, call.xid, Accept.programMismatch);
    out.u32(found.lowVersion);
    out.u32(found.highVersion);
    return;
  }
  writeAccepted(out, call.xid, Accept.success);
  const results = out.mark();
  const status = runGuarded(found, call, out);
  if (status === Accept.success) return;
  call.deferred = call.streamed = undefined;
  out.rewind(results);
  out.position -= HEAD;
  writeAccepted(out, call.xid, status);
}

function runGuarded(program: RpcProgram, call: RpcCall, out: XdrWriter): AcceptStatus {
  try {
    return program.run(call, out);
  } catch {
    return Accept.systemError;
  }
}

function writeRpcMismatch(call: RpcCall, out: XdrWriter): boolean {
  out.u32(call.xid);
  out.u32(REPLY);
  out.u32(DENIED);
  out.u32(RPC_MISMATCH);
  out.u32(RPC_VERSION);
  out.u32(RPC_VERSION);
  return true;
}

function writeAuthError(call: RpcCall, out: XdrWriter): boolean {
  out.u32(call.xid);
  out.u32(REPLY);
  out.u32(DENIED);
  out.u32(AUTH_ERROR);
  out.u32(BAD_CREDENTIAL);
  return true;
}
