import { describe, expect, test } from 'vitest';
import { diffTrees, type TreeChange } from '../../../backend/images/tree/tree-diff.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { ImageOperations } from '../../../backend/nodes/image-operations.ts';
import { importLayers, manyLayers, NASTY } from './nasty.ts';
import { newStore } from './store-support.ts';
import { file, folder, link, sha, tarOf, treeOf } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };

async function diffOf(from: (Buffer | TarEntry[])[], to: (Buffer | TarEntry[])[]): Promise<TreeChange[]> {
  const digests = (layers: (Buffer | TarEntry[])[]): string[] =>
    layers.map((layer) => sha(Buffer.isBuffer(layer) ? layer : tarOf(layer)));
  const [a, b] = [
    { tree: treeOf(from), layers: digests(from) },
    { tree: treeOf(to), layers: digests(to) },
  ];
  const changes: TreeChange[] = [];
  for await (const change of diffTrees(a, b, control)) changes.push(change);
  return changes;
}
const lines = (changes: TreeChange[]): string[] =>
  changes.map(
    ({ kind, path, type, sizeBytes, oldSizeBytes, layer, aspects }) =>
      `${kind} ${path} ${type} ${oldSizeBytes}>${sizeBytes} @${layer} ${aspects.join()}`,
  );

describe('the difference of two trees', () => {
  const BASE = [
    folder('.'),
    folder('d'),
    file('d/a', 'same'),
    file('d/b', 'old'),
    file('d/mode'),
    link('d/l', 'a'),
    { path: 'd/null', type: 'char' as const, mode: 0o666, major: 1, minor: 3 },
  ];

  test('every way in which a path can differ, with the layer that did it', async () => {
    const top = [
      file('d/b', 'new!'),
      file('d/mode', '', { mode: 0o600, uid: 7 }),
      link('d/l', 'b'),
      { path: 'd/null', type: 'char' as const, mode: 0o666, major: 1, minor: 5 },
      file('d/x', 'xattr', { xattrs: new Map([['user.x', Buffer.from('1')]]) }),
      file('implied/f', 'f'),
    ];
    const changes = await diffOf([BASE], [BASE, [], top]);
    expect(lines(changes)).toEqual([
      'M /d/b file 3>4 @3 content',
      'M /d/l symlink null>0 @3 target',
      'M /d/mode file 0>0 @3 mode,owner',
      'M /d/null char null>0 @3 device',
      'A /d/x file null>5 @3 ',
      'A /implied directory null>0 @null ',
      'A /implied/f file null>1 @3 ',
    ]);
    const back = await diffOf([BASE, [], top], [BASE]);
    expect(lines(back).filter((line) => line.startsWith('D'))).toEqual([
      'D /d/x file 5>5 @3 ',
      'D /implied directory null>0 @null ',
      'D /implied/f file 1>1 @3 ',
    ]);
  });

  test('a file that is a folder now, and back', async () => {
    const folderNow = [file('.wh.d'), file('d', 'x')];
    const changes = await diffOf([BASE], [BASE, folderNow]);
    expect(lines(changes).slice(0, 3)).toEqual([
      'M /d file null>1 @2 type',
      'D /d/a file 4>4 @1 ',
      'D /d/b file 3>3 @1 ',
    ]);
    const back = await diffOf([BASE, folderNow], [BASE]);
    expect(lines(back).slice(0, 2)).toEqual(['M /d directory 1>0 @1 type', 'A /d/a file null>4 @1 ']);
  });

  test('same content in other layers, at other times, is the same', async () => {
    const later = BASE.map((entry) => ({ ...entry, mtime: 5 }));
    expect(await diffOf([BASE], [later])).toEqual([]);
    expect(await diffOf(NASTY, [NASTY[0] ?? [], ...NASTY.slice(1)])).toEqual([]);
    const other = [...BASE.slice(0, 3), file('d/b', 'odd'), ...BASE.slice(4)];
    expect(lines(await diffOf([BASE], [other]))).toEqual(['M /d/b file 3>3 @1 content']);
  });

  test('content is not read where both trees have it from the same layer', async () => {
    const tree = treeOf([BASE]);
    const other = treeOf([BASE]);
    tree.readCold = other.readCold = () => Promise.reject(new Error('read'));
    const layers = [sha(tarOf(BASE))];
    const changes = diffTrees({ tree, layers }, { tree: other, layers }, control);
    expect(await changes.next()).toMatchObject({ done: true });
    const different = diffTrees({ tree, layers }, { tree: other, layers: ['x'] }, control);
    await expect(different.next()).rejects.toThrow('read');
  });

  test('names of any bytes', async () => {
    const odd = [{ ...file('x', '1'), path: 'caf\xe9', encoding: 'latin1' as const }];
    expect(lines(await diffOf([[]], [odd]))).toEqual(['A /caf\ufffd file null>1 @1 ']);
  });
});

test('of images, in three orders, the first ones of many', async () => {
  const { home, store } = newStore();
  await importLayers(store, home, NASTY, 'one');
  await importLayers(store, home, manyLayers(127), 'two');
  const parts = { images: store, nodes: () => [], reboot: () => Promise.resolve() };
  const operations = new ImageOperations(parts);
  const byPath = await operations.diff('one', 'two', 'path', 1000, control);
  expect(byPath.count).toBe(40);
  expect(byPath.totals).toMatchObject({ A: { count: 40 }, M: { count: 0 }, D: { count: 0, bytes: 0 } });
  expect(byPath.totals.A.bytes).toBe(byPath.changes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const bySize = await operations.diff('one', 'two', 'size', 3, control);
  expect(bySize.count).toBe(40);
  expect(bySize.changes.map(({ sizeBytes }) => sizeBytes)).toEqual([3, 3, 3]);
  const byLayer = await operations.diff('one', 'two', 'layer', 1000, control);
  const layers = byLayer.changes.map(({ layer }) => layer ?? 0);
  expect(layers).toEqual(layers.toSorted((a, b) => b - a));
  expect(layers[0]).toBe(126);
  const controller = new AbortController();
  controller.abort(new Error('aborted'));
  const cancelled = { ...control, signal: controller.signal };
  await expect(operations.diff('one', 'two', 'path', 9, cancelled)).rejects.toThrow('aborted');
  await expect(operations.diff('one', 'no', 'path', 9, control)).rejects.toThrow("No such image 'no'");
});
