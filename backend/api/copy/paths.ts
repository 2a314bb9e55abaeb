import { BootyardError } from '../../errors.ts';

/** WalT's word for the image that a node is booted on. */
export const BOOTED_IMAGE = 'booted-image';
const HOME_IN_NODE = '/root';

/** One end of a copy: a word of `node cp`, taken apart. */
export interface Location {
  /** undefined: on this host */
  node: string | undefined;
  /** absolute, without slashes at its end; otherwise as it was typed */
  path: string;
  /** the last component; undefined when that is no name (`/`, `.`, `..`) */
  name: string | undefined;
  /** it was typed as a folder: with a slash at its end, or without a name */
  asFolder: boolean;
  /** for people */
  text: string;
}

/** What a path is; `link` is a symbolic link that was not followed. */
export type PathType = 'folder' | 'file' | 'link' | 'special' | 'missing';

/** Where something is put under its own name, and the existing folder on that file system where the copy is prepared. */
export interface Target {
  path: string;
  workshop: string;
}

/** `NODE:PATH` if a colon stands before any slash, as scp has it. A relative path is below `folder`, or a node's /root. */
export function locationOf(word: string, folder: string): Location {
  const colon = word.indexOf(':');
  const slash = word.indexOf('/');
  const isInNode = colon > 0 && (slash < 0 || colon < slash);
  const node = isInNode ? word.slice(0, colon) : undefined;
  const typed = isInNode ? word.slice(colon + 1) : word;
  if (word === BOOTED_IMAGE || node === BOOTED_IMAGE) {
    throw new BootyardError(
      'node.cp',
      `'${BOOTED_IMAGE}' is only a destination, of a path in a node: node cp <node>:<path> ${BOOTED_IMAGE}.`,
    );
  }
  return located({ node, typed, folder: isInNode ? HOME_IN_NODE : folder, word });
}

/** A path as it was `typed` behind the name of a node, or on this host; a relative one is below `folder`. */
export function located({
  node,
  typed,
  folder,
  word,
}: {
  node?: string;
  typed: string;
  folder: string;
  word: string;
}): Location {
  const absolute = typed.startsWith('/') ? typed : `${folder}/${typed}`;
  const path = absolute.replace(/\/+$/, '') || '/';
  const last = path.slice(path.lastIndexOf('/') + 1);
  const name = last === '' || last === '.' || last === '..' ? undefined : last;
  return { node, path, name, asFolder: name === undefined || absolute.endsWith('/'), text: word };
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** What was found at a destination: itself (a link followed if it leads to a folder), its parent, and the name inside. */
export interface Found {
  itself: PathType;
  parent: PathType;
  inside: PathType;
}

/** The path that a source named `name` would get in a destination that is a folder. */
export function insideOf(to: Location, name: string | undefined): string {
  return name === undefined ? to.path : `${to.path === '/' ? '' : to.path}/${name}`;
}

/** Where the source goes, as with cp(1). Throws when that is not possible, in the sentences of `refusal`. */
export function targetOf(from: Location, type: PathType, to: Location, found: Found): Target {
  if (type === 'missing') throw refusal('missing', from.text, '');
  if (type === 'special') throw refusal('special', from.text, '');
  const isFolder = type === 'folder';
  if (found.itself === 'folder') {
    const path = insideOf(to, from.name);
    const existing = from.name === undefined ? 'folder' : found.inside;
    checkOverwriting(isFolder, existing, from.text, path);
    return { path, workshop: existing === 'folder' ? path : to.path };
  }
  if (found.parent !== 'folder' || to.name === undefined) {
    throw refusal('missing', to.name === undefined ? to.text : parentOf(to.path), '');
  }
  if (to.asFolder && (!isFolder || found.itself !== 'missing')) throw refusal('notFolder', to.text, '');
  checkOverwriting(isFolder, found.itself, from.text, to.text);
  return { path: to.path, workshop: parentOf(to.path) };
}

function checkOverwriting(isFolder: boolean, existing: PathType, from: string, target: string): void {
  if (existing === 'special') throw refusal('special', target, '');
  if (isFolder && (existing === 'file' || existing === 'link')) throw refusal('file', target, from);
  if (!isFolder && existing === 'folder') throw refusal('folder', target, from);
}

/** WalT's sentences. `file` and `folder` are what stands in the way. */
export function refusal(
  why: 'missing' | 'special' | 'notFolder' | 'file' | 'folder',
  path: string,
  source: string,
): BootyardError {
  const overwriting = (what: string, by: string) =>
    `Invalid request. Overwriting ${what} ${path} with ${by} ${source} is not allowed.`;
  const sentences = {
    missing: `No such file or directory: ${path}`,
    special: `${path} is neither a file nor a directory: it can be neither copied nor overwritten.`,
    notFolder: `Not a directory: ${path}`,
    file: overwriting('regular file', 'directory'),
    folder: overwriting('directory', 'regular file'),
  };
  return new BootyardError('node.cp', sentences[why]);
}
