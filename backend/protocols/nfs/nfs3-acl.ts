import { SHARE_BYTE } from './handle-format.ts';
import { writeOptionalAttributes } from './nfs3-attributes.ts';
import { leadsToShare, SHARE_AT } from './nfs3-share.ts';
import { Accept, type AcceptStatus, type RpcCall, type RpcProgram } from './rpc.ts';
import { Status } from './status.ts';
import type { XdrWriter } from './xdr.ts';

export const ACL_PROGRAM = 100227;
export const ACL_VERSION = 3;

/** Bits of GETACL's mask: the entries of the access ACL, and all there are. */
const ACCESS = 1;
const ASKED = 15;
/** Kinds of entries: the owner, the group, all others. */
const ENTRIES = [0x01, 0x04, 0x20] as const;

/**
 * ACLs beside NFS 3 (`nfs_acl` 3, a Solaris protocol): GETACL alone, and what it tells is the mode. Files of images have no
 * others. Without it Linux has an overlay refuse all who are neither a file's owner nor root (EOPNOTSUPP).
 */
export const nfsAcl: RpcProgram = {
  number: ACL_PROGRAM,
  lowVersion: ACL_VERSION,
  highVersion: ACL_VERSION,
  run(call, out) {
    if (call.procedure === 0) return Accept.success;
    return call.procedure === 1 ? getAcl(call, out) : Accept.procedureUnavailable;
  },
};

function getAcl(call: RpcCall, out: XdrWriter): AcceptStatus {
  const { args, handles } = call;
  if (args.bytes[args.position + SHARE_AT] === SHARE_BYTE && leadsToShare(call)) {
    // Nodes mount shares with `noacl`.
    out.u32(Status.notSupported);
    out.u32(0);
    return Accept.success;
  }
  const status = handles.resolve(args);
  const asked = args.u32() & ASKED;
  if (args.bad) return Accept.garbageArguments;
  out.u32(status);
  writeOptionalAttributes(call, out);
  if (status !== Status.ok) return Accept.success;
  const { served, inode } = handles;
  out.u32(asked);
  const access = (asked & ACCESS) !== 0 ? ENTRIES : [];
  const ids = [served.uid(inode), served.gid(inode), 0];
  out.u32(access.length);
  out.u32(access.length);
  for (const [at, kind] of access.entries()) {
    out.u32(kind);
    out.u32(ids[at] ?? 0);
    out.u32((served.mode(inode) >> (6 - 3 * at)) & 7);
  }
  // No default ACL.
  out.u32(0);
  out.u32(0);
  return Accept.success;
}
