import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import type { ImageTree } from '../../../backend/images/tree/tree.ts';
import { Fattr, FATTR_SIZE } from '../../../backend/images/tree/tree-arrays.ts';
import { file, folder, hardlink, link, listTree, tarOf, testFolder, treeOf } from './support.ts';
import { paths, text, whiteout, opaque, BASE } from '../../support/merged-trees.ts';

describe('layers', () => {
  test('a later file takes the place of an earlier one', () => {
    const tree = treeOf([BASE, [file('d/a', 'new a', { mode: 0o600 })]]);
    expect(text(tree, 'd/a')).toBe('new a');
    expect(tree.stat(tree.lookupPath('d/a')).mode).toBe(0o600);
    expect(text(tree, 'd/b')).toBe('old b');
    expect(tree.stat(tree.lookupPath('d'))).toMatchObject({ mode: 0o750, uid: 3, mtimeMs: 9000, links: 3 });
  });
  test('a whiteout hides a file, a directory and nothing', () => {
    const tree = treeOf([BASE, [whiteout('d/a'), whiteout('d/s'), whiteout('no/such'), whiteout('nothing')]]);
    expect(paths(tree)).toEqual(['/', '/d', '/d/b', '/f', '/g', '/l']);
    expect(tree.stat(tree.lookupPath('d')).links).toBe(2);
  });
  test('a whiteout takes one link of a file away', () => {
    const tree = treeOf([BASE, [whiteout('f')]]);
    expect(text(tree, 'g')).toBe('file');
    expect(tree.stat(tree.lookupPath('g')).links).toBe(1);
  });
  test('a whiteout hides lower layers only, wherever it stands in the tar', () => {
    for (const layer of [
      [whiteout('d'), folder('d'), file('d/new', 'n')],
      [folder('d'), file('d/new', 'n'), whiteout('d')],
      [file('d/new', 'n'), whiteout('d')],
    ]) {
      expect(paths(treeOf([BASE, layer]))).toEqual(['/', '/d', '/d/new', '/f', '/g', '/l']);
    }
  });
  test('an opaque directory hides what lower layers have in it', () => {
    for (const layer of [
      [folder('d', 0o700), opaque('d'), file('d/b', 'new b'), folder('d/s'), file('d/s/other')],
      [folder('d', 0o700), file('d/b', 'new b'), folder('d/s'), file('d/s/other'), opaque('d')],
    ]) {
      const tree = treeOf([BASE, layer]);
      expect(paths(tree)).toEqual(['/', '/d', '/d/b', '/d/s', '/d/s/other', '/f', '/g', '/l']);
      expect(text(tree, 'd/b')).toBe('new b');
      expect(tree.stat(tree.lookupPath('d')).mode).toBe(0o700);
    }
  });
  test('a directory can become a file, a link, a device, and the reverse', () => {
    const fifo: TarEntry = { path: 'd', type: 'fifo', mode: 0o600 };
    for (const entry of [file('d', 'now a file'), link('d', 'f'), fifo]) {
      expect(paths(treeOf([BASE, [entry]]))).toEqual(['/', '/d', '/f', '/g', '/l']);
    }
    const tree = treeOf([BASE, [folder('f', 0o711), file('f/x'), folder('l'), file('l/y')]]);
    expect(paths(tree)).toEqual([
      '/',
      '/d',
      '/d/a',
      '/d/b',
      '/d/s',
      '/d/s/deep',
      '/f',
      '/f/x',
      '/g',
      '/l',
      '/l/y',
    ]);
    expect(tree.stat(tree.lookupPath('f'))).toMatchObject({ type: 'directory', mode: 0o711 });
    expect(tree.stat(tree.lookupPath('g')).links).toBe(1);
  });
  test('a directory that comes again has new attributes and its old content', () => {
    const tree = treeOf([BASE, [folder('d', 0o1777, { uid: 8, mtime: 100 })]]);
    expect(tree.stat(tree.lookupPath('d'))).toMatchObject({ mode: 0o1777, uid: 8, mtimeMs: 100_000 });
    expect(text(tree, 'd/s/deep')).toBe('deep');
  });
  test('a hard link can point into a lower layer', () => {
    const tree = treeOf([BASE, [hardlink('d/h', 'f'), hardlink('i', 'l/a')]]);
    expect(tree.lookupPath('d/h')).toBe(tree.lookupPath('g'));
    expect(tree.stat(tree.lookupPath('d/h')).links).toBe(3);
    expect(text(tree, 'i')).toBe('old a');
  });
  test('entries and whiteouts below a linked directory', () => {
    const lower = [
      link('lib', 'usr/lib'),
      link('abs', '/usr/lib'),
      folder('usr/lib'),
      file('usr/lib/x'),
      file('usr/lib/y'),
    ];
    const tree = treeOf([lower, [file('lib/new', 'n'), whiteout('abs/x'), file('abs/sub/z')]]);
    expect(paths(tree)).toEqual([
      '/',
      '/abs',
      '/lib',
      '/usr',
      '/usr/lib',
      '/usr/lib/new',
      '/usr/lib/sub',
      '/usr/lib/sub/z',
      '/usr/lib/y',
    ]);
  });
  test('directories that no layer names are made', () => {
    const tree = treeOf([[file('a/b/c', 'x')], [folder('a', 0o700)]]);
    expect(tree.stat(tree.lookupPath('a')).mode).toBe(0o700);
    expect(tree.stat(tree.lookupPath('a/b'))).toMatchObject({ mode: 0o755, uid: 0, links: 2 });
  });
  test("the root's attributes", () => {
    const tree = treeOf([[folder('./', 0o711, { uid: 4 })], [file('x')]]);
    expect(tree.stat(1)).toMatchObject({ type: 'directory', mode: 0o711, uid: 4 });
    expect(treeOf([[]]).stat(1)).toMatchObject({ mode: 0o755, links: 2 });
  });
  test("aufs' own marks are no files", () => {
    expect(
      paths(treeOf([[folder('.wh..wh.plnk'), file('.wh..wh.plnk/12.3'), file('.wh..wh.aufs'), file('a')]])),
    ).toEqual(['/', '/a']);
  });
  test('the last entry of a name counts', () => {
    const tree = treeOf([[file('a', 'one'), hardlink('h', 'a'), file('a', 'two'), hardlink('h', 'h')]]);
    expect([text(tree, 'a'), text(tree, 'h')]).toEqual(['two', 'one']);
    expect(tree.stat(tree.lookupPath('h')).links).toBe(1);
  });
});

