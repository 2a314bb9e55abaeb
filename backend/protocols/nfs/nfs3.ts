import { access, getAttributes, readLink } from './nfs3-attributes.ts';
import { readDirectory, readDirectoryPlus } from './nfs3-directory.ts';
import { fileSystemInfo, fileSystemStatus, pathConfiguration } from './nfs3-filesystem.ts';
import { lookup } from './nfs3-lookup.ts';
import { read } from './nfs3-read.ts';
import { SHARE_BYTE } from './handle-format.ts';
import { askShare, leadsToShare, SHARE_AT } from './nfs3-share.ts';
import { refuseLink, refuseOne, refuseRename } from './nfs3-write.ts';
import { Accept, type AcceptStatus, type RpcCall, type RpcProgram } from './rpc.ts';
import type { XdrWriter } from './xdr.ts';

export const NFS_PROGRAM = 100003;
export const NFS_VERSION = 3;

type Procedure = (call: RpcCall, out: XdrWriter) => AcceptStatus;

/** By number (RFC 1813 §3.3). */
const procedures: readonly Procedure[] = [
  () => Accept.success,
  getAttributes,
  refuseOne, // SETATTR
  lookup,
  access,
  readLink,
  read,
  refuseOne, // WRITE
  refuseOne, // CREATE
  refuseOne, // MKDIR
  refuseOne, // SYMLINK
  refuseOne, // MKNOD
  refuseOne, // REMOVE
  refuseOne, // RMDIR
  refuseRename,
  refuseLink,
  readDirectory,
  readDirectoryPlus,
  fileSystemStatus,
  fileSystemInfo,
  pathConfiguration,
  refuseOne, // COMMIT
];

/** NFS version 3: trees, which are read-only, and shares. What it serves is in the call's handles; it keeps nothing of its own. */
export const nfs3: RpcProgram = {
  number: NFS_PROGRAM,
  lowVersion: NFS_VERSION,
  highVersion: NFS_VERSION,
  run(call, out) {
    const procedure = procedures[call.procedure];
    if (!procedure) return Accept.procedureUnavailable;
    call.operations++;
    if (call.args.bytes[call.args.position + SHARE_AT] === SHARE_BYTE && leadsToShare(call))
      return askShare(call);
    return procedure(call, out);
  },
};
