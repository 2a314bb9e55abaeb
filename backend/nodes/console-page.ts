import { randomUUID } from 'node:crypto';
import type { ConsoleLog } from './console-log.ts';

/** Bytes that a console has printed, from a cursor on. */
export interface ConsolePage {
  bytes: Uint8Array;
  /** where the next page begins */
  cursor: string;
  /** more is there now than fitted */
  more: boolean;
  /** what lay before the page is not there (any more): it begins with the oldest that is */
  gap: boolean;
}

/** UTF-8 has four bytes at most, escape sequences that are worth waiting for hardly more than these. */
const LONGEST_SEQUENCE = 64;

/**
 * Reads a console's log page by page, for readers that keep no connection. Cursors belong to this object: one of another
 * daemon, or of before the last power-on, leads to the oldest byte that is kept.
 */
export class ConsolePages {
  readonly #log: ConsoleLog;
  readonly #own = randomUUID().slice(0, 8);

  constructor(log: ConsoleLog) {
    this.#log = log;
  }

  /** Without a cursor from the oldest byte on. */
  read(cursor: string | undefined, maxBytes: number): ConsolePage {
    this.#log.look();
    const from = this.#positionOf(cursor);
    const { position, bytes } = this.#log.read(from ?? this.#log.start, maxBytes);
    const more = position + bytes.length < this.#log.end;
    const text = bytes.subarray(0, textLength(bytes, more));
    return {
      bytes: text,
      cursor: `${this.#own}.${position + text.length}`,
      more,
      gap: cursor !== undefined && position !== from,
    };
  }

  #positionOf(cursor: string | undefined): number | undefined {
    const [, owner, digits] = /^(\w{8})\.(\d{1,15})$/.exec(cursor ?? '') ?? [];
    const position = Number(digits);
    return owner === this.#own && position <= this.#log.end ? position : undefined;
  }
}

/** How many of the bytes are whole lines, when more waits behind them, or else whole characters and escape sequences. */
export function textLength(bytes: Uint8Array, more: boolean): number {
  const lineEnd = more ? bytes.lastIndexOf(10) + 1 : 0;
  if (lineEnd > 0) return lineEnd;
  const begin = Math.max(0, bytes.length - LONGEST_SEQUENCE);
  const tail = Buffer.from(bytes.subarray(begin)).toString('latin1');
  // ECMA-48: ESC alone, CSI without its final byte, a string (OSC and others) without its end.
  // oxlint-disable-next-line no-control-regex
  const escape = tail.search(/\x1b(?:[ -/]*|\[[0-?]*[ -/]*|[PX\]^_][^\x07\x1b]*\x1b?)$/);
  if (escape >= 0) return begin + escape;
  // RFC 3629: a lead byte with fewer bytes behind it than it announces.
  const character = tail.search(/(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})$/);
  return character >= 0 ? begin + character : bytes.length;
}
