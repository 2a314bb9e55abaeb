import type { ImageTree } from '../images/tree/tree.ts';
import { rpmPackages } from './rpm-packages.ts';

/** A package that is installed in an image, with its regular files. */
export interface ImagePackage {
  name: string;
  inodes: number[];
}

const DPKG = 'var/lib/dpkg/info';
const APK = 'lib/apk/db/installed';
/** The second is mostly a link to the first. */
const RPM = ['usr/lib/sysimage/rpm/rpmdb.sqlite', 'var/lib/rpm/rpmdb.sqlite'];
/** A hostile image gets no more of the memory. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;
const MAX_DATABASE_BYTES = 256 * 1024 * 1024;

/** Packages of dpkg (Debian, Ubuntu), apk (Alpine) and rpm (Fedora, and RHEL and its kin from 9 on); of other systems none. */
export function imagePackages(tree: ImageTree): ImagePackage[] {
  const all = [...dpkgPackages(tree), ...apkPackages(tree), ...packagesOfRpm(tree)];
  return all.filter(({ inodes }) => inodes.length > 0);
}

function packagesOfRpm(tree: ImageTree): ImagePackage[] {
  const inode = RPM.map((path) => tree.lookupPath(path)).find((found) => found !== 0);
  if (inode === undefined) return [];
  const packages = rpmPackages(contentOf(tree, inode, MAX_DATABASE_BYTES));
  return packages.map(({ name, paths }) => ({ name, inodes: filesAt(tree, paths) }));
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
  return contentOf(tree, inode, MAX_LIST_BYTES).toString();
}

/** Of what is no regular file, or larger, nothing. */
function contentOf(tree: ImageTree, inode: number, most: number): Buffer {
  const { type, size } = tree.stat(inode);
  return type === 'file' && size <= most ? tree.readFile(inode) : Buffer.alloc(0);
}
