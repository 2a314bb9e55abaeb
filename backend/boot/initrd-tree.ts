/** What the initrd builder needs of an image's tree. Inodes are numbers, 0 means "none". */
export interface InitrdTree {
  /** the inode at an absolute path, links followed inside the tree */
  lookupPath(path: string): number;
  children(inode: number): Iterable<{ name: Uint8Array; inode: number }>;
  stat(inode: number): { type: string; size: number };
  readFile(inode: number): Buffer;
}

export function readText(tree: InitrdTree, path: string): string {
  return readIfFile(tree, path)?.toString('latin1') ?? '';
}

export function readIfFile(tree: InitrdTree, path: string): Buffer | undefined {
  const inode = tree.lookupPath(path);
  return inode !== 0 && tree.stat(inode).type === 'file' ? tree.readFile(inode) : undefined;
}

/** Names of the entries of a folder; none when there is no such folder. */
export function filesBelow(tree: InitrdTree, folder: string): string[] {
  const inode = tree.lookupPath(folder);
  if (inode === 0 || tree.stat(inode).type !== 'directory') return [];
  return [...tree.children(inode)].map(({ name }) => Buffer.from(name).toString('latin1'));
}
