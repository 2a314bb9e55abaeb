import { bufferSource } from '../file-source.ts';
import type { FileSource } from '../file-source.ts';

const lineFeed = 10;
const carriageReturn = 13;

/**
 * The file as netascii (RFC 764): LF becomes CR LF, CR becomes CR NUL. It is converted whole, since blocks that are sent
 * again need any position: undefined when it is larger than `most` bytes.
 */
export function netasciiSource(source: FileSource, most: number): FileSource | undefined {
  if (source.size > most) return undefined;
  const original = new Uint8Array(source.size);
  const length = source.read(original, 0);
  const converted = new Uint8Array(2 * length);
  let at = 0;
  for (let index = 0; index < length; index++) {
    const byte = original[index] ?? 0;
    if (byte === lineFeed) converted[at++] = carriageReturn;
    converted[at++] = byte;
    if (byte === carriageReturn) converted[at++] = 0;
  }
  return bufferSource(converted.slice(0, at));
}
