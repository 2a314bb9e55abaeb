import { stripVTControlCharacters } from 'node:util';

/**
 * Bytes of a serial line as text: without escape sequences, one line per line, other control characters as `\xNN`; what
 * is not UTF-8 is U+FFFD.
 */
export function consoleText(bytes: Uint8Array): string {
  return stripVTControlCharacters(Buffer.from(bytes).toString('utf8'))
    .replace(/\r+\n?|\n/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, (character) => `\\x${hex(character)}`);
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).padStart(2, '0');
}