/** Puts a layer on top of a finished tree, as is done for each boot. */
function withLayer(tree: ImageTree, entries: TarEntry[]): ImageTree {
  const path = join(testFolder(), 'top.tar');
  writeFileSync(path, tarOf(entries));
  return tree.withLayer(path);
}

describe('one more layer on a finished tree', () => {
  const TOP = [
    file('d/a', 'new a'),
    whiteout('d/b'),
    folder('new', 0o700),
    file('new/x', 'x'),
    hardlink('new/g', 'g'),
    whiteout('f'),
    folder('d', 0o711, { uid: 77, xattrs: new Map([['user.x', Buffer.from('1')]]) }),
    link('l', 'new'),
    file('l/through', 'a link'),
  ];
  test('gives what a merge of all layers gives', () => {
    const tree = withLayer(treeOf([BASE]), TOP);
    expect(listTree(tree)).toEqual(listTree(treeOf([BASE, TOP])));
    expect(tree.xattrs(tree.lookupPath('d'))).toEqual(new Map([['user.x', Buffer.from('1')]]));
    const twice = withLayer(tree, [file('d/again', '2'), whiteout('new/x')]);
    expect(listTree(twice)).toEqual(listTree(treeOf([BASE, TOP, [file('d/again', '2'), whiteout('new/x')]])));
  });
  test('leaves the inodes of the image as they are and numbers its own last', () => {
    const base = treeOf([BASE]);
    const tree = withLayer(base, TOP);
    for (const path of ['d', 'd/s', 'd/s/deep', 'g']) {
      expect(tree.lookupPath(path)).toBe(base.lookupPath(path));
      expect(tree.pathHash(tree.lookupPath(path))).toBe(base.pathHash(base.lookupPath(path)));
    }
    for (const path of ['d/a', 'new', 'new/x', 'l'])
      expect(tree.lookupPath(path, { follow: false })).toBeGreaterThan(base.count);
    expect(tree.lookupPath('f')).toBe(0);
    expect(text(base, 'f')).toBe('file');
  });
  test('has an identity of its own, the same for the same layers', () => {
    const base = treeOf([BASE]);
    const [one, same, other] = [TOP, TOP, [...TOP, file('more')]].map((top) => withLayer(base, top));
    expect(one?.id).toBe(same?.id);
    expect(new Set([base.id, one?.id, other?.id]).size).toBe(3);
    const fsid = Buffer.from(one?.attributes ?? []).readBigUInt64BE(Fattr.fsid);
    expect(fsid).toBe(one?.id);
  });
  test('is refused when it is damaged, and the tree goes on', () => {
    const base = treeOf([BASE]);
    const path = join(testFolder(), 'bad.tar');
    writeFileSync(path, tarOf(TOP).subarray(0, 600));
    expect(() => base.withLayer(path)).toThrow(/cut off|larger than the archive|end mark/);
    expect(text(base, 'd/a')).toBe('old a');
  });
  test('stays open when the tree below is closed', async () => {
    const base = treeOf([BASE]);
    const tree = withLayer(base, TOP);
    base.close();
    base.close();
    expect(text(tree, 'd/s/deep')).toBe('deep');
    expect(() => text(base, 'd/s/deep')).toThrow(/closed/);
    const target = Buffer.alloc(4);
    const reading = tree.readCold(tree.lookupPath('d/s/deep'), 0, target, 0, 4);
    tree.close();
    expect(await reading).toBe(4);
    expect(target.toString()).toBe('deep');
  });
});

