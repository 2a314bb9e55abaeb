import { FileType, Status } from '../status.ts';
import { writeChange } from './attributes.ts';
import { checkName, dots, type ShareCall, type Watched } from './call.ts';
import { fail } from './failure.ts';
import type { ShareInode } from './files.ts';
import { MOST_LINKS } from './limits.ts';
import { requireEntries, requireRemoval, requireWrite } from './permissions.ts';

/** A directory is moved below another one only when that is no deeper than this. */
const DEEPEST = 4096;

/**
 * RENAME (RFC 1813 §3.3.14): in one step, over what has the new name. A file that somebody has open goes the same way;
 * its client keeps it under another name when it wants to (silly rename).
 */
export function rename(call: ShareCall): void {
  const fromHandle = call.handle();
  const fromName = call.name();
  const toHandle = call.handle();
  const toName = call.name();
  call.decoded();
  const from = call.directory(fromHandle);
  const to = call.directory(toHandle);
  for (const name of [fromName, toName]) {
    checkName(name);
    if (dots(name) !== 0) fail(Status.invalid);
  }
  requireEntries(call, from.inode);
  requireEntries(call, to.inode);
  const moved = call.files.lookup(from.inode, fromName) ?? fail(Status.noEntry);
  const replaced = call.files.lookup(to.inode, toName);
  // Two names of one file: nothing is to be done.
  if (moved.inode === replaced?.inode) return finish(call, from, to);
  requireRemoval(call, from.inode, moved);
  if (moved.type === FileType.directory) checkMove(call, moved, from.inode, to.inode, replaced);
  if (replaced) checkReplaced(call, moved, to.inode, replaced);
  const places = [
    { directory: from.inode, name: fromName },
    { directory: to.inode, name: toName },
  ] as const;
  call.files.rename(...places, moved, replaced);
  finish(call, from, to);
}

function finish(call: ShareCall, from: Watched, to: Watched): void {
  call.out.u32(Status.ok);
  writeChange(call, from);
  writeChange(call, to);
}

function checkReplaced(call: ShareCall, moved: ShareInode, to: ShareInode, replaced: ShareInode): void {
  requireRemoval(call, to, replaced);
  const directory = replaced.type === FileType.directory;
  if (directory !== (moved.type === FileType.directory)) fail(Status.exists);
  if (directory && !call.files.isEmpty(replaced)) fail(Status.notEmpty);
}

/** A directory cannot go below itself; and `..` in it is changed, which takes the right to write it. */
function checkMove(
  call: ShareCall,
  moved: ShareInode,
  from: ShareInode,
  to: ShareInode,
  replaced: ShareInode | undefined,
): void {
  if (from.inode === to.inode) return;
  requireWrite(call, moved);
  if (!replaced && to.nlink >= MOST_LINKS) fail(Status.tooManyLinks);
  let above = to;
  for (let depth = 0; depth < DEEPEST; depth++) {
    if (above.inode === moved.inode) fail(Status.invalid);
    if (above.parent === above.inode) return;
    above = call.files.get(above.parent);
  }
  fail(Status.nameTooLong);
}
