import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ImageStore } from '../../../backend/images/store.ts';
import { ImageOperations } from '../../../backend/nodes/image-operations.ts';
import { newStore, ROOT, TOP } from './store-support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const builtFrom = { folder: '/home/anna/box', dockerfile: '/home/anna/box/Dockerfile.node' };

test('an image remembers its Dockerfile: in another daemon, and when it is changed, but not what takes its name', async () => {
  const { store, home, put } = newStore();
  const operations = new ImageOperations({
    images: store,
    nodes: () => [],
    reboot: () => Promise.resolve(),
  });
  const path = put('root.tar', ROOT);
  const source = { path, name: 'box', warn: () => undefined, builtFrom };
  const { image } = await operations.bringIn(source, false, control);
  expect(image.builtFrom).toEqual(builtFrom);
  const again = () => new ImageStore(join(home, 'store')).get('box')?.builtFrom;
  expect(again()).toEqual(builtFrom);

  await operations.label('box', { 'walt.node.models': 'pc-x86-64' }, [], false, control);
  expect(again()).toEqual(builtFrom);
  await operations.squash('box', 'other', false, control);
  expect(store.named('other').builtFrom).toBeUndefined();
  await store.import({ path: put('top.tar', TOP), name: 'box', force: true });
  expect(again()).toBeUndefined();
});

test('a record that is none does no harm', async () => {
  const { home, put } = newStore();
  const folder = join(home, 'store');
  const store = new ImageStore(folder);
  await store.import({ path: put('root.tar', ROOT), name: 'box', builtFrom });
  const index = join(folder, 'index.json');
  const text = readFileSync(index, 'utf8');
  for (const bad of ['{', '{"folder":1}', 'null']) {
    const damaged = JSON.parse(text) as { manifests: { annotations: Record<string, string> }[] };
    for (const { annotations } of damaged.manifests) annotations['dev.bootyard.built-from'] = bad;
    writeFileSync(index, JSON.stringify(damaged));
    expect(new ImageStore(folder).named('box').builtFrom).toBeUndefined();
  }
});

test('an image remembers how it was made until it is changed', async () => {
  const { store, home, put } = newStore();
  const operations = new ImageOperations({
    images: store,
    nodes: () => [],
    reboot: () => Promise.resolve(),
  });
  const recipe = { digest: 'a'.repeat(64), entry: { import: '/home/anna/root.tar' } };
  await store.import({ path: put('root.tar', ROOT), name: 'box', recipe });
  const again = () => new ImageStore(join(home, 'store')).get('box')?.recipe;
  expect(again()).toEqual(recipe);
  await operations.label('box', { a: 'b' }, [], false, control);
  expect(again()).toBeUndefined();
});
