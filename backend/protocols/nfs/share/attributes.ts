import { FileType, Status } from '../status.ts';
import type { XdrReader, XdrWriter } from '../xdr.ts';
import { dots, type ShareCall, type Watched } from './call.ts';
import { fail, failureParts } from './failure.ts';
import type { Change, ShareInode } from './files.ts';
import { LARGEST_FILE } from './limits.ts';
import { accessRights, isOwner, isRoot, inGroup, requireWrite } from './permissions.ts';

const SECOND = 1_000_000_000n;
const MODE_BITS = 0o7777;
const SET_USER = 0o4000;
const SET_GROUP = 0o2000;
const GROUP_EXECUTE = 0o010;

/** fattr3 (RFC 1813 §2.6) */
export function writeAttributes(call: ShareCall, inode: ShareInode): void {
  const { out, files } = call;
  for (const word of [inode.type, inode.mode, inode.nlink, inode.uid, inode.gid]) out.u32(word);
  out.u64(inode.size);
  out.u64(inode.used);
  out.u32(inode.major);
  out.u32(inode.minor);
  out.u32(Number(files.id >> 32n));
  out.u32(Number(files.id & 0xffff_ffffn));
  out.u64(inode.inode);
  for (const time of [inode.atime, inode.mtime, inode.ctime]) writeTime(out, time);
}

/** post_op_attr */
export function writePostOp(call: ShareCall, inode: ShareInode | undefined): void {
  call.out.bool(inode !== undefined);
  if (inode) writeAttributes(call, inode);
}

/** wcc_data: size and times of before, attributes of now */
export function writeChange(call: ShareCall, watched: Watched | undefined): void {
  const { out } = call;
  out.bool(watched !== undefined);
  if (watched) {
    out.u64(watched.before.size);
    writeTime(out, watched.before.mtime);
    writeTime(out, watched.before.ctime);
  }
  writePostOp(call, watched?.inode);
}

/** The whole of a reply that is not OK. */
export function writeFailure(call: ShareCall, status: number): void {
  call.out.u32(status);
  const parts = failureParts[call.request.procedure] ?? [];
  for (const [index, part] of parts.entries()) {
    const watched = call.watched[index];
    if (part === 'change') writeChange(call, watched);
    else writePostOp(call, watched?.inode);
  }
}

function writeTime(out: XdrWriter, time: bigint): void {
  out.u32(Number(time / SECOND));
  out.u32(Number(time % SECOND));
}

/** GETATTR (RFC 1813 §3.3.1). */
export function getAttributes(call: ShareCall): void {
  const handle = call.handle();
  call.decoded();
  const { inode } = call.resolve(handle);
  call.out.u32(Status.ok);
  writeAttributes(call, inode);
}

/** sattr3 (RFC 1813 §2.6) */
export interface AskedAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  /** ns, or the server's time */
  atime?: bigint | 'now';
  mtime?: bigint | 'now';
}

export function readAskedAttributes(args: XdrReader): AskedAttributes {
  const asked: AskedAttributes = {};
  if (args.u32() !== 0) asked.mode = args.u32() & MODE_BITS;
  if (args.u32() !== 0) asked.uid = args.u32();
  if (args.u32() !== 0) asked.gid = args.u32();
  if (args.u32() !== 0) asked.size = args.u64();
  asked.atime = readAskedTime(args);
  asked.mtime = readAskedTime(args);
  return asked;
}

const SET_TO_SERVER_TIME = 1;
const SET_TO_CLIENT_TIME = 2;

function readAskedTime(args: XdrReader): bigint | 'now' | undefined {
  const how = args.u32();
  if (how === SET_TO_SERVER_TIME) return 'now';
  return how === SET_TO_CLIENT_TIME ? readTime(args) : undefined;
}

function readTime(args: XdrReader): bigint {
  const seconds = BigInt(args.u32());
  return seconds * SECOND + BigInt(args.u32() % 1_000_000_000);
}

/** SETATTR (RFC 1813 §3.3.2): all that is asked for, or nothing. */
export function setAttributes(call: ShareCall): void {
  const handle = call.handle();
  const asked = readAskedAttributes(call.args);
  const guard = call.args.u32() !== 0 ? readTime(call.args) : undefined;
  call.decoded();
  const watched = call.resolve(handle);
  const { inode } = watched;
  if (guard !== undefined && guard !== inode.ctime) fail(Status.notSync);
  applyAttributes(call, inode, asked);
  call.out.u32(Status.ok);
  writeChange(call, watched);
}

