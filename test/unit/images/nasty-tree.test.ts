import { join } from 'node:path';
import { expect, test } from 'vitest';
import { treePaths } from '../../../backend/images/tree/manifest.ts';
import type { ImageTree } from '../../../backend/images/tree/tree.ts';
import { xattrsIn } from '../../support/xattrs.ts';
import { importLayers, manyLayers } from './nasty.ts';
import { newStore } from './store-support.ts';
import { isRoot, listFolder, listTree, ociLayout, plainLayer, run, testFolder } from './support.ts';

const LAYERS = manyLayers(127);

/** The tree of an image with all that images are known to stumble over, and an OCI layout of it for others. */
async function nasty(): Promise<{ tree: ImageTree; layout: string; home: string }> {
  const { store, home } = newStore();
  const { id } = await importLayers(store, home, LAYERS, 'nasty');
  const layout = join(testFolder(), 'layout');
  ociLayout(layout, LAYERS.map(plainLayer));
  return { tree: await store.tree(id), layout, home };
}

function attributesOf(tree: ImageTree): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const { path, inode } of treePaths(tree)) {
    const own = [...tree.xattrs(inode)].map(([name, value]) => [name, value.toString('hex')] as const);
    if (own.length > 0) found[path === '' ? '.' : `./${path}`] = Object.fromEntries(own);
  }
  return found;
}

// Only root may own files of others and make devices.
test.skipIf(!isRoot)('the tree of 127 layers is what umoci unpacks, with extended attributes', async () => {
  const { tree, layout, home } = await nasty();
  run('umoci', ['unpack', '--image', `${layout}:test`, join(home, 'umoci')]);
  const root = join(home, 'umoci/rootfs');
  expect(listTree(tree, false)).toEqual(listFolder(root, false));
  // umoci takes names as they are escaped in the archive, and sets no empty attribute.
  const { 'security.capability': capability, 'user.note': note } = attributesOf(tree)['./cap'] ?? {};
  expect(xattrsIn(root)['./cap']).toMatchObject({ 'security.capability': capability, 'user.note': note });
  expect([capability, note]).not.toContain(undefined);
  tree.close();
});
