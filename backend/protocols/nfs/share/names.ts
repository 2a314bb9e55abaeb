import { FileType, Status } from '../status.ts';
import {
  applyAttributes,
  found,
  readAskedAttributes,
  writeChange,
  writePostOp,
  type AskedAttributes,
} from './attributes.ts';
import { checkName, dots, type Handle, type ShareCall, type Watched } from './call.ts';
import { handleOf, writeHandle } from './directory.ts';
import { fail } from './failure.ts';
import type { NewObject, ShareInode } from './files.ts';
import { LONGEST_TARGET, MOST_LINKS } from './limits.ts';
import { isRoot, requireEntries, requireRemoval, requireSearch } from './permissions.ts';

const LONGEST_ARGUMENT = 8192;
const SET_GROUP = 0o2000;
const VERIFIER_BYTES = 8;
/** createmode3 (RFC 1813 §3.3.8) */
const UNCHECKED = 0;
const EXCLUSIVE = 2;

/** LOOKUP (RFC 1813 §3.3.3). */
export function lookup(call: ShareCall): void {
  const handle = call.handle();
  const name = call.name();
  call.decoded();
  const directory = call.directory(handle).inode;
  checkName(name);
  requireSearch(call, directory);
  const object = found(call, directory, name) ?? fail(Status.noEntry);
  call.out.u32(Status.ok);
  call.out.opaque(handleOf(call.files.id, object));
  writePostOp(call, object);
  writePostOp(call, directory);
}

/** CREATE (RFC 1813 §3.3.8). */
export function create(call: ShareCall): void {
  const { args, files } = call;
  const handle = call.handle();
  const name = call.name();
  const how = args.u32();
  const asked = how === EXCLUSIVE ? {} : readAskedAttributes(args);
  const verifier = how === EXCLUSIVE ? readVerifier(call) : undefined;
  call.decoded();
  if (how > EXCLUSIVE) fail(Status.invalid);
  const directory = openForEntry(call, handle, name);
  const known = found(call, directory.inode, name);
  if (!known) {
    const object = { type: FileType.regular, mode: asked.mode ?? 0, verifier };
    return finishNew(call, directory, addObject(call, directory.inode, name, object, asked));
  }
  const again = verifier !== undefined && sameBytes(files.verifierOf(known), verifier);
  const reusable = known.type === FileType.regular && (how === UNCHECKED || again);
  if (!reusable) fail(Status.exists);
  // As Linux: of a file that is there, only the size is set.
  if (asked.size !== undefined) applyAttributes(call, known, { size: asked.size });
  finishNew(call, directory, known);
}

/** MKDIR (RFC 1813 §3.3.9). */
export function makeDirectory(call: ShareCall): void {
  const handle = call.handle();
  const name = call.name();
  const asked = readAskedAttributes(call.args);
  call.decoded();
  const directory = openForNew(call, handle, name);
  if (directory.inode.nlink >= MOST_LINKS) fail(Status.tooManyLinks);
  // Everything below a set-group-id directory belongs to its group.
  const inherited = directory.inode.mode & SET_GROUP;
  const object = { type: FileType.directory, mode: (asked.mode ?? 0o755) | inherited };
  finishNew(call, directory, addObject(call, directory.inode, name, object, asked));
}

/** SYMLINK (RFC 1813 §3.3.10). */
export function makeLink(call: ShareCall): void {
  const { args } = call;
  const handle = call.handle();
  const name = call.name();
  const asked = readAskedAttributes(args);
  args.opaque(LONGEST_ARGUMENT);
  const target = args.bytes.slice(args.opaqueStart, args.opaqueEnd);
  call.decoded();
  const directory = openForNew(call, handle, name);
  if (target.length > LONGEST_TARGET) fail(Status.nameTooLong);
  if (target.length === 0 || target.includes(0)) fail(Status.invalid);
  const object = { type: FileType.link, mode: 0o777, target };
  finishNew(call, directory, addObject(call, directory.inode, name, object, { ...asked, mode: undefined }));
}

