import { posix } from 'node:path';
import type { LayerIndex } from '../../images/tree/layer-index.ts';
import type { TarEntry } from '../../images/tar/tar-writer.ts';
import type { ImageTree } from '../../images/tree/tree.ts';

const WHITEOUT = '.wh.';

/**
 * A layer as overlayfs wants a lower directory (kernel: Documentation/filesystems/overlayfs.rst): whiteouts are character
 * devices 0/0, no name goes through a symbolic link, and each folder has the attributes it has in the whole tree, as the
 * topmost layer's are those that count. Paths are bytes as latin1 text.
 */
export function overlayEntries(tree: ImageTree, layer: LayerIndex): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const addFolder = (path: string, inode: number): void => {
    if (path !== '') addFolder(parent(path), tree.parent(inode));
    if (!entries.has(path)) entries.set(path, folderEntry(tree, path === '' ? '.' : path, inode));
  };
  for (let at = 0; at < layer.count; at++) {
    const layerPath = layer.path(at);
    if (layerPath === '') continue;
    const folder = tree.lookupPath(Buffer.from(parent(layerPath), 'latin1'));
    if (folder === 0) continue;
    const place = pathOf(tree, folder);
    addFolder(place, folder);
    const base = layerPath.slice(layerPath.lastIndexOf('/') + 1);
    const path = posix.join(place, base.startsWith(WHITEOUT) ? base.slice(WHITEOUT.length) : base);
    const inode = tree.lookupPath(Buffer.from(path, 'latin1'), { follow: false });
    if (inode === 0) entries.set(path, { path, type: 'char', mode: 0, major: 0, minor: 0 });
    else if (tree.stat(inode).type === 'directory') addFolder(path, inode);
    else entries.set(path, fileEntry(tree, path, inode));
  }
  return [...entries.values()];
}

function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The path of a folder without any link in it; '' for the root. */
function pathOf(tree: ImageTree, folder: number): string {
  if (folder === 1) return '';
  const above = tree.parent(folder);
  for (const child of tree.children(above)) {
    if (child.inode === folder) return posix.join(pathOf(tree, above), child.name.toString('latin1'));
  }
  throw new Error(`folder ${folder} is not in its parent`);
}

function folderEntry(tree: ImageTree, path: string, inode: number): TarEntry {
  return { ...attributes(tree, inode), path, type: 'directory' };
}

function fileEntry(tree: ImageTree, path: string, inode: number): TarEntry {
  const own = attributes(tree, inode);
  if (tree.stat(inode).type === 'symlink')
    return { ...own, path, type: 'symlink', target: Buffer.from(tree.linkTarget(inode)).toString('latin1') };
  return { ...own, path, type: 'file', content: tree.readFile(inode) };
}

function attributes(tree: ImageTree, inode: number): Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'> {
  const { mode, uid, gid, mtimeMs } = tree.stat(inode);
  return { mode, uid, gid, mtime: Math.floor(mtimeMs / 1000) };
}
