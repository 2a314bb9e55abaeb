import { decodeXattrs } from './tree/layer-index.ts';
import { shown } from './tar/tar-path.ts';
import type { PackedTree, TreeArrays } from './tree/tree-arrays.ts';

/** Sentences on what of an image nodes will not see. */
export function importWarnings({ arrays }: PackedTree): string[] {
  const { xattrInode, xattrEnd, xattrs } = arrays;
  const [first] = xattrInode;
  if (first === undefined) return [];
  const [name = ''] = decodeXattrs(xattrs.subarray(xattrEnd[0], xattrEnd[1])).keys();
  const count = xattrInode.length.toLocaleString('en');
  const have = xattrInode.length === 1 ? 'entry has' : 'entries have';
  const example = `${shown(name)} of ${shown(pathOf(arrays, first))}`;
  return [
    `${count} ${have} extended attributes (${example}), which nodes only see in hybrid boot: NFS version 3 cannot carry them.`,
  ];
}

/** The path of an inode, the first one of a hard-linked file; latin1 text. */
function pathOf(tree: TreeArrays, inode: number): string {
  const names: string[] = [];
  for (let at = inode; at !== 1; at = tree.parent[at] ?? 1) names.unshift(nameOf(tree, at));
  return `/${names.join('/')}`;
}

function nameOf(tree: TreeArrays, inode: number): string {
  const directory = tree.parent[inode] ?? 1;
  const entry = tree.entryInode.subarray(tree.first[directory], tree.last[directory]).indexOf(inode);
  const at = (tree.first[directory] ?? 0) + entry;
  return Buffer.from(tree.names.subarray(tree.nameStart[at], tree.nameEnd[at])).toString('latin1');
}
