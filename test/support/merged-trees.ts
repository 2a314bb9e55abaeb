import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import type { ImageTree } from '../../backend/images/tree/tree.ts';
import { file, folder, hardlink, link, listTree } from '../unit/images/support.ts';

export const paths = (tree: ImageTree): string[] => Object.keys(listTree(tree));
export const text = (tree: ImageTree, path: string): string =>
  tree.readFile(tree.lookupPath(path)).toString();
export const whiteout = (path: string): TarEntry => file(path.replace(/[^/]*$/, '.wh.$&'));
export const opaque = (path: string): TarEntry => file(`${path}/.wh..wh..opq`);

export const BASE = [
  folder('d', 0o750, { uid: 3, mtime: 9 }),
  file('d/a', 'old a'),
  file('d/b', 'old b'),
  folder('d/s'),
  file('d/s/deep', 'deep'),
  file('f', 'file'),
  hardlink('g', 'f'),
  link('l', 'd'),
];
