import type { ImageTree } from '../images/tree/tree.ts';

/** A package that is installed in an image, with its regular files. */
export interface ImagePackage {
  name: string;
  inodes: number[];
}

const DPKG = 'var/lib/dpkg/info';
const APK = 'lib/apk/db/installed';
/** A hostile image gets no more of the memory. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/** Packages of dpkg (Debian, Ubuntu) and apk (Alpine); none for other systems, whose databases are binary. */
export function imagePackages(tree: ImageTree): ImagePackage[] {
  return [...dpkgPackages(tree), ...apkPackages(tree)].filter(({ inodes }) => inodes.length > 0);
}

function dpkgPackages(tree: ImageTree): ImagePackage[] {
  const folder = tree.lookupPath(DPKG);
  if (folder === 0) return [];
  return [...tree.children(folder)].flatMap(({ name, inode }) => {
    const file = name.toString('latin1');
    if (!file.endsWith('.list')) return [];
    const paths = textOf(tree, inode).split('\n');
    return [{ name: file.slice(0, -'.list'.length).replace(/:.*/, ''), inodes: filesAt(tree, paths) }];
  });
}

/** Lines of a package: `P:` its name, `F:` a folder, `R:` a file in the folder before it; an empty line ends it. */
function apkPackages(tree: ImageTree): ImagePackage[] {
  const inode = tree.lookupPath(APK);
  const packages: ImagePackage[] = [];
  for (const block of inode === 0 ? [] : textOf(tree, inode).split('\n\n')) {
    let name = '';
    let folder = '';
    const paths: string[] = [];
    for (const line of block.split('\n')) {
      const value = line.slice(2);
      if (line.startsWith('P:')) name = value;
      else if (line.startsWith('F:')) folder = value;
      else if (line.startsWith('R:')) paths.push(`${folder}/${value}`);
    }
    packages.push({ name, inodes: filesAt(tree, paths) });
  }
  return packages;
}

function filesAt(tree: ImageTree, paths: readonly string[]): number[] {
  return paths.flatMap((path) => {
    const inode = path === '' ? 0 : tree.lookupPath(path, { follow: false });
    return inode !== 0 && tree.stat(inode).type === 'file' ? [inode] : [];
  });
}

function textOf(tree: ImageTree, inode: number): string {
  const { type, size } = tree.stat(inode);
  return type === 'file' && size <= MAX_LIST_BYTES ? tree.readFile(inode).toString() : '';
}
