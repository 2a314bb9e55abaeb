import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageStore } from '../../../backend/images/store.ts';
import { isLong } from '../../support/long.ts';
import { fullListing, importLayers, NASTY } from './nasty.ts';
import { newStore, ROOT, TOP } from './store-support.ts';
import { file, tarOf } from './support.ts';

/** In one file, it starts in a tenth of the time. */
const built = mkdtempSync(join(tmpdir(), 'bootyard-crash-'));
const CHILD = join(built, 'child.mjs');
beforeAll(async () => {
  const entry = join(import.meta.dirname, 'crash-child.ts');
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile: CHILD });
});
afterAll(() => rmSync(built, { recursive: true }));

const OTHER = tarOf([file('etc/motd', 'other')]);

/** Names and trees of all images; each is read to its last byte. */
async function stateOf(store: ImageStore): Promise<unknown> {
  const state: Record<string, unknown> = {};
  for (const { id, name, labels } of store.list()) {
    const tree = await store.tree(id);
    state[name] = { labels, tree: fullListing(tree), layers: store.named(name).layers.length };
    tree.close();
  }
  return state;
}

/** What is on disk is what the images need, and nothing else. */
function expectNoGarbage(folder: string, store: ImageStore): void {
  expect(store.usage()).toMatchObject({
    unreferenced: { count: 0 },
    unnamed: { count: 0 },
    partialBytes: 0,
  });
  const ids = new Set(store.list().map(({ id }) => id));
  const layers = new Set(store.list().flatMap((image) => image.layers.map(({ digest }) => digest)));
  expect(readdirSync(join(folder, 'bootyard/trees')).filter((id) => !ids.has(id))).toEqual([]);
  expect(readdirSync(join(folder, 'bootyard/layers')).filter((digest) => !layers.has(digest))).toEqual([]);
}

/** A daemon dies at each step in `npm run test:all`, at each fifth one otherwise. */
test.each(['squash', 'label', 'duplicate', 'rename', 'remove', 'import', 'gc'])(
  'a daemon that is killed at any step of "%s" leaves all as it was, or done',
  async (operation) => {
    const { home, store } = newStore();
    await importLayers(store, home, [ROOT, TOP, ...NASTY], 'one');
    await importLayers(store, home, [ROOT], 'two');
    writeFileSync(join(home, 'other.tar'), OTHER);
    const before = await stateOf(store);
    const run = (folder: string, step: number): string =>
      spawnSync(process.execPath, [CHILD, folder, operation, String(step)], { encoding: 'utf8' }).stdout;
    const start = (name: string): string => {
      const folder = join(home, name);
      cpSync(join(home, 'store'), join(folder, 'store'), { recursive: true });
      cpSync(join(home, 'other.tar'), join(folder, 'other.tar'));
      if (operation === 'gc') writeFileSync(join(folder, 'store/blobs/sha256', '0'.repeat(64)), 'garbage');
      return folder;
    };
    const whole = start('whole');
    expect(run(whole, 1e9)).toBe('done');
    const after = await stateOf(new ImageStore(join(whole, 'store')));
    const seen = { before: 0, after: 0 };
    const stride = isLong ? 1 : 5;
    for (let step = 1; ; step += stride) {
      const folder = start(`step-${step}`);
      const isDone = run(folder, step) === 'done';
      const next = new ImageStore(join(folder, 'store'));
      const state = await stateOf(next);
      const which = JSON.stringify(state) === JSON.stringify(after) ? 'after' : 'before';
      expect(state).toEqual(which === 'after' ? after : before);
      seen[which]++;
      await next.collect();
      expectNoGarbage(join(folder, 'store'), next);
      expect(await stateOf(next)).toEqual(state);
      if (isDone) break;
    }
    expect(seen.after).toBeGreaterThan(0);
    if (operation !== 'gc') expect(seen.before).toBeGreaterThan(isLong ? 1 : 0);
  },
  300_000,
);
