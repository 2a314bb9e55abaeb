import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { treeTar } from '../../../backend/images/tree/tree-tar.ts';
import { ImageOperations } from '../../../backend/nodes/image-operations.ts';
import { fullListing, importLayers, manyLayers, NASTY } from './nasty.ts';
import { newStore, snapshot } from './store-support.ts';
import { file, isRoot, listFolder, listTree, run, tarOf, testFolder, treeOf } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const set = (): ReturnType<typeof newStore> & { operations: ImageOperations } => {
  const made = newStore();
  const parts = { images: made.store, nodes: () => [], reboot: () => Promise.resolve() };
  return { ...made, operations: new ImageOperations(parts) };
};

test.each([
  ['four layers', NASTY],
  ['127 layers', manyLayers(127)],
])('%s become one with the same tree, entry by entry', async (_, layers) => {
  const { home, store, operations } = set();
  const { id } = await importLayers(store, home, layers, 'nasty', {
    history: [{ created_by: 'first' }, { created_by: 'nothing', empty_layer: true }],
  });
  const before = await store.tree(id);
  const { image, changed } = await operations.squash('nasty', 'flat', false, control);
  const after = await store.tree(image.id);
  expect(changed).toBe(true);
  expect(image.layers).toHaveLength(1);
  expect(image.labels).toEqual({ from: 'test' });
  expect(fullListing(after)).toEqual(fullListing(before));
  expect(Object.keys(fullListing(after)).length).toBeGreaterThan(20);
  expect(operations.history('flat').map(({ createdBy, layer }) => [createdBy, layer])).toEqual([
    ['bootyard image squash nasty', 1],
    ['nothing', null],
    ['first', null],
  ]);
  before.close();
  after.close();
});

test('a squashed image keeps its name, and the layers that it had are gone', async () => {
  const { home, store, operations } = set();
  await importLayers(store, home, NASTY, 'nasty');
  const { image } = await operations.squash('nasty', undefined, false, control);
  expect(store.list()).toEqual([image]);
  expect(Object.keys(snapshot(join(home, 'store/blobs')))).toHaveLength(3);
  expect(await operations.squash('nasty', undefined, false, control)).toMatchObject({ changed: false });
  expect(store.get('nasty')?.id).toBe(image.id);
});

test('GNU tar and umoci unpack the layer to the same tree', async () => {
  if (!isRoot) return;
  const { home, store, operations } = set();
  await importLayers(store, home, NASTY, 'nasty');
  const { image } = await operations.squash('nasty', undefined, false, control);
  const tree = await store.tree(image.id);
  const expected = listTree(tree, false);
  tree.close();
  run('umoci', ['unpack', '--image', `${join(home, 'store')}:nasty`, join(home, 'umoci')]);
  expect(listFolder(join(home, 'umoci/rootfs'), false)).toEqual(expected);
  mkdirSync(join(home, 'gnu'));
  const layer = join(home, 'store/blobs/sha256', image.layers[0]?.digest ?? '');
  run('tar', ['-C', join(home, 'gnu'), '--numeric-owner', '-xpf', layer]);
  expect(listFolder(join(home, 'gnu'), false)).toEqual(expected);
});

test('a squash that is cancelled leaves the image and nothing else', async () => {
  const { home, store, put, operations } = set();
  const large = tarOf([{ ...file('large'), content: Buffer.alloc(8 << 20, 'x') }]);
  await importLayers(store, home, [...NASTY, large], 'nasty');
  put('unused', Buffer.alloc(0));
  const before = snapshot(join(home, 'store'));
  const controller = new AbortController();
  const told: string[] = [];
  const progress = ({ message, fraction }: { message: string; fraction?: number }): void => {
    told.push(`${message} ${(fraction ?? 0) <= 1}`);
    controller.abort(new Error('aborted'));
  };
  const cancelled = operations.squash('nasty', undefined, false, { signal: controller.signal, progress });
  await expect(cancelled).rejects.toThrow('aborted');
  expect(told).toEqual(['Squashing 5 layers of nasty, 8.5 MB true']);
  expect(snapshot(join(home, 'store'))).toEqual(before);
});

test('part of a tree', async () => {
  const tree = treeOf(NASTY);
  const parts: Uint8Array[] = [];
  const from = tree.lookupPath('etc');
  for await (const chunk of treeTar(tree, { from, name: 'new', doing: 'Reading' }, control))
    parts.push(chunk);
  const home = testFolder();
  writeFileSync(join(home, 't.tar'), Buffer.concat(parts));
  expect(
    run('tar', ['-tf', join(home, 't.tar')])
      .trim()
      .split('\n'),
  ).toEqual(['new/', 'new/again', 'new/hosts', 'new/link', 'new/link-too'].toSorted());
});
