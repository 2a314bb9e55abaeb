import { Accept } from '../rpc.ts';
import { Status } from '../status.ts';
import type { XdrWriter } from '../xdr.ts';
import { access, getAttributes, readLink, setAttributes, writeFailure } from './attributes.ts';
import { GarbageArguments, ShareCall } from './call.ts';
import { commit, read, write } from './content.ts';
import { readDirectory, readDirectoryPlus } from './directory.ts';
import { NfsFailure } from './failure.ts';
import type { ShareFiles } from './files.ts';
import { fileSystemInfo, fileSystemStatus, pathConfiguration } from './filesystem.ts';
import { create, link, lookup, makeDirectory, makeLink, makeNode, remove, removeDirectory } from './names.ts';
import { rename } from './rename.ts';
import type { ShareReply, ShareRequest } from './share.ts';

type Procedure = (call: ShareCall) => void;

/** By number (RFC 1813 §3.3). */
const procedures: readonly (Procedure | undefined)[] = [
  undefined, // NULL has no handle
  getAttributes,
  setAttributes,
  lookup,
  access,
  readLink,
  read,
  write,
  create,
  makeDirectory,
  makeLink,
  makeNode,
  remove,
  removeDirectory,
  rename,
  link,
  readDirectory,
  readDirectoryPlus,
  fileSystemStatus,
  fileSystemInfo,
  pathConfiguration,
  commit,
];
const SETATTR = 2;
const CREATE = 8;
const LINK = 15;

/** True for a procedure that, done twice, answers or does something else the second time. */
export function mustNotRepeat(procedure: number): boolean {
  return procedure === SETATTR || (procedure >= CREATE && procedure <= LINK);
}

/**
 * Answers one call on a share, with `out` (empty, large enough for any reply) to write to. Throws only what is not the
 * client's doing; then nothing may be kept of what the call has changed.
 */
export function answerShare(files: ShareFiles, request: ShareRequest, out: XdrWriter): ShareReply {
  const call = new ShareCall(files, request, out);
  const procedure = procedures[request.procedure];
  if (!procedure) return { accept: Accept.procedureUnavailable, results: new Uint8Array(0) };
  try {
    procedure(call);
  } catch (error) {
    out.position = 0;
    if (error instanceof GarbageArguments) {
      return { accept: Accept.garbageArguments, results: new Uint8Array(0) };
    }
    if (!(error instanceof NfsFailure) || error.status === Status.ok) throw error;
    writeFailure(call, error.status);
  }
  return { accept: Accept.success, results: new Uint8Array(out.bytes.subarray(0, out.position)) };
}
