import { LONGEST_NAME } from '../nfs3-lookup.ts';
import { DIRECTORY_REPLY } from '../nfs3-directory.ts';
import { Status } from '../status.ts';
import { writePostOp } from './attributes.ts';
import type { ShareCall } from './call.ts';
import { LARGEST_FILE, MOST_LINKS } from './limits.ts';

const HARD_LINKS = 1;
const SYMBOLIC_LINKS = 2;
const HOMOGENEOUS = 8;
const TIMES_CAN_BE_SET = 16;
/** Objects that may still be made: bounded by the disk alone. */
const MANY_OBJECTS = 2 ** 31;

/** FSSTAT (RFC 1813 §3.3.18): the host's disk, without what is kept in reserve there. */
export function fileSystemStatus(call: ShareCall): void {
  begin(call);
  const { total, free, objects } = call.files.space();
  const { out } = call;
  for (const bytes of [total, free, free]) out.u64(bytes);
  for (const count of [objects + MANY_OBJECTS, MANY_OBJECTS, MANY_OBJECTS]) out.u64(count);
  out.u32(0);
}

/** FSINFO (RFC 1813 §3.3.19): what a client should ask for at once, bytes. */
export function fileSystemInfo(call: ShareCall): void {
  begin(call);
  const { out } = call;
  const most = call.request.dataLimit;
  for (const bytes of [most, most, 4096]) out.u32(bytes);
  for (const bytes of [most, most, 4096]) out.u32(bytes);
  out.u32(Math.min(DIRECTORY_REPLY, most));
  out.u64(LARGEST_FILE);
  out.u32(0);
  out.u32(1);
  out.u32(HARD_LINKS | SYMBOLIC_LINKS | HOMOGENEOUS | TIMES_CAN_BE_SET);
}

/** PATHCONF (RFC 1813 §3.3.20). */
export function pathConfiguration(call: ShareCall): void {
  begin(call);
  const { out } = call;
  out.u32(MOST_LINKS);
  out.u32(LONGEST_NAME);
  out.bool(true); // no_trunc
  out.bool(true); // chown_restricted
  out.bool(false); // case_insensitive
  out.bool(true); // case_preserving
}

function begin(call: ShareCall): void {
  const handle = call.handle();
  call.decoded();
  const { inode } = call.resolve(handle);
  call.out.u32(Status.ok);
  writePostOp(call, inode);
}
