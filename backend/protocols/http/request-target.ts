import { posix } from 'node:path';

/** What a request asks for: the path below `/boot`, with a slash before it, and the query. */
export interface BootTarget {
  /** the whole path, decoded, for messages */
  asked: string;
  /** below `/boot`, e.g. `/start.ipxe`; without `.`, `..` and double slashes */
  path: string;
  query: URLSearchParams;
}
export interface RefusedTarget {
  asked: string;
  status: 400 | 404 | 414;
  cause: string;
}

/** Longest request target, characters. iPXE's are below 300. */
const LONGEST = 4096;
const PREFIX = '/boot/';

/**
 * Decodes a request target. iPXE percent-encodes the spaces, parentheses and commas of SMBIOS names; others send them
 * as they are; both mean the same. `..` is resolved after decoding and cannot lead above the root.
 */
export function parseTarget(target: string): BootTarget | RefusedTarget {
  const shown = target.slice(0, 200);
  if (target.length > LONGEST) return refuse(shown, 414, `the path is longer than ${LONGEST} characters`);
  const [rawPath, rawQuery] = split(target.replace(/^http:\/\/[^/]*/i, ''));
  const decoded = decode(rawPath);
  if (decoded === undefined) return refuse(shown, 400, 'the path is not valid percent-encoded UTF-8');
  if (hasControl(decoded)) return refuse(shown, 400, 'the path contains a control character');
  if (!decoded.startsWith('/')) return refuse(shown, 400, 'the path does not begin with a slash');
  const asked = posix.normalize(decoded.replaceAll('\\', '/'));
  if (!asked.startsWith(PREFIX) || asked === PREFIX) return refuse(asked, 404, 'only /boot/… is served');
  return { asked, path: asked.slice(PREFIX.length - 1), query: new URLSearchParams(rawQuery) };
}

function refuse(asked: string, status: RefusedTarget['status'], cause: string): RefusedTarget {
  return { asked, status, cause };
}

/** At the first question mark; a fragment, which no client should send, is cut off. */
function split(target: string): [string, string] {
  const whole = target.replace(/#.*$/s, '');
  const mark = whole.indexOf('?');
  return mark < 0 ? [whole, ''] : [whole.slice(0, mark), whole.slice(mark + 1)];
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Such a path is in no image, and would harm the terminal that shows it. */
function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
