import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { BootyardError } from '../errors.ts';
import { byProgram } from './tar/decompress.ts';
import { type Diff, diffLayer } from './diff-layer.ts';
import { decodeXattrs, EntryType, type LayerIndex } from './tree/layer-index.ts';
import type { StagedLayer, Staging } from './staging.ts';
import { shown } from './tar/tar-path.ts';
import type { ImageTree } from './tree/tree.ts';
import { keptXattrs, type Xattrs } from './tree/xattr-list.ts';

export interface HostCopy {
  /** absolute, on this host */
  source: string;
  isFolder: boolean;
  /** where it goes: path in the image without links on its way, relative, latin1 text; '' is the root */
  target: string;
  /** keep owners and extended attributes; otherwise all is root's */
  archive: boolean;
  /** what to throw when something in the image stands in the way; `path` is absolute */
  inTheWay: (what: 'file' | 'folder' | 'special', path: string) => Error;
}

/**
 * The layer that puts a file or a folder of this host into an image, as cp(1) does: modes, times, links; a folder that is
 * there is merged with, and stays as it is. `layer` is undefined when the image has all that already. Throws what
 * `inTheWay` gives, and sentences for what cannot be read.
 */
export async function hostLayer(copy: HostCopy, base: ImageTree, staging: Staging): Promise<Diff> {
  const packed = await pack(copy, staging);
  const xattrs = copy.archive ? xattrsOf(packed.index) : new Map<string, Xattrs>();
  const dump = { ...packed, index: moved(packed.index, copy) };
  if (copy.archive) setHostOwners(dump.index);
  check(dump.index, copy, base);
  const isThere = (path: string): boolean => typeAt(base, path) === 'directory';
  return await diffLayer(
    {
      ...{ dump, base, injected: [], isExcluded: isThere },
      xattrs: { found: movedKeys(xattrs, copy), seesImage: true },
    },
    staging,
  );
}

/** With GNU tar, which alone reads extended attributes. */
async function pack({ source, isFolder, archive }: HostCopy, staging: Staging): Promise<StagedLayer> {
  const { signal, progress } = staging.control;
  progress?.({ message: `Reading ${source}` });
  const owners = archive
    ? ['--xattrs', '--xattrs-include=security.capability', '--xattrs-include=user.*']
    : [];
  if (!archive) owners.push('--owner=0', '--group=0');
  const args = [
    ...['--create', '--file=-', '--format=pax', '--pax-option=delete=atime,delete=ctime', '--sort=name'],
    ...['--numeric-owner', '--no-unquote', ...owners],
    `--directory=${isFolder ? source : dirname(source)}`,
    isFolder ? '.' : `./${basename(source)}`,
  ];
  const refused = `${source} cannot be read`;
  try {
    const blob = await staging.write(byProgram(['tar', ...args], undefined, refused, signal));
    return await staging.indexed(blob, { needsEnd: true });
  } catch (error) {
    if (!(error instanceof BootyardError) || error.code !== 'image.badData') throw error;
    throw new BootyardError(
      'image.cp',
      error.message.replace('The image is refused: ', 'Nothing was copied: '),
    );
  }
}

/** A path of the packed folder or file as path in the image. */
function place(path: string, { isFolder, target }: HostCopy): string {
  return isFolder ? [target, path].filter(Boolean).join('/') : target;
}

function moved(index: LayerIndex, copy: HostCopy): LayerIndex {
  const link = (entry: number): string =>
    index.arrays.type[entry] === EntryType.hardlink ? place(index.link(entry), copy) : index.link(entry);
  return { ...index, path: (entry) => place(index.path(entry), copy), link };
}

function movedKeys(xattrs: ReadonlyMap<string, Xattrs>, copy: HostCopy): Map<string, Xattrs> {
  return new Map([...xattrs].map(([path, found]) => [place(path, copy), found]));
}

function xattrsOf(index: LayerIndex): Map<string, Xattrs> {
  const { arrays } = index;
  const found = new Map<string, Xattrs>();
  for (let at = 0; at < index.count; at++) {
    const bytes = arrays.xattrs.subarray(arrays.xattrEnd[at], arrays.xattrEnd[at + 1]);
    if (bytes.length > 0) found.set(index.path(at), keptXattrs(decodeXattrs(bytes)));
  }
  return found;
}

function check(index: LayerIndex, { inTheWay }: HostCopy, base: ImageTree): void {
  for (let at = 0; at < index.count; at++) {
    const path = index.path(at);
    if (path.split('/').some((name) => name.startsWith('.wh.'))) throw reserved(path);
    const type = typeAt(base, path);
    if (type === undefined) continue;
    const absolute = `/${Buffer.from(path, 'latin1').toString('utf8')}`;
    if (index.arrays.type[at] === EntryType.directory) {
      if (type !== 'directory') throw inTheWay('file', absolute);
    } else if (type === 'directory') throw inTheWay('folder', absolute);
    else if (type !== 'file' && type !== 'symlink') throw inTheWay('special', absolute);
  }
}

function reserved(path: string): BootyardError {
  return new BootyardError(
    'image.cp',
    `Nothing was copied: ${shown(path)} has a name that begins with '.wh.', which means in images that a file is gone.`,
  );
}

/** What the image has at a path; links on its way are not followed. */
function typeAt(base: ImageTree, path: string): ReturnType<ImageTree['stat']>['type'] | undefined {
  let inode = 1;
  for (const part of path === '' ? [] : path.split('/')) {
    const name = Buffer.from(part, 'latin1');
    inode = base.lookup(inode, name, 0, name.length);
    if (inode === 0) return undefined;
  }
  return base.stat(inode).type;
}

/** A directory's path: relative, latin1 text; '' is the root. */
export function directoryPath(tree: ImageTree, directory: number): string {
  const names: string[] = [];
  for (let at = directory; at !== 1; at = tree.parent(at)) {
    for (const { name, inode } of tree.children(tree.parent(at))) {
      if (inode === at) names.unshift(name.toString('latin1'));
    }
  }
  return names.join('/');
}

/** What the kernel shows for owners that a user namespace does not have (/proc/sys/kernel/overflowuid). */
const OVERFLOW = 65534;
const ALL_IDS = 0xffffffff;

/** In the lab's user namespace owners have other numbers than on the host; those that it cannot tell are root's. */
function setHostOwners({ arrays }: LayerIndex): void {
  for (const field of ['uid', 'gid'] as const) {
    const ranges = readFileSync(`/proc/self/${field}_map`, 'utf8').trim().split('\n');
    const map = ranges.map((line) => line.trim().split(/\s+/).map(Number));
    arrays[field].forEach((id, at) => (arrays[field][at] = hostOwner(id, map)));
  }
}

/** `map`: lines of user_namespaces(7)'s uid_map: first number inside, first number outside, how many */
export function hostOwner(id: number, map: readonly (readonly number[])[]): number {
  const isHost = map.some(([, , count]) => count === ALL_IDS);
  const range = map.find(([inside = 0, , count = 0]) => id >= inside && id < inside + count);
  if (!range || (id === OVERFLOW && !isHost)) return 0;
  const [inside = 0, outside = 0] = range;
  return id - inside + outside;
}
