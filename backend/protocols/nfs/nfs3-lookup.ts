import type { ExportTree } from './export-tree.ts';
import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { Accept, type AcceptStatus, type RpcCall } from './rpc.ts';
import { FileType, Status, type NfsStatus } from './status.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

/** What PATHCONF says, too. */
export const LONGEST_NAME = 255;
/** A name of more bytes than this is no argument, but garbage. */
const LONGEST_ARGUMENT = 4096;
const DOT = 0x2e;

/** LOOKUP (RFC 1813 §3.3.3). `..` of the root is the root. */
export function lookup(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  let status: NfsStatus = handles.resolve(args);
  args.opaque(LONGEST_ARGUMENT);
  if (args.bad) return Accept.garbageArguments;
  let found = 0;
  if (status === Status.ok) {
    status = checkName(handles.served.type(handles.inode), args);
    if (status === Status.ok) found = findName(handles.served.tree, handles.inode, args);
    if (status === Status.ok && found === 0) status = Status.noEntry;
  }
  out.u32(status);
  if (status === Status.ok) {
    handles.served.writeHandle(out, found);
    handles.served.writePostOp(out, found);
  }
  writeOptionalAttributes(call, out);
  return Accept.success;
}

function checkName(type: number, args: XdrReader): NfsStatus {
  if (type !== FileType.directory) return Status.notDirectory;
  const length = args.opaqueEnd - args.opaqueStart;
  if (length === 0) return Status.invalid;
  return length > LONGEST_NAME ? Status.nameTooLong : Status.ok;
}

function findName(tree: ExportTree, directory: number, args: XdrReader): number {
  const { bytes, opaqueStart: start, opaqueEnd: end } = args;
  if (bytes[start] === DOT) {
    if (end === start + 1) return directory;
    if (end === start + 2 && bytes[start + 1] === DOT) return tree.parent(directory);
  }
  return tree.lookup(directory, bytes, start, end);
}
