import { HANDLE_BYTES, SHARE_MAGIC } from '../handle-format.ts';
import { LONGEST_NAME } from '../nfs3-lookup.ts';
import { FileType, Status } from '../status.ts';
import { XdrReader, type XdrWriter } from '../xdr.ts';
import { fail } from './failure.ts';
import type { ShareFiles, ShareInode } from './files.ts';
import type { ShareRequest } from './share.ts';

const LONGEST_HANDLE = 64;
/** A name of more bytes than this is no argument, but garbage. */
const LONGEST_ARGUMENT = 4096;
const SLASH = 0x2f;
const DOT = 0x2e;

/** Arguments that are no XDR of this procedure. */
export class GarbageArguments extends Error {}

/** An object that a reply describes, with what wcc_data says of the time before. */
export interface Watched {
  inode: ShareInode;
  before: { size: number; mtime: bigint; ctime: bigint };
}

export interface Handle {
  /** 0: of another share, or not ours at all */
  inode: number;
  generation: number;
  status: typeof Status.ok | typeof Status.badHandle | typeof Status.stale;
}

/**
 * One procedure on one share. It decodes all its arguments, calls `decoded`, and then looks things up and does its work;
 * it throws NfsFailure to end with another status than OK.
 */
export class ShareCall {
  readonly files: ShareFiles;
  readonly request: ShareRequest;
  readonly args = new XdrReader();
  readonly out: XdrWriter;
  /** in the order in which handles were resolved: a reply that is not OK gives their attributes in that order */
  readonly watched: Watched[] = [];

  constructor(files: ShareFiles, request: ShareRequest, out: XdrWriter) {
    this.files = files;
    this.request = request;
    this.out = out;
    this.args.reset(request.args, 0, request.args.length);
  }

  /** Decodes an nfs_fh3. */
  handle(): Handle {
    const { args, files } = this;
    const length = args.opaque(LONGEST_HANDLE);
    const body = new XdrReader();
    body.reset(args.bytes, args.opaqueStart, args.opaqueEnd);
    const ours = length === HANDLE_BYTES && body.u32() === SHARE_MAGIC;
    if (!ours) return { inode: 0, generation: 0, status: Status.badHandle };
    const id = (BigInt(body.u32()) << 32n) | BigInt(body.u32());
    const status = id === files.id ? Status.ok : Status.stale;
    return { inode: body.u32(), generation: body.u32(), status };
  }

  /** Decodes a filename3. */
  name(): Uint8Array {
    const { args } = this;
    args.opaque(LONGEST_ARGUMENT);
    return args.bytes.subarray(args.opaqueStart, args.opaqueEnd);
  }

  /** Called after the last argument. */
  decoded(): void {
    if (this.args.bad) throw new GarbageArguments();
  }

  /** The object of a handle; the reply will tell its attributes. */
  resolve(handle: Handle): Watched {
    if (handle.status !== Status.ok) fail(handle.status);
    const inode = this.files.find(handle.inode, handle.generation) ?? fail(Status.stale);
    const { size, mtime, ctime } = inode;
    const watched = { inode, before: { size, mtime, ctime } };
    this.watched.push(watched);
    return watched;
  }

  directory(handle: Handle): Watched {
    const watched = this.resolve(handle);
    if (watched.inode.type !== FileType.directory) fail(Status.notDirectory);
    return watched;
  }

  file(handle: Handle): Watched {
    const watched = this.resolve(handle);
    const { type } = watched.inode;
    if (type === FileType.directory) fail(Status.isDirectory);
    if (type !== FileType.regular) fail(Status.invalid);
    return watched;
  }
}

/** Throws when no entry can have this name. */
export function checkName(name: Uint8Array): void {
  if (name.length > LONGEST_NAME) fail(Status.nameTooLong);
  if (name.length === 0 || name.includes(SLASH) || name.includes(0)) fail(Status.invalid);
}

/** 1 for `.`, 2 for `..`, else 0 */
export function dots(name: Uint8Array): 0 | 1 | 2 {
  if (name.length === 1 && name[0] === DOT) return 1;
  return name.length === 2 && name[0] === DOT && name[1] === DOT ? 2 : 0;
}
