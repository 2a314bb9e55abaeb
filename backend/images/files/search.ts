import { StringDecoder } from 'node:string_decoder';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { treePaths } from '../tree/manifest.ts';
import { pace } from '../pace.ts';
import type { ImportControl } from '../staging.ts';
import type { ImageTree } from '../tree/tree.ts';
import { escapedText } from './escaped-name.ts';

export interface SearchOptions {
  /** plain text, in names or in lines */
  text: string;
  in: 'names' | 'contents';
  caseSensitive: boolean;
  /** matches, at most */
  limit: number;
}
export interface Match {
  path: string;
  /** from 1; null: the name matches */
  line: number | null;
  /** characters before the match in its line */
  column: number;
  /** the line, or as much of it as can be shown */
  preview: string;
}
export interface FoundInImage {
  matches: Match[];
  /** there are more matches than the limit */
  isCut: boolean;
  /** files whose content was looked at, and those left out: binary, or too large */
  searched: number;
  skipped: number;
}

/** Larger files are left out of a search for text. */
const MAX_FILE = 16 << 20;
/** A NUL in so many bytes makes a file binary, as git has it. */
const BINARY_PROBE = 8000;
/** How much of a file is looked at in one turn of the event loop: a millisecond's work. */
const PIECE = 256 << 10;
const PER_FILE = 100;
const MAX_PREVIEW = 200;
const BEFORE = 60;

/**
 * Finds plain text in the names, or in the lines, of all that is below a folder: in the order of paths; links are not
 * followed, a file with several names is read once. Nodes are served meanwhile. Throws the reason of the signal.
 */
export async function searchTree(
  tree: ImageTree,
  from: { inode: number; path: Uint8Array },
  options: SearchOptions,
  control: ImportControl,
): Promise<FoundInImage> {
  const found: FoundInImage = { matches: [], isCut: false, searched: 0, skipped: 0 };
  const root = Buffer.from(from.path)
    .toString('latin1')
    .replace(/^\/+|\/+$/g, '');
  const needle = folded(Buffer.from(options.text), options.caseSensitive);
  const seen = new Set<number>();
  const isDue = pace();
  let count = 0;
  for (const { path, inode } of treePaths(tree, from.inode, root)) {
    if (++count % 256 === 0) await nextTurn();
    control.signal?.throwIfAborted();
    if (isDue()) {
      const message = `${found.matches.length} found; ${count} files looked at`;
      control.progress?.({ message, fraction: Math.min(1, count / tree.count) });
    }
    const bytes = Buffer.from(path, 'latin1');
    if (options.in === 'names') {
      const name = bytes.subarray(bytes.lastIndexOf(0x2f) + 1);
      const at = folded(name, options.caseSensitive).indexOf(needle);
      if (at >= 0 && inode !== from.inode) {
        const column = escapedText(name.subarray(0, at)).length;
        add(found, { path: absolute(bytes), line: null, column, preview: '' }, options.limit);
      }
    } else if (tree.stat(inode).type === 'file' && !seen.has(inode)) {
      seen.add(inode);
      const content = await textOf(tree, inode);
      if (content === undefined) found.skipped++;
      else {
        found.searched++;
        for await (const match of linesWith(content, needle, options.caseSensitive, control.signal))
          add(found, { path: absolute(bytes), ...match }, options.limit);
      }
    }
    if (found.isCut) break;
  }
  return found;
}

function add(found: FoundInImage, match: Match, limit: number): void {
  if (found.matches.length >= limit) found.isCut = true;
  else found.matches.push(match);
}

function absolute(path: Uint8Array): string {
  return `/${escapedText(path)}`;
}

/** undefined: binary, or too large */
async function textOf(tree: ImageTree, inode: number): Promise<Buffer | undefined> {
  const { size } = tree.stat(inode);
  if (size > MAX_FILE) return undefined;
  const probe = Buffer.allocUnsafe(Math.min(size, BINARY_PROBE));
  await tree.readCold(inode, 0, probe, 0, probe.length);
  if (probe.includes(0)) return undefined;
  if (size === probe.length) return probe;
  const content = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at += PIECE) await tree.readCold(inode, at, content, at, PIECE);
  return content;
}

/** ASCII letters in lower case, byte by byte, so that places stay the same. */
function folded(bytes: Buffer, caseSensitive: boolean): Buffer {
  if (caseSensitive) return bytes;
  const lower = Buffer.from(bytes);
  for (let at = 0; at < lower.length; at++) {
    const byte = lower[at] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) lower[at] = byte + 0x20;
  }
  return lower;
}

/** The first match of each line that has one, in so many lines. Nodes are served between two pieces. */
async function* linesWith(
  content: Buffer,
  needle: Buffer,
  caseSensitive: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Omit<Match, 'path'>> {
  const lines = new Lines(content);
  let from = 0;
  let given = 0;
  for (let piece = 0; piece < content.length && given < PER_FILE; piece += PIECE) {
    if (piece > 0) await nextTurn();
    signal?.throwIfAborted();
    // A match may begin in one piece and end in the next one.
    const haystack = folded(content.subarray(piece, piece + PIECE + needle.length - 1), caseSensitive);
    for (; given < PER_FILE; given++) {
      const at = haystack.indexOf(needle, Math.max(0, from - piece));
      if (at < 0) break;
      lines.pass(piece + at);
      const { line, start } = lines;
      const end = lines.endFrom(piece + at);
      yield {
        line,
        column: await columnOf(content, start, piece + at),
        preview: lines.preview(piece + at, end),
      };
      from = end + 1;
    }
    lines.pass(Math.min(piece + PIECE, content.length));
  }
}

/** Counts the lines of a text from its beginning on. */
class Lines {
  readonly #content: Buffer;
  #passed = 0;
  /** the line that `pass` has come to, and where it starts */
  line = 1;
  start = 0;

  constructor(content: Buffer) {
    this.#content = content;
  }

  pass(place: number): void {
    const part = this.#content.subarray(0, place);
    for (let at = part.indexOf(10, this.#passed); at >= 0; at = part.indexOf(10, at + 1)) {
      this.line++;
      this.start = at + 1;
    }
    this.#passed = place;
  }

  endFrom(place: number): number {
    const end = this.#content.indexOf(10, place);
    return end < 0 ? this.#content.length : end;
  }

  /** The line around a match, or a part of it. */
  preview(at: number, end: number): string {
    const start = Math.max(this.start, at - BEFORE);
    const text = this.#content.subarray(start, Math.min(end, start + MAX_PREVIEW)).toString();
    return `${start > this.start ? '…' : ''}${text.trim()}`;
  }
}

/** Characters of UTF-16 between two places, as editors count. */
async function columnOf(content: Buffer, start: number, end: number): Promise<number> {
  const decoder = new StringDecoder('utf8');
  let column = 0;
  for (let at = start; at < end; at += PIECE) {
    if (at > start) await nextTurn();
    column += decoder.write(content.subarray(at, Math.min(at + PIECE, end))).length;
  }
  return column + decoder.end().length;
}
