import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { directoryPath } from '../copy-in.ts';
import { type TreePath, treePaths } from '../tree/manifest.ts';
import type { Staging, StagedLayer } from '../staging.ts';
import { END_OF_TAR, entryHeader, padding, type TarEntry } from '../tar/tar-writer.ts';
import { tarOf } from '../tree/tree-tar.ts';
import type { ImageTree } from '../tree/tree.ts';
import { escapedBytes } from './escaped-name.ts';
import { refused } from './image-files.ts';
import { withOtherNames } from './names-of.ts';

const Path = z.string().startsWith('/');
/** Content of a file that is written by the editor, in base64: 24 MB */
const Content = z.base64().max(32_000_000);
/** One change of an image's tree. Paths as `escapedText` writes them; links on the way, and a last one of `write`, are followed. */
export const Edit = z.discriminatedUnion('do', [
  /** keeps owner, mode, names and attributes of a file that is there (not its capabilities, as Linux); a new one is root's, 0644 */
  z.object({
    do: z.literal('write'),
    path: Path,
    data: Content,
    /** may make a new file, may replace one */
    create: z.boolean().default(true),
    overwrite: z.boolean().default(true),
  }),
  z.object({ do: z.literal('makeFolder'), path: Path }),
  z.object({ do: z.literal('remove'), path: Path, recursive: z.boolean().default(false) }),
  z.object({ do: z.literal('rename'), from: Path, path: Path, overwrite: z.boolean().default(false) }),
  z.object({ do: z.literal('copy'), from: Path, path: Path, overwrite: z.boolean().default(false) }),
]);
export type Edit = z.infer<typeof Edit>;

/** Where a name is, or would be: its folder's real path; relative, latin1 text. */
export interface Place {
  path: string;
  /** 0: nothing is there */
  inode: number;
}

/** A file of a layer that is written anew. */
export interface NewFile {
  entry: TarEntry;
  content?: Buffer;
}

/** The layer that does an edit to a tree. Throws `file.*`, as `ImageFiles`, and `file.exists`, `file.notEmpty`. */
export async function editLayer(tree: ImageTree, edit: Edit, staging: Staging): Promise<StagedLayer> {
  const blob = await staging.write(editTar(tree, edit, staging));
  return await staging.indexed(blob, { needsEnd: true });
}

function editTar(tree: ImageTree, edit: Edit, staging: Staging): AsyncIterable<Uint8Array> {
  const paths = (list: TreePath[]): AsyncIterable<Uint8Array> =>
    tarOf(tree, () => list, 'Writing', staging.control);
  switch (edit.do) {
    case 'write':
      return written(tree, edit);
    case 'makeFolder':
      return entries([{ entry: { ...newEntry(free(tree, edit.path).path, 0o755), type: 'directory' } }]);
    case 'remove':
      return paths([{ path: removable(tree, edit).path, inode: 0 }]);
    case 'rename':
    case 'copy':
      return paths(movedPaths(tree, edit));
  }
}

function written(tree: ImageTree, edit: Extract<Edit, { do: 'write' }>): AsyncIterable<Uint8Array> {
  const content = Buffer.from(edit.data, 'base64');
  const { path, inode } = placeOf(tree, edit.path, { follow: true });
  if (inode === 0) {
    if (!edit.create) throw refused('missing', edit.path);
    return entries([{ entry: newEntry(path, 0o644), content }]);
  }
  const { type, mode } = tree.stat(inode);
  if (type === 'directory') throw refused('isFolder', edit.path);
  if (type !== 'file') throw refused('special', edit.path);
  if (!edit.overwrite) throw refused('exists', edit.path);
  const xattrs = new Map([...tree.xattrs(inode)].filter(([name]) => name !== 'security.capability'));
  return entries(changedFile(tree, { path, inode }, { content, mode, xattrs }));
}

/** A file with other content under all its names; its owner stays, and its mode and attributes unless others are given. */
export function changedFile(
  tree: ImageTree,
  { path, inode }: Place,
  change: { content: Buffer; mode?: number | undefined; xattrs?: TarEntry['xattrs'] },
): NewFile[] {
  const { uid, gid, mode: old } = tree.stat(inode);
  const { content, mode = old, xattrs = tree.xattrs(inode) } = change;
  const first: TarEntry = { ...newEntry(path, mode), uid, gid, xattrs };
  const others = withOtherNames(tree, [{ path, inode }]).slice(1);
  const links = others.map((other) => ({
    entry: { ...newEntry(other.path, mode), type: 'hardlink' as const, target: path },
  }));
  return [{ entry: first, content }, ...links];
}

