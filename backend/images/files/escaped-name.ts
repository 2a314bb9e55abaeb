import { BootyardError } from '../../errors.ts';
import { PATH_MAX } from '../tar/tar-path.ts';

/** What would not be seen for what it is. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/gu;
const ESCAPE = /%([0-9A-F]{2})/g;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The bytes of a name or path as text for people and URIs: UTF-8 as it is, and `%XX` for each byte that is none, or that
 * would not be seen (controls, line ends, marks of direction). `escapedBytes` gives the same bytes back.
 */
export function escapedText(name: Uint8Array): string {
  const bytes = Buffer.from(Buffer.from(name).toString('latin1').replace(ESCAPE, '%25$1'), 'latin1');
  const whole = decoded(bytes);
  if (whole !== undefined) return seen(whole);
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((count) => decoded(bytes.subarray(at, at + count)) !== undefined);
    const part = bytes.subarray(at, at + (length ?? 1));
    text += length === undefined ? percent(part) : seen(part.toString());
    at += part.length;
  }
  return text;
}

function seen(text: string): string {
  return text.replace(UNSEEN, (character) => percent(Buffer.from(character)));
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function percent(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

/** The bytes that `escapedText` has shown. Throws `file.badPath` for a NUL or a slash in disguise, and for endless ones. */
export function escapedBytes(text: string): Buffer {
  const latin1 = Buffer.from(text).toString('latin1');
  const bytes = Buffer.from(
    latin1.replace(ESCAPE, (_, hex: string) => {
      if (hex === '00' || hex === '2F') throw badPath(text);
      return String.fromCharCode(Number.parseInt(hex, 16));
    }),
    'latin1',
  );
  if (bytes.includes(0) || bytes.length >= PATH_MAX) throw badPath(text);
  return bytes;
}

function badPath(path: string): BootyardError {
  return new BootyardError('file.badPath', `No file can have the path ${JSON.stringify(path.slice(0, 80))}.`);
}
