import { BootyardError } from '../../errors.ts';
import type { ByteReader } from './byte-reader.ts';

/** What `lz4 -l` and Linux's initrds begin with: LZ4's legacy frame (lz4_Frame_format.md, "Legacy frame"). */
export const LZ4_LEGACY = 0x184c2102;
/** bytes of an unpacked block at most */
const BLOCK = 8 << 20;
const PACKED_BLOCK = BLOCK + (BLOCK >> 7);

/** Unpacks a legacy frame whose magic has been read. Throws `image.badCompression`. */
export async function* unpackLz4(input: ByteReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const header = await input.take(4);
    if (header.length < 4) return;
    const size = header.readUInt32LE(0);
    // Archives may follow each other; zeros fill up to the next one.
    if (size === 0 || size === LZ4_LEGACY) continue;
    if (size > PACKED_BLOCK) throw damaged();
    const packed = await input.take(size);
    if (packed.length < size) throw damaged();
    yield unpackBlock(packed);
  }
}

/** One block (lz4_Block_format.md): runs of literal bytes, each followed by a copy from what came before. */
export function unpackBlock(packed: Buffer): Buffer {
  const out = Buffer.allocUnsafe(BLOCK);
  let from = 0;
  let to = 0;
  /** A length whose first 4 bits are 15 goes on in bytes. */
  const extended = (first: number): number => {
    let length = first;
    for (let byte = first === 15 ? 255 : 0; byte === 255; length += byte) {
      byte = packed[from++] ?? -1;
      if (byte === -1) throw damaged();
    }
    return length;
  };
  while (from < packed.length) {
    const token = packed[from++] ?? 0;
    const literals = extended(token >> 4);
    if (from + literals > packed.length || to + literals > BLOCK) throw damaged();
    packed.copy(out, to, from, from + literals);
    from += literals;
    to += literals;
    // The last run has no copy after it.
    if (from === packed.length) break;
    if (from + 2 > packed.length) throw damaged();
    const offset = packed.readUInt16LE(from);
    from += 2;
    const length = extended(token & 15) + 4;
    if (offset === 0 || offset > to || to + length > BLOCK) throw damaged();
    // Byte by byte where the copy overlaps what it makes: that repeats a pattern.
    if (offset >= length) out.copy(out, to, to - offset, to - offset + length);
    else for (let at = to; at < to + length; at++) out[at] = out[at - offset] ?? 0;
    to += length;
  }
  return out.subarray(0, to);
}

function damaged(): BootyardError {
  return new BootyardError('image.badCompression', 'its lz4 data is damaged or cut off');
}
