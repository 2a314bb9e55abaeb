import { FileType, Status } from '../status.ts';
import type { ShareCall } from './call.ts';
import { fail } from './failure.ts';
import type { ShareInode } from './files.ts';

/**
 * Who may do what, from AUTH_SYS and the mode bits, as the kernel's server does it without root squashing: root may all,
 * save execute what has no execute bit; and an owner may read and write what he has open, whatever the mode says now.
 */
const ROOT = 0;
const READ = 4;
const WRITE = 2;
const EXECUTE = 1;
const STICKY = 0o1000;

/** ACCESS bits (RFC 1813 §3.3.4). */
const Access = { read: 1, lookup: 2, modify: 4, extend: 8, delete: 16, execute: 32 } as const;

export function isRoot(call: ShareCall): boolean {
  return call.request.uid === ROOT;
}
export function isOwner(call: ShareCall, inode: ShareInode): boolean {
  return call.request.uid === inode.uid;
}
export function inGroup(call: ShareCall, gid: number): boolean {
  return call.request.gid === gid || call.request.groups.includes(gid);
}

export function accessRights(call: ShareCall, inode: ShareInode): number {
  const bits = granted(call, inode);
  const directory = inode.type === FileType.directory;
  let rights = bits & READ ? Access.read : 0;
  if (bits & EXECUTE) rights |= directory ? Access.lookup : Access.execute;
  if (bits & WRITE) rights |= Access.modify | Access.extend | (directory ? Access.delete : 0);
  return rights;
}

/** The right to find names in a directory. */
export function requireSearch(call: ShareCall, directory: ShareInode): void {
  require(call, directory, EXECUTE);
}
/** The right to list a directory. */
export function requireList(call: ShareCall, directory: ShareInode): void {
  require(call, directory, READ);
}
/** The right to add and remove names. */
export function requireEntries(call: ShareCall, directory: ShareInode): void {
  require(call, directory, WRITE | EXECUTE);
}
/** Programs that may be executed must be read for that. */
export function requireRead(call: ShareCall, file: ShareInode): void {
  if (!isOwner(call, file) && (granted(call, file) & (READ | EXECUTE)) === 0) fail(Status.access);
}
export function requireWrite(call: ShareCall, file: ShareInode): void {
  if (!isOwner(call, file)) require(call, file, WRITE);
}

/** In a sticky directory only an owner, of the object or of the directory, may take a name away. */
export function requireRemoval(call: ShareCall, directory: ShareInode, object: ShareInode): void {
  requireEntries(call, directory);
  const sticky = (directory.mode & STICKY) !== 0 && !isRoot(call);
  if (sticky && !isOwner(call, directory) && !isOwner(call, object)) fail(Status.access);
}

function require(call: ShareCall, inode: ShareInode, bits: number): void {
  if ((granted(call, inode) & bits) !== bits) fail(Status.access);
}

function granted(call: ShareCall, inode: ShareInode): number {
  const { mode } = inode;
  if (isRoot(call)) {
    const runs = inode.type === FileType.directory || (mode & 0o111) !== 0;
    return READ | WRITE | (runs ? EXECUTE : 0);
  }
  if (isOwner(call, inode)) return (mode >> 6) & 7;
  return (inGroup(call, inode.gid) ? mode >> 3 : mode) & 7;
}
