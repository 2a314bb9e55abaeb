import { expect, test } from 'vitest';
import { stackedTree, treeLayer } from '../../../backend/images/files/tree-layer.ts';
import { fullListing, importLayers, NASTY } from './nasty.ts';
import { newStore } from './store-support.ts';
import { file, folder, hardlink, tarOf } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const attributes = (value: string) => ({ xattrs: new Map([['user.x', Buffer.from(value)]]) });

/** The files of an image, and those of its lowest `kept` layers with the one that makes the rest of them. */
async function bothWays(layers: Buffer[], kept: number) {
  const { store, home } = newStore();
  const record = await importLayers(store, home, layers, 'box');
  const image = await store.open('box');
  const staging = store.staging(control);
  const indexes = await store.layerIndexes(record);
  const from = await stackedTree(image, indexes, kept, []);
  try {
    const layer = await treeLayer(from, image.tree, staging);
    const made = await stackedTree(image, indexes, kept, layer ? [layer] : []);
    const outcome = { whole: fullListing(image.tree), made: fullListing(made), layer };
    made.close();
    return outcome;
  } finally {
    from.close();
    image.tree.close();
    staging.dispose();
  }
}

test.each(NASTY.map((_, kept) => kept + 1))(
  'a nasty image of its lowest %i layers and one more',
  async (kept) => {
    const { whole, made, layer } = await bothWays(NASTY, kept);
    expect(made).toEqual(whole);
    expect(layer === undefined).toBe(kept === NASTY.length);
  },
);

test('a new name of a file below brings the file’s other names', async () => {
  const layers = [tarOf([file('a', 'one file')]), tarOf([hardlink('c', 'a')])];
  const { whole, made } = await bothWays(layers, 1);
  expect(made).toEqual(whole);
  expect(made['/c']).toContain('= /a');
});

test('a folder of which an attribute alone is another one is changed', async () => {
  const layers = ['old', 'new'].map((value) => tarOf([folder('d', 0o755, attributes(value))]));
  const { whole, made } = await bothWays(layers, 1);
  expect(made['/d']).toContain(Buffer.from('new').toString('hex'));
  expect(made).toEqual(whole);
});

test('a folder that a layer names without changing it is none of its changes', async () => {
  const entries = [folder('d', 0o755, attributes('same')), file('d/f')];
  expect((await bothWays([tarOf(entries), tarOf(entries.slice(0, 1))], 1)).layer).toBeUndefined();
});
