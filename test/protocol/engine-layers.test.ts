import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine } from '../../backend/images/engine/connect.ts';
import { fetchFromEngine } from '../../backend/images/engine/fetch.ts';
import { engineImage } from '../../backend/images/engine/images.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { file, folder } from '../unit/images/support.ts';
import { build, engineOf, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { noise } from '../support/registry-lab.ts';

let test: TestEngine;
let engine: Engine;
const home = mkdtempSync('/tmp/bootyard-layers-');
const store = new ImageStore(home);
beforeAll(async () => {
  test = await TestEngine.podman();
  engine = await engineOf(test);
  const root = [folder('etc'), file('etc/hostname', 'box\n'), file('large', noise(20_000_000))];
  await build(engine, 'base', `FROM scratch\nADD root.tar /\n${MODELS}`, root);
  await build(engine, 'box', 'FROM base\nCOPY Dockerfile /recipe');
}, 120_000);
afterAll(async () => {
  rmSync(home, { recursive: true });
  await test?.stop();
});

/** Bytes of the layers that came. */
async function fetched(name: string): Promise<number> {
  const image = await engineImage(engine, name);
  if (!image) throw new Error(`no image ${name}`);
  const { there, folders } = store.transfer({ layers: image.layers });
  const known = { layers: new Set(there), ...folders };
  let bytes = 0;
  await fetchFromEngine(engine, image, known, {}, async (path) => {
    const blobs = join(path, 'blobs/sha256');
    bytes = readdirSync(blobs).reduce((sum, blob) => sum + statSync(join(blobs, blob)).size, 0);
    const record = await store.import({ path, name, force: true });
    expect(record.id).toBe(image.id);
  });
  return bytes;
}

it('Podman sends only layers that the store has not got', async () => {
  expect(await fetched('base')).toBeGreaterThan(20_000_000);
  expect(await fetched('box')).toBeLessThan(20_000);
  const tree = await store.tree(store.named('box').id);
  expect(tree.lookupPath('large')).not.toBe(0);
  expect(tree.lookupPath('recipe')).not.toBe(0);
  tree.close();
  await store.remove('base');
  expect(await fetched('box')).toBeLessThan(20_000);
  await store.remove('box');
  expect(await fetched('box')).toBeGreaterThan(20_000_000);
});
