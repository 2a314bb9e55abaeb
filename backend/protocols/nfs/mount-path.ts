import type { NfsExports } from './handle.ts';
import { ServedTree } from './served-tree.ts';
import type { NfsShare } from './share/share.ts';
import { FileType } from './status.ts';

const ROOT_INODE = 1;
const DEEPEST = 64;

export type MountPoint = { served: ServedTree; inode: number } | { share: NfsShare } | { refused: string };

/**
 * What a client mounts by `path`: an exported tree, or as on the kernel's server a directory inside one. Slashes at the
 * end mean nothing. Links below the export are not followed: a client that wants that can mount the export itself.
 */
export function findMountPoint(exports: NfsExports, client: string, path: string): MountPoint {
  const parts = path.replace(/\/+$/, '').split('/');
  const whole = exports.mount(client, parts.join('/') || '/');
  if ('share' in whole) return whole;
  if ('tree' in whole) return { served: ServedTree.of(whole.tree), inode: ROOT_INODE };
  for (let length = parts.length - 1; length > 0 && parts.length - length <= DEEPEST; length--) {
    const outer = exports.mount(client, parts.slice(0, length).join('/') || '/');
    if (!('tree' in outer)) continue;
    const served = ServedTree.of(outer.tree);
    const inode = walk(served, parts.slice(length));
    return inode === 0 ? { refused: `${path} is no directory of the export` } : { served, inode };
  }
  return whole;
}

/** The directory below the root that the names lead to, or 0. */
function walk(served: ServedTree, names: string[]): number {
  let inode = ROOT_INODE;
  for (const name of names) {
    if (name === '' || name === '.') continue;
    const bytes = Buffer.from(name);
    inode = name === '..' ? served.tree.parent(inode) : served.tree.lookup(inode, bytes, 0, bytes.length);
    if (inode === 0 || served.type(inode) !== FileType.directory) return 0;
  }
  return inode;
}
