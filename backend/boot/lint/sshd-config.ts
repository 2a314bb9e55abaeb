import type { LintImage } from './image.ts';

const FOLDER = '/etc/ssh';
const MAX_FILES = 64;
const MAX_DEPTH = 16;
const MAX_LINES = 20_000;
/** Includes that are followed, and names that each is compared with: a hostile image gets no more of the time. */
const MAX_INCLUDES = 16;
const MAX_PATTERN = 64;
const MAX_NAMES = 500;

/** What sshd_config says outside of Match blocks: keyword in lower case → its words, the first mention first. */
export type SshdConfig = ReadonlyMap<string, readonly { words: string[]; path: string }[]>;

/**
 * Reads an image's sshd_config as sshd_config(5) describes it: the first value of a keyword counts, `Include` stands for
 * the files that it names, in their order, and a `Match` block ends with its file.
 */
export function readSshdConfig(image: LintImage): SshdConfig {
  const found = new Map<string, { words: string[]; path: string }[]>();
  let files = 0;
  let lines = 0;
  let includes = 0;
  const read = (path: string, depth: number): void => {
    if (depth > MAX_DEPTH || ++files > MAX_FILES) return;
    for (const line of image.text(path).split('\n')) {
      const words = wordsOf(line);
      const keyword = words.shift()?.toLowerCase();
      if (keyword === undefined || ++lines > MAX_LINES) continue;
      if (keyword === 'match') return;
      if (keyword === 'include') {
        for (const pattern of words) {
          if (++includes > MAX_INCLUDES || pattern.length > MAX_PATTERN) break;
          for (const included of matching(image, pattern)) read(included, depth + 1);
        }
        continue;
      }
      const entries = found.get(keyword) ?? [];
      entries.push({ words, path });
      found.set(keyword, entries);
    }
  };
  read(`${FOLDER}/sshd_config`, 0);
  return found;
}

/** Words at blanks, the keyword also at an equals sign; quoted ones are one word; # begins a comment. */
function wordsOf(line: string): string[] {
  const text = line.trim().slice(0, 4096);
  if (text.startsWith('#')) return [];
  const words = text.replace(/^(\w+)\s*=\s*/, '$1 ').match(/"[^"]*"|#.*|[^\s"]+/g) ?? [];
  const comment = words.findIndex((word) => word.startsWith('#'));
  return (comment < 0 ? words : words.slice(0, comment)).map((word) => word.replaceAll('"', ''));
}

/** Files that an Include names; * and ? only stand in the last part, as everybody has it. */
function matching(image: LintImage, pattern: string): string[] {
  const path = pattern.startsWith('/') ? pattern : `${FOLDER}/${pattern}`;
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  if (!/[*?]/.test(name)) return [path];
  const folder = path.slice(0, slash);
  return image
    .names(folder)
    .slice(0, MAX_NAMES)
    .filter((candidate) => matchesPattern(candidate, name) && !candidate.startsWith('.'))
    .sort()
    .map((candidate) => `${folder}/${candidate}`);
}

/** * for any text, ? for one character; in time that is linear in both for each star. */
export function matchesPattern(text: string, pattern: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let next = 0;
  while (at < text.length) {
    if (pattern[next] === '*') {
      star = next++;
      retry = at;
    } else if (next < pattern.length && (pattern[next] === '?' || pattern[next] === text[at])) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++retry;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(next));
}