describe('what the NFS server asks', () => {
  test('every entry is found by its bytes and no other is', () => {
    const tree = treeOf([BASE]);
    let entries = 0;
    const parents: [number, number][] = [];
    for (let directory = 1; directory <= tree.count; directory++) {
      if (tree.stat(directory).type !== 'directory') continue;
      for (let entry = tree.entryStart(directory); entry < tree.entryEnd(directory); entry++, entries++) {
        const padded = Buffer.concat([
          Buffer.from('??'),
          tree.names.subarray(tree.nameStart(entry), tree.nameEnd(entry)),
          Buffer.from('?'),
        ]);
        expect(tree.lookup(directory, padded, 2, padded.length - 1)).toBe(tree.entryInode(entry));
        expect(tree.lookup(directory, padded, 1, padded.length - 1)).toBe(0);
        expect(tree.lookup(directory, padded, 2, padded.length)).toBe(0);
        const child = tree.entryInode(entry);
        if (tree.stat(child).type === 'directory') parents.push([tree.parent(child), directory]);
      }
    }
    expect(entries).toBe(8);
    expect(parents.map(([parent]) => parent)).toEqual(parents.map(([, directory]) => directory));
    expect(parents).toHaveLength(2);
    expect(tree.parent(1)).toBe(1);
    const name = Buffer.from('a');
    for (const nowhere of [tree.lookupPath('f'), 0, tree.count + 1, 4_000_000_000]) {
      expect(tree.lookup(nowhere, name, 0, 1)).toBe(0);
    }
  });
  test('attributes are an fattr3', () => {
    const entry = file('f', 'x'.repeat(5000), { mode: 0o4751, uid: 1, gid: 2, mtime: 1700000000.5 });
    const tree = treeOf([[entry, { path: 'c', type: 'char', mode: 0o600, major: 4, minor: 64 }]]);
    const inode = tree.lookupPath('f');
    const fattr = Buffer.from(tree.attributes.subarray((inode - 1) * FATTR_SIZE, inode * FATTR_SIZE));
    const words = Array.from({ length: 21 }, (_, at) => fattr.readUInt32BE(at * 4));
    const fsid = [0, 1];
    const time = [1700000000, 500_000_000];
    expect(words).toEqual([
      1,
      0o4751,
      1,
      1,
      2,
      0,
      5000,
      0,
      8192,
      0,
      0,
      ...fsid,
      0,
      inode,
      ...time,
      ...time,
      ...time,
    ]);
    const device = Buffer.from(tree.attributes).readBigUInt64BE(
      (tree.lookupPath('c') - 1) * FATTR_SIZE + Fattr.rdev,
    );
    expect(device).toBe((4n << 32n) | 64n);
  });
  test('numbers count from the root depth first in the order of names', () => {
    const tree = treeOf([[file('b'), file('a/z'), file('a/y/x'), file('c')]]);
    expect(['/', 'a', 'a/y', 'a/y/x', 'a/z', 'b', 'c'].map((path) => tree.lookupPath(path))).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ]);
  });
  test('the same layers in another order of entries give the same numbers', () => {
    const [one, other] = [BASE.slice(0, 6), BASE.slice(0, 6).toReversed()].map((entries) =>
      treeOf([entries]),
    );
    expect(paths(one as ImageTree).map((path) => one?.lookupPath(path))).toEqual(
      paths(other as ImageTree).map((path) => other?.lookupPath(path)),
    );
  });
  test('reads end at the end of the file', () => {
    const tree = treeOf([BASE]);
    const inode = tree.lookupPath('f');
    const target = Buffer.alloc(10, '.');
    expect(tree.read(inode, 2, target, 3, 7)).toBe(2);
    expect(target.toString()).toBe('...le.....');
    for (const position of [4, 5, 2 ** 40]) expect(tree.read(inode, position, target, 0, 10)).toBe(0);
    for (const nothing of [1, 0, tree.count + 1]) expect(tree.read(nothing, 0, target, 0, 10)).toBe(0);
  });
  test('a path that loops leads nowhere', () => {
    const tree = treeOf([
      [link('a', 'b'), link('b', 'a'), link('self', 'self/x'), link('ok', './d/../d'), folder('d')],
    ]);
    expect(tree.lookupPath('a')).toBe(0);
    expect(tree.lookupPath('self')).toBe(0);
    expect(tree.lookupPath('ok')).toBe(tree.lookupPath('d'));
    expect(tree.lookupPath('a', { follow: false })).not.toBe(0);
    expect(tree.lookupPath('d/')).toBe(tree.lookupPath('d'));
    expect(tree.lookupPath('d/nothing/..')).toBe(0);
  });
});