export function newEntry(path: string, mode: number): TarEntry {
  return { path, encoding: 'latin1', type: 'file', mode, mtime: Date.now() / 1000 };
}

/** A tar of them. */
export async function* entries(list: readonly NewFile[]): AsyncGenerator<Uint8Array> {
  for (const { entry, content = Buffer.alloc(0) } of list) {
    yield entryHeader(entry, content.length);
    yield content;
    yield padding(content.length);
  }
  yield END_OF_TAR;
}

function removable(tree: ImageTree, edit: Extract<Edit, { do: 'remove' }>): Place {
  const place = existing(tree, edit.path);
  const isFolder = tree.stat(place.inode).type === 'directory';
  const isEmpty = tree.entryStart(place.inode) === tree.entryEnd(place.inode);
  if (isFolder && !isEmpty && !edit.recursive) throw refused('notEmpty', edit.path);
  return place;
}

function movedPaths(tree: ImageTree, edit: Extract<Edit, { do: 'rename' | 'copy' }>): TreePath[] {
  const from = existing(tree, edit.from);
  const to = placeOf(tree, edit.path);
  if (to.inode !== 0 && !edit.overwrite) throw refused('exists', edit.path);
  if (`${to.path}/`.startsWith(`${from.path}/`))
    throw new BootyardError('file.badPath', `${edit.from} cannot be put into itself.`);
  const gone: TreePath[] = [];
  if (edit.do === 'rename') gone.push({ path: from.path, inode: 0 });
  if (to.inode !== 0) gone.push({ path: to.path, inode: 0 });
  const put = [...treePaths(tree, from.inode, to.path)];
  if (edit.do === 'copy') return [...gone, ...put];
  const isMoved = (path: string): boolean => `${path}/`.startsWith(`${from.path}/`);
  return [...gone, ...withOtherNames(tree, put, (path) => !isMoved(path))];
}

function free(tree: ImageTree, path: string): Place {
  const place = placeOf(tree, path);
  if (place.inode !== 0) throw refused('exists', path);
  return place;
}

export function existing(tree: ImageTree, path: string, options?: { follow: boolean }): Place {
  const place = placeOf(tree, path, options);
  if (place.inode === 0) throw refused('missing', path);
  return place;
}

/** Of a last link the place that it leads to, with `follow`. */
export function placeOf(tree: ImageTree, path: string, { follow = false } = {}): Place {
  const text = escapedBytes(path).toString('latin1').replace(/\/+$/, '');
  const slash = text.lastIndexOf('/');
  const name = text.slice(slash + 1);
  const parts = text.split('/');
  if (name === '' || parts.includes('..') || parts.includes('.')) throw refused('missing', path);
  if (name.startsWith('.wh.')) {
    const why = `${path} has a name that begins with '.wh.', which means in images that a file is gone.`;
    throw new BootyardError('file.denied', why);
  }
  const bytes = Buffer.from(text, 'latin1');
  const folder = tree.lookupPath(bytes.subarray(0, slash));
  if (folder === 0) throw refused('missing', path);
  if (tree.stat(folder).type !== 'directory') throw refused('notFolder', path);
  const itself = tree.lookupPath(bytes, { follow: false });
  if (follow && itself !== 0 && tree.stat(itself).type === 'symlink') {
    const behind = tree.lookupPath(bytes);
    if (behind === 0) throw refused('missing', path);
    return { path: pathOf(tree, behind), inode: behind };
  }
  return { path: [directoryPath(tree, folder), name].filter(Boolean).join('/'), inode: itself };
}

/** One path of an inode; relative, latin1 text. */
function pathOf(tree: ImageTree, inode: number): string {
  if (tree.stat(inode).type === 'directory') return directoryPath(tree, inode);
  const folder = tree.parent(inode);
  const name = [...tree.children(folder)].find((child) => child.inode === inode)?.name.toString('latin1');
  return [directoryPath(tree, folder), name].filter(Boolean).join('/');
}
