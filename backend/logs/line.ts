import { isUtf8 } from 'node:buffer';

/** Longest line that is kept whole; a longer one comes in pieces of this size. Bytes. */
export const MAX_LINE = 64 * 1024;

/** Bytes of a line as text: UTF-8 where they are UTF-8 and latin1 where not, so that no byte is lost. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    isUtf8(bytes) ? 'utf8' : 'latin1',
  );
}