/** Checks the caller's right to each change, then makes them. Nothing asked for changes nothing. */
export function applyAttributes(call: ShareCall, inode: ShareInode, asked: AskedAttributes): void {
  checkRights(call, inode, asked);
  const { size } = asked;
  if (size !== undefined) {
    if (inode.type === FileType.directory) fail(Status.isDirectory);
    if (inode.type !== FileType.regular) fail(Status.invalid);
    if (size > LARGEST_FILE) fail(Status.fileTooBig);
    requireWrite(call, inode);
  }
  const change = changeOf(call, inode, asked);
  // The disk may refuse a size; the rest it cannot.
  if (size !== undefined) call.files.truncate(inode, size);
  if (Object.keys(change).length > 0) call.files.change(inode, change);
}

/** As Linux: modes and times are the owner's, owners are root's, a group may be one of the owner's. */
function checkRights(call: ShareCall, inode: ShareInode, asked: AskedAttributes): void {
  if (isRoot(call)) return;
  const owner = isOwner(call, inode);
  if (asked.uid !== undefined && !(owner && asked.uid === inode.uid)) fail(Status.notOwner);
  if (asked.gid !== undefined && !(owner && (asked.gid === inode.gid || inGroup(call, asked.gid))))
    fail(Status.notOwner);
  if (owner) return;
  if (asked.mode !== undefined) fail(Status.notOwner);
  if (typeof asked.atime === 'bigint' || typeof asked.mtime === 'bigint') fail(Status.notOwner);
  if (asked.atime === 'now' || asked.mtime === 'now') requireWrite(call, inode);
}

function changeOf(call: ShareCall, inode: ShareInode, asked: AskedAttributes): Change {
  const change: Change = {};
  const { uid, gid } = asked;
  const mode = newMode(call, inode, asked);
  if (mode !== inode.mode || asked.mode !== undefined) change.mode = mode;
  if (uid !== undefined) change.uid = uid;
  if (gid !== undefined) change.gid = gid;
  const { atime, mtime } = asked;
  if (atime !== undefined) change.atime = atime === 'now' ? call.files.now() : atime;
  if (mtime !== undefined) change.mtime = mtime === 'now' ? call.files.now() : mtime;
  return change;
}

/** A new owner, and a new size by another than root, take the set-id bits off; clients leave that to the server. */
function newMode(call: ShareCall, inode: ShareInode, asked: AskedAttributes): number {
  let mode = asked.mode ?? inode.mode;
  if (asked.mode !== undefined && !isRoot(call) && !inGroup(call, asked.gid ?? inode.gid)) mode &= ~SET_GROUP;
  const newOwner = asked.uid !== undefined || asked.gid !== undefined;
  const cleared = inode.type !== FileType.directory && newOwner;
  return cleared || (asked.size !== undefined && !isRoot(call)) ? withoutSetId(mode) : mode;
}

/** Set-group-id without group execution means mandatory locking, and stays. */
export function withoutSetId(mode: number): number {
  return mode & ~SET_USER & ((mode & GROUP_EXECUTE) === 0 ? MODE_BITS : ~SET_GROUP);
}

/** ACCESS (RFC 1813 §3.3.4). */
export function access(call: ShareCall): void {
  const handle = call.handle();
  const asked = call.args.u32();
  call.decoded();
  const { inode } = call.resolve(handle);
  call.out.u32(Status.ok);
  writePostOp(call, inode);
  call.out.u32(asked & accessRights(call, inode));
}

/** READLINK (RFC 1813 §3.3.5). */
export function readLink(call: ShareCall): void {
  const handle = call.handle();
  call.decoded();
  const { inode } = call.resolve(handle);
  if (inode.type !== FileType.link) fail(Status.invalid);
  call.out.u32(Status.ok);
  writePostOp(call, inode);
  call.out.opaque(call.files.linkTarget(inode));
}

/** What `name` means in a directory; `.` and `..` too. */
export function found(call: ShareCall, directory: ShareInode, name: Uint8Array): ShareInode | undefined {
  const special = dots(name);
  if (special === 1) return directory;
  if (special === 2) return call.files.get(directory.parent);
  return call.files.lookup(directory, name);
}
