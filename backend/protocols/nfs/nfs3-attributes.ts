import { Accept, type AcceptStatus, type RpcCall } from './rpc.ts';
import { FileType, Status, type NfsStatus } from './status.ts';
import type { XdrWriter } from './xdr.ts';

/** GETATTR (RFC 1813 §3.3.1). */
export function getAttributes(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  const status = handles.resolve(args);
  if (args.bad) return Accept.garbageArguments;
  out.u32(status);
  if (status === Status.ok) handles.served.writeAttributes(out, handles.inode);
  return Accept.success;
}

const READ = 1;
const LOOKUP = 2;
const EXECUTE = 32;
const ROOT = 0;

/**
 * ACCESS (RFC 1813 §3.3.4): the caller of AUTH_SYS against the mode bits. The rights to change something are never
 * given. Root may read all, and execute what has any execute bit, as on the kernel's own server without root squashing.
 */
export function access(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  const status = handles.resolve(args);
  const asked = args.u32();
  if (args.bad) return Accept.garbageArguments;
  out.u32(status);
  writeOptionalAttributes(call, out);
  if (status === Status.ok) out.u32(asked & allowed(call));
  return Accept.success;
}

function allowed(call: RpcCall): number {
  const { served, inode } = call.handles;
  const mode = served.mode(inode);
  const directory = served.type(inode) === FileType.directory;
  let bits = mode & 7;
  if (call.uid === ROOT) bits = 6 | (directory || (mode & 0o111) !== 0 ? 1 : 0);
  else if (call.uid === served.uid(inode)) bits = (mode >> 6) & 7;
  else if (call.inGroup(served.gid(inode))) bits = (mode >> 3) & 7;
  const pass = directory ? LOOKUP : EXECUTE;
  return ((bits & 4) !== 0 ? READ : 0) | ((bits & 1) !== 0 ? pass : 0);
}

/** READLINK (RFC 1813 §3.3.5). */
export function readLink(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  let status: NfsStatus = handles.resolve(args);
  if (args.bad) return Accept.garbageArguments;
  if (status === Status.ok && handles.served.type(handles.inode) !== FileType.link) status = Status.invalid;
  const target = status === Status.ok ? handles.served.tree.linkTarget(handles.inode) : undefined;
  if (target && target.length > call.dataLimit) status = Status.nameTooLong;
  out.u32(status);
  writeOptionalAttributes(call, out);
  if (status !== Status.ok || !target) return Accept.success;
  out.reserve(target.length + 8);
  out.opaque(target);
  return Accept.success;
}

/** post_op_attr of the resolved object; "not there" when nothing was resolved. */
export function writeOptionalAttributes(call: RpcCall, out: XdrWriter): void {
  const { handles } = call;
  if (handles.inode === 0) out.u32(0);
  else handles.served.writePostOp(out, handles.inode);
}
