import { type TreePath, treePaths } from '../tree/manifest.ts';
import type { ImageTree } from '../tree/tree.ts';

/**
 * Paths, and behind them the other names of the files among them that have several: a layer that brings one name of a file
 * must bring all, or they would be two files. `isWanted` may leave other names out.
 */
export function withOtherNames(
  tree: ImageTree,
  paths: readonly TreePath[],
  isWanted: (path: string) => boolean = () => true,
): TreePath[] {
  const linked = new Set<number>();
  for (const { inode } of paths) {
    if (inode === 0) continue;
    const { type, links } = tree.stat(inode);
    if (type !== 'directory' && links > 1) linked.add(inode);
  }
  if (linked.size === 0) return [...paths];
  const there = new Set(paths.map(({ path }) => path));
  const others = [...treePaths(tree)].filter(
    ({ path, inode }) => linked.has(inode) && !there.has(path) && isWanted(path),
  );
  return [...paths, ...others];
}
