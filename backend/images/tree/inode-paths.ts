import type { ImageTree } from './tree.ts';

/**
 * Paths of inodes, without a leading slash, as UTF-8; of several names the first. One pass over the directories' entries
 * without an object for each: a tree may have a million.
 */
export function inodePaths(tree: ImageTree, inodes: ReadonlySet<number>): Map<number, string> {
  /** where the name of a directory, or of an inode that is asked for, is; and the directory that it stands in */
  const entries = new Map<number, { entry: number; parent: number }>();
  for (let parent = 1; parent <= tree.count; parent++) {
    if (!tree.isDirectory(parent)) continue;
    for (let entry = tree.entryStart(parent); entry < tree.entryEnd(parent); entry++) {
      const inode = tree.entryInode(entry);
      const isWanted = inodes.has(inode) || tree.isDirectory(inode);
      if (isWanted && !entries.has(inode)) entries.set(inode, { entry, parent });
    }
  }
  const pathOf = (inode: number): string => {
    const found = entries.get(inode);
    if (!found) return '';
    const { entry, parent } = found;
    const name = Buffer.from(tree.names.subarray(tree.nameStart(entry), tree.nameEnd(entry))).toString();
    return parent === 1 ? name : `${pathOf(parent)}/${name}`;
  };
  return new Map([...inodes].map((inode) => [inode, pathOf(inode)]));
}
