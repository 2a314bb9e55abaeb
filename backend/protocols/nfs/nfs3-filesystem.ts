import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { DIRECTORY_REPLY } from './nfs3-directory.ts';
import { LONGEST_NAME } from './nfs3-lookup.ts';
import { Accept, type AcceptStatus, type RpcCall } from './rpc.ts';
import { Status } from './status.ts';
import type { XdrWriter } from './xdr.ts';

const LARGEST_FILE_HIGH = 0x7fff_ffff;
const MOST = 0xffff_ffff;
const HARD_LINKS = 1;
const SYMBOLIC_LINKS = 2;
const HOMOGENEOUS = 8;

/** FSSTAT (RFC 1813 §3.3.18): a file system that is full, and that will not change. */
export function fileSystemStatus(call: RpcCall, out: XdrWriter): AcceptStatus {
  if (!begin(call, out)) return call.args.bad ? Accept.garbageArguments : Accept.success;
  const { served } = call.handles;
  out.u64(served.usedBytes());
  out.u64(0);
  out.u64(0);
  out.u64(served.tree.count);
  out.u64(0);
  out.u64(0);
  out.u32(MOST);
  return Accept.success;
}

/** FSINFO (RFC 1813 §3.3.19): what a client should ask for at once, bytes. */
export function fileSystemInfo(call: RpcCall, out: XdrWriter): AcceptStatus {
  if (!begin(call, out)) return call.args.bad ? Accept.garbageArguments : Accept.success;
  const most = call.dataLimit;
  for (const read of [most, most, 4096]) out.u32(read);
  for (const write of [most, most, 4096]) out.u32(write);
  out.u32(Math.min(DIRECTORY_REPLY, most));
  out.u32(LARGEST_FILE_HIGH);
  out.u32(MOST);
  out.u32(0);
  out.u32(1);
  out.u32(HARD_LINKS | SYMBOLIC_LINKS | HOMOGENEOUS);
  return Accept.success;
}

/** PATHCONF (RFC 1813 §3.3.20). */
export function pathConfiguration(call: RpcCall, out: XdrWriter): AcceptStatus {
  if (!begin(call, out)) return call.args.bad ? Accept.garbageArguments : Accept.success;
  out.u32(MOST);
  out.u32(LONGEST_NAME);
  out.bool(true); // no_trunc
  out.bool(true); // chown_restricted
  out.bool(false); // case_insensitive
  out.bool(true); // case_preserving
  return Accept.success;
}

/** Status and attributes, which all three begin with; true when results follow. */
function begin(call: RpcCall, out: XdrWriter): boolean {
  const status = call.handles.resolve(call.args);
  if (call.args.bad) return false;
  out.u32(status);
  writeOptionalAttributes(call, out);
  return status === Status.ok;
}
