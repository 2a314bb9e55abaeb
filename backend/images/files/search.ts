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
        const haystack = folded(content, options.caseSensitive);
        for (const match of linesWith(content, haystack, needle))
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
  await tree.readCold(inode, 0, content, 0, size);
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

/** The first match of each line that has one. */
function* linesWith(content: Buffer, haystack: Buffer, needle: Buffer): Generator<Omit<Match, 'path'>> {
  let line = 1;
  let counted = 0;
  let given = 0;
  for (let at = haystack.indexOf(needle); at >= 0 && given < PER_FILE; given++) {
    for (let end = content.indexOf(10, counted); end >= 0 && end < at; end = content.indexOf(10, counted)) {
      line++;
      counted = end + 1;
    }
    const end = content.indexOf(10, at);
    const stop = end < 0 ? content.length : end;
    const before = content.subarray(counted, at).toString();
    const start = Math.max(counted, at - BEFORE);
    const preview = content.subarray(start, Math.min(stop, start + MAX_PREVIEW)).toString();
    yield { line, column: before.length, preview: `${start > counted ? '…' : ''}${preview.trim()}` };
    if (end < 0) return;
    at = haystack.indexOf(needle, end + 1);
  }
}
