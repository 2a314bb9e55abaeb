import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { Accept, type AcceptStatus, type RpcCall } from './rpc.ts';
import { Status } from './status.ts';
import type { XdrWriter } from './xdr.ts';

const LONGEST_ARGUMENT = 4096;

/**
 * What changes something is refused with ROFS; a handle that leads nowhere still says so. The arguments behind handles
 * and names are passed over: nothing is done with them.
 */

/** SETATTR, WRITE, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, COMMIT: one wcc_data. */
export function refuseOne(call: RpcCall, out: XdrWriter): AcceptStatus {
  const status = call.handles.resolve(call.args);
  if (call.args.bad) return Accept.garbageArguments;
  out.u32(status || Status.readOnly);
  writeUnchanged(call, out);
  return Accept.success;
}

/** RENAME (RFC 1813 §3.3.14): wcc_data of both directories. */
export function refuseRename(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args } = call;
  const mark = out.mark();
  const from = call.handles.resolve(args);
  args.opaque(LONGEST_ARGUMENT);
  out.u32(from || Status.readOnly);
  writeUnchanged(call, out);
  const to = call.handles.resolve(args);
  args.opaque(LONGEST_ARGUMENT);
  if (args.bad) return Accept.garbageArguments;
  writeUnchanged(call, out);
  if (to !== Status.ok && from === Status.ok) overwriteStatus(out, mark, to);
  return Accept.success;
}

/** LINK (RFC 1813 §3.3.15): attributes of the file, wcc_data of the directory. */
export function refuseLink(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args } = call;
  const mark = out.mark();
  const file = call.handles.resolve(args);
  out.u32(file || Status.readOnly);
  writeOptionalAttributes(call, out);
  const directory = call.handles.resolve(args);
  args.opaque(LONGEST_ARGUMENT);
  if (args.bad) return Accept.garbageArguments;
  writeUnchanged(call, out);
  if (directory !== Status.ok && file === Status.ok) overwriteStatus(out, mark, directory);
  return Accept.success;
}

/** wcc_data: no attributes of before, those of now. */
function writeUnchanged(call: RpcCall, out: XdrWriter): void {
  out.u32(0);
  writeOptionalAttributes(call, out);
}

function overwriteStatus(out: XdrWriter, mark: number, status: number): void {
  const end = out.mark();
  out.rewind(mark);
  out.u32(status);
  out.rewind(end);
}
