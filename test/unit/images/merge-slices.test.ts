import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LayerIndexBuilder } from '../../../backend/images/tree/layer-index.ts';
import { mergeInSlices } from '../../../backend/images/tree/merge-layers.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import { mergeLayers } from '../../../backend/images/tree/tree.ts';
import { file, folder, tarOf, testFolder } from './support.ts';

/** Runs `work` and counts how often the event loop turned meanwhile. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  const result = await work();
  clearImmediate(next);
  return { result, turns };
}

/** Of files in 500 folders below each other or beside each other. */
function largeIndex(entries: number) {
  const builder = new LayerIndexBuilder();
  const plain = { link: '', uid: 0, gid: 0, mtime: 0, mtimeNs: 0, major: 0, minor: 0, data: 0, size: 0 };
  for (let at = 0; at < entries; at++) {
    builder.add({ ...plain, type: 1, mode: 0o644, path: `usr/${at % 25}/${at % 20}/file-${at}` });
  }
  return builder.finish(0);
}

test('the event loop goes on turning while 80,000 entries are merged', async () => {
  const index = largeIndex(80_000);
  const { result, turns } = await turnsDuring(() => mergeInSlices([index], 1n));
  // Three passes, each in slices of 1,024 entries.
  expect(turns).toBeGreaterThan(3 * 75);
  expect(Buffer.from(result.buffer).equals(Buffer.from(mergeLayers([index], 1n).buffer))).toBe(true);
});

test('also while a stored image gets its tree anew', async () => {
  const home = testFolder();
  const tar = join(home, 'root.tar');
  const files = Array.from({ length: 10_000 }, (_none, at) => file(`etc/${at % 100}/${at}`));
  writeFileSync(tar, tarOf([folder('etc'), ...files]));
  const store = new ImageStore(join(home, 'store'));
  const imported = await turnsDuring(() => store.import({ path: tar, name: 'large' }));
  expect(imported.turns).toBeGreaterThan(20);
  const { id } = imported.result;
  const trees = readdirSync(join(home, 'store'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes(id),
  );
  // The image's configuration has the same name, and stays.
  for (const name of trees.filter((path) => !path.startsWith('blobs'))) rmSync(join(home, 'store', name));
  const { result, turns } = await turnsDuring(() => store.tree(id));
  expect(turns).toBeGreaterThan(20);
  expect(result.count).toBeGreaterThan(10_000);
  result.close();
});
