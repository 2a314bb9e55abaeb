import { join } from 'node:path';
import type { ImageRecord, ImageStore } from '../../../backend/images/store.ts';
import { treePaths } from '../../../backend/images/tree/manifest.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import type { ImageTree } from '../../../backend/images/tree/tree.ts';
import { file, folder, hardlink, link, listTree, ociLayout, plainLayer, sha, tarOf } from './support.ts';

const bytes = (path: string): Partial<TarEntry> & { path: string } => ({ path, encoding: 'latin1' });
const MAP = Buffer.alloc(512);
MAP.write('3\n0\n512\n65536\n512\n100000\n0\n');
export const SPARSE: TarEntry = {
  ...file('sparse', '', { sparseSize: 100_000 }),
  content: Buffer.concat([MAP, Buffer.alloc(512, 'a'), Buffer.alloc(512, 'b')]),
};
const XATTRS = new Map([
  ['user.note', Buffer.from([0, 10, 255])],
  ['user.a=b%', Buffer.from('sign')],
  ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
]);
const LONG = `long/${'f'.repeat(200)}/${'g'.repeat(255)}`;

/** Layers with all that images are known to stumble over. */
export const NASTY: Buffer[] = [
  tarOf([
    folder('.', 0o711, { uid: 5, mtime: 1_600_000_000 }),
    folder('etc', 0o1777, { mtime: 1_600_000_001, mtimeNs: 123_456_789 }),
    file('etc/hosts', 'hosts', { uid: 3_000_000, gid: 4_000_000, mode: 0o6755, mtimeNs: 1 }),
    hardlink('etc/again', 'etc/hosts'),
    link('etc/link', '/etc/hosts'),
    hardlink('etc/link-too', 'etc/link'),
    folder('dev'),
    { path: 'dev/null', type: 'char', mode: 0o666, major: 1, minor: 3 },
    { path: 'dev/loop', type: 'block', mode: 0o660, major: 7, minor: 300 },
    { path: 'dev/fifo', type: 'fifo', mode: 0o600 },
    file(LONG, 'long'),
    link('long/link', 'x'.repeat(300)),
    { ...file('', 'bytes'), ...bytes('caf\xe9 \xff\n') },
    file('cap', 'x', { xattrs: XATTRS }),
    folder('attributes', 0o700, { xattrs: new Map([['user.x', Buffer.from('')]]) }),
    SPARSE,
    folder('opaque'),
    file('opaque/gone', 'gone'),
    file('turns', 'a file first'),
    folder('other-way'),
    file('other-way/inside', 'inside'),
    file('removed', 'removed'),
    file('implied/deep/file', 'x'),
  ]),
  tarOf([
    file('.wh.removed'),
    folder('opaque', 0o750),
    file('opaque/.wh..wh..opq'),
    file('opaque/new', 'new'),
    hardlink('lower', 'etc/hosts'),
    folder('turns'),
    file('turns/inside', 'x'),
    file('other-way', 'now a file'),
  ]),
  tarOf([]),
  tarOf([file('turns', 'a file again'), folder('etc', 0o755)]),
];

/** The same and so many layers more that there are `count`. */
export function manyLayers(count: number): Buffer[] {
  const more = Array.from({ length: count - NASTY.length }, (_, at) =>
    tarOf(at % 3 === 2 ? [] : [file(`n${at % 40}`, String(at))]),
  );
  return [...NASTY, ...more];
}

export async function importLayers(
  store: ImageStore,
  home: string,
  layers: readonly Buffer[],
  name: string,
  config: Record<string, unknown> = {},
): Promise<ImageRecord> {
  const path = join(home, `layout-${name}-${sha(Buffer.concat(layers)).slice(0, 8)}`);
  ociLayout(path, layers.map(plainLayer), config);
  return await store.import({ path, name });
}

/** `listTree` and what that leaves out: nanoseconds, extended attributes, holes. */
export function fullListing(tree: ImageTree): Record<string, string> {
  const listing = listTree(tree);
  for (const { path, inode } of treePaths(tree)) {
    const xattrs = [...tree.xattrs(inode)].map(([name, value]) => `${name}=${value.toString('hex')}`);
    const isSparse = tree.stat(inode).type === 'file' && tree.position(inode) === undefined;
    const holes = isSparse ? tree.pieces(inode) : [];
    listing[`/${path}`] += ` ${tree.mtime(inode).nanoseconds} ${xattrs.join()} ${JSON.stringify(holes)}`;
  }
  return listing;
}
