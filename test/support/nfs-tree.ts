import type { NfsExports } from '../../backend/protocols/nfs/handle.ts';
import { MemoryTree, type MemoryEntry } from './memory-tree.ts';
import { xdr } from './rpc-client.ts';

export const TREE_ID = 0x0123_4567_89ab_cdefn;
export const BAD_UTF8 = Buffer.from([0xff, 0xfe, 0x41]);

/** A small tree with one of each. Inodes are the places in this list, from 1. */
export const entries: MemoryEntry[] = [
  { path: '', type: 'directory', mode: 0o755 },
  { path: 'etc', type: 'directory', mode: 0o755 },
  { path: 'etc/passwd', type: 'file', mode: 0o640, uid: 5, gid: 7, content: Buffer.from('root:x:0:0\n') },
  { path: 'link', type: 'link', mode: 0o777, target: '../etc/passwd' },
  { path: 'null', type: 'character', mode: 0o666, major: 1, minor: 3 },
  { path: BAD_UTF8, type: 'file', mode: 0o755, content: Buffer.from('abc') },
  { path: 'huge', type: 'file', mode: 0o600, size: 5 * 2 ** 32 + 17 },
  { path: 'many', type: 'directory', mode: 0o700 },
  { path: 'hard', type: 'file', same: 'etc/passwd' },
  { path: 'big', type: 'file', size: 3 * 1024 * 1024 + 5 },
];
export const Inode = {
  root: 1,
  etc: 2,
  passwd: 3,
  link: 4,
  null: 5,
  bad: 6,
  huge: 7,
  many: 8,
  big: 9,
} as const;
/** files of the directory `many` */
export const MANY = 500;

export function smallTree(id = TREE_ID): MemoryTree {
  const many: MemoryEntry[] = [];
  for (let file = 0; file < MANY; file++) {
    many.push({ path: `many/${'x'.repeat(file % 60)}${file}`, type: 'file', content: Buffer.alloc(0) });
  }
  return new MemoryTree(id, [...entries, ...many]);
}

/** `client` may mount `/export`; nobody else anything. */
export function exportTo(client: string, tree: MemoryTree): NfsExports {
  return {
    mount: (from, path) =>
      from === client && path === '/export' ? { tree } : { refused: `${path} is not exported` },
    tree: (from, id) => (from === client && id === tree.id ? tree : undefined),
    list: (from) => (from === client ? ['/export'] : []),
  };
}

/** nfs_fh3 without its length */
export function handleOf(tree: MemoryTree, inode: number): Buffer {
  return xdr().u32(0x42594648).u64(tree.id).u32(inode, tree.pathHash(inode)).bytes();
}