/** MKNOD (RFC 1813 §3.3.11). */
export function makeNode(call: ShareCall): void {
  const { args } = call;
  const handle = call.handle();
  const name = call.name();
  const type = args.u32();
  const device = type === FileType.character || type === FileType.block;
  const known = device || type === FileType.socket || type === FileType.fifo;
  const asked = known ? readAskedAttributes(args) : {};
  const [major, minor] = device ? [args.u32(), args.u32()] : [0, 0];
  call.decoded();
  const directory = openForNew(call, handle, name);
  if (!known) fail(Status.badType);
  if (device && !isRoot(call)) fail(Status.notOwner);
  const object = { type, mode: asked.mode ?? 0o644, major, minor };
  finishNew(call, directory, addObject(call, directory.inode, name, object, asked));
}

/** REMOVE (RFC 1813 §3.3.12). */
export function remove(call: ShareCall): void {
  const { directory, name, object } = findForRemoval(call);
  if (object.type === FileType.directory) fail(Status.isDirectory);
  call.files.unlink(directory.inode, name, object);
  call.out.u32(Status.ok);
  writeChange(call, directory);
}

/** RMDIR (RFC 1813 §3.3.13). */
export function removeDirectory(call: ShareCall): void {
  const { directory, name, object } = findForRemoval(call);
  if (object.type !== FileType.directory) fail(Status.notDirectory);
  if (!call.files.isEmpty(object)) fail(Status.notEmpty);
  call.files.unlink(directory.inode, name, object);
  call.out.u32(Status.ok);
  writeChange(call, directory);
}

/** LINK (RFC 1813 §3.3.15). */
export function link(call: ShareCall): void {
  const fileHandle = call.handle();
  const handle = call.handle();
  const name = call.name();
  call.decoded();
  const file = call.resolve(fileHandle).inode;
  const directory = openForNew(call, handle, name);
  if (file.type === FileType.directory) fail(Status.invalid);
  if (file.nlink >= MOST_LINKS) fail(Status.tooManyLinks);
  call.files.link(file, directory.inode, name);
  call.out.u32(Status.ok);
  writePostOp(call, file);
  writeChange(call, directory);
}

/** A directory in which the caller may make a name. */
function openForEntry(call: ShareCall, handle: Handle, name: Uint8Array): Watched {
  const directory = call.directory(handle);
  checkName(name);
  requireEntries(call, directory.inode);
  return directory;
}

/** The same, where nothing has that name yet. */
function openForNew(call: ShareCall, handle: Handle, name: Uint8Array): Watched {
  const directory = openForEntry(call, handle, name);
  if (found(call, directory.inode, name)) fail(Status.exists);
  return directory;
}

function findForRemoval(call: ShareCall): { directory: Watched; name: Uint8Array; object: ShareInode } {
  const handle = call.handle();
  const name = call.name();
  call.decoded();
  const directory = call.directory(handle);
  checkName(name);
  if (dots(name) === 1) fail(Status.invalid);
  if (dots(name) === 2) fail(Status.notEmpty);
  requireEntries(call, directory.inode);
  const object = call.files.lookup(directory.inode, name) ?? fail(Status.noEntry);
  requireRemoval(call, directory.inode, object);
  return { directory, name, object };
}

/** Makes the object as the caller's, and then as it was asked for. */
function addObject(
  call: ShareCall,
  directory: ShareInode,
  name: Uint8Array,
  what: Omit<NewObject, 'uid' | 'gid'>,
  asked: AskedAttributes,
): ShareInode {
  const { uid, gid } = call.request;
  const group = (directory.mode & SET_GROUP) === 0 ? gid : directory.gid;
  const object = call.files.create(directory, name, { ...what, uid, gid: group });
  const { mode: _, size, ...rest } = asked;
  // Who may not give it away keeps it; that is no reason to have no file.
  const allowed = isRoot(call) ? rest : { ...rest, uid: undefined, gid: undefined };
  const wanted = size && object.type === FileType.regular ? { ...allowed, size } : allowed;
  try {
    applyAttributes(call, object, wanted);
  } catch (error) {
    call.files.unlink(directory, name, object);
    throw error;
  }
  return object;
}

/** Results of CREATE, MKDIR, SYMLINK and MKNOD. */
function finishNew(call: ShareCall, directory: Watched, object: ShareInode): void {
  call.out.u32(Status.ok);
  writeHandle(call, object);
  writePostOp(call, object);
  writeChange(call, directory);
}

function readVerifier({ args }: ShareCall): Uint8Array {
  const start = args.position;
  args.skip(VERIFIER_BYTES);
  return args.bytes.slice(start, start + VERIFIER_BYTES);
}

function sameBytes(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0;
}
