import { Status } from '../status.ts';
import { withoutSetId, writeChange, writePostOp } from './attributes.ts';
import type { ShareCall } from './call.ts';
import { fail } from './failure.ts';
import { LARGEST_FILE } from './limits.ts';
import { isRoot, requireRead, requireWrite } from './permissions.ts';

/** stable_how (RFC 1813 §3.3.7) */
const UNSTABLE = 0;
const FILE_SYNC = 2;
/** Bytes before the data of a READ: status, attributes, count, eof, length. */
const DATA_OFFSET = 4 + 88 + 12;

/** READ (RFC 1813 §3.3.6). */
export function read(call: ShareCall): void {
  const handle = call.handle();
  const offset = call.args.u64();
  const asked = call.args.u32();
  call.decoded();
  const { inode } = call.file(handle);
  requireRead(call, inode);
  const { out, files } = call;
  const wanted = Math.max(0, Math.min(asked, call.request.dataLimit, inode.size - offset));
  const data = out.bytes.subarray(DATA_OFFSET, DATA_OFFSET + wanted);
  const count = wanted === 0 ? 0 : files.read(inode, offset, data);
  out.u32(Status.ok);
  writePostOp(call, inode);
  out.u32(count);
  out.bool(offset + count >= inode.size);
  out.u32(count);
  out.position += count;
  out.pad(count);
}

/** WRITE (RFC 1813 §3.3.7). What is asked for as DATA_SYNC is done as FILE_SYNC. */
export function write(call: ShareCall): void {
  const { args, out, files } = call;
  const handle = call.handle();
  const offset = args.u64();
  const count = args.u32();
  const stable = args.u32();
  const length = args.opaque(call.request.dataLimit);
  const data = args.bytes.subarray(args.opaqueStart, args.opaqueStart + Math.min(count, length));
  call.decoded();
  const watched = call.file(handle);
  const { inode } = watched;
  requireWrite(call, inode);
  if (stable > FILE_SYNC || count > length) fail(Status.invalid);
  if (offset + data.length > LARGEST_FILE) fail(Status.fileTooBig);
  const mode = isRoot(call) ? inode.mode : withoutSetId(inode.mode);
  if (data.length > 0) files.write(inode, offset, data, stable !== UNSTABLE);
  if (mode !== inode.mode) files.change(inode, { mode });
  out.u32(Status.ok);
  writeChange(call, watched);
  out.u32(data.length);
  out.u32(stable === UNSTABLE ? UNSTABLE : FILE_SYNC);
  writeVerifier(call);
}

/** COMMIT (RFC 1813 §3.3.21): of the whole file, whatever range is asked for. */
export function commit(call: ShareCall): void {
  const handle = call.handle();
  call.args.skip(12);
  call.decoded();
  const watched = call.file(handle);
  call.files.commit(watched.inode);
  call.out.u32(Status.ok);
  writeChange(call, watched);
  writeVerifier(call);
}

/** writeverf3: when it is another one than before, what was written and not committed is to be written again. */
function writeVerifier({ out, files }: ShareCall): void {
  out.u64(files.writeVerifier);
}
