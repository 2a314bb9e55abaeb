import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ImageOperations } from '../../../backend/nodes/image-operations.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import { importLayers, manyLayers, NASTY } from './nasty.ts';
import { newStore, ROOT, snapshot } from './store-support.ts';
import { isRoot, listFolder, listTree, run, sha } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const set = (): ReturnType<typeof newStore> & { operations: ImageOperations } => {
  const made = newStore();
  const parts = { images: made.store, nodes: () => [], reboot: () => Promise.resolve() };
  return { ...made, operations: new ImageOperations(parts) };
};
const to = (file: string, format: 'oci-archive' | 'docker-archive' = 'oci-archive', force = false) => ({
  ...{ file, format, force },
});
interface Inspected {
  config: { digest: string };
  layers: { digest: string }[];
}

test('an OCI archive that skopeo reads digest for digest', async () => {
  const { home, store, operations } = set();
  const image = await importLayers(store, home, manyLayers(20), 'nasty');
  const file = join(home, 'out.tar');
  await operations.export('nasty', to(file), control);
  const raw = run('skopeo', ['inspect', '--raw', `oci-archive:${file}`]);
  const inside = JSON.parse(raw) as Inspected;
  expect(inside.config.digest).toBe(`sha256:${image.id}`);
  expect(inside.layers.map(({ digest }) => digest)).toEqual(
    image.layers.map(({ digest }) => `sha256:${digest}`),
  );
  const stored = run('skopeo', ['inspect', '--raw', `oci:${join(home, 'store')}:nasty`]);
  expect(sha(Buffer.from(raw))).toBe(sha(Buffer.from(stored)));
  run('skopeo', [
    'copy',
    '--preserve-digests',
    `oci-archive:${file}:nasty:latest`,
    `oci:${join(home, 'copy')}:x`,
  ]);
  const other = new ImageStore(join(home, 'other'));
  expect(await other.import({ path: file, name: 'nasty' })).toEqual(image);
  if (!isRoot) return;
  run('umoci', ['unpack', '--image', `${join(home, 'copy')}:x`, join(home, 'out')]);
  const tree = await store.tree(image.id);
  expect(listFolder(join(home, 'out/rootfs'), false)).toEqual(listTree(tree, false));
  tree.close();
});

test('a Docker archive that skopeo reads', async () => {
  const { home, store, operations } = set();
  const image = await importLayers(store, home, [...NASTY, ...NASTY.slice(2, 3)], 'user/nasty:v1');
  const file = join(home, 'out.tar');
  await operations.export('user/nasty:v1', to(file, 'docker-archive'), control);
  const config = run('skopeo', ['inspect', '--config', '--raw', `docker-archive:${file}`]);
  expect(sha(Buffer.from(config))).toBe(image.id);
  run('skopeo', ['copy', `docker-archive:${file}:user/nasty:v1`, `oci:${join(home, 'copy')}:x`]);
  expect((await store.import({ path: join(home, 'copy'), name: 'again' })).layers).toEqual(image.layers);
  expect(await new ImageStore(join(home, 'other')).import({ path: file, name: 'user/nasty:v1' })).toEqual(
    image,
  );
});

test('the same image gives the same bytes', async () => {
  const { home, store, operations } = set();
  await importLayers(store, home, NASTY, 'nasty');
  for (const name of ['a', 'b']) await operations.export('nasty', to(join(home, name)), control);
  expect(sha(readFileSync(join(home, 'a')))).toBe(sha(readFileSync(join(home, 'b'))));
});

test('what stands there is replaced with force only, and never by half', async () => {
  const { home, store, operations, put } = set();
  await store.import({ path: put('root.tar', ROOT), name: 'box' });
  const file = put('out.tar', Buffer.from('mine'));
  await expect(operations.export('box', to(file), control)).rejects.toThrow(
    `'${file}' is there already: use --force to replace it.`,
  );
  const controller = new AbortController();
  const cancelling = { signal: controller.signal, progress: () => controller.abort(new Error('aborted')) };
  const before = snapshot(home);
  await expect(operations.export('box', to(file, 'oci-archive', true), cancelling)).rejects.toThrow(
    'aborted',
  );
  expect(snapshot(home)).toEqual(before);
  expect(readFileSync(file, 'utf8')).toBe('mine');
  await operations.export('box', to(file, 'oci-archive', true), control);
  expect(run('tar', ['-tf', file])).toContain('oci-layout');
  expect(readdirSync(home).toSorted()).toEqual(['out.tar', 'root.tar', 'store']);
});

test.each([
  ['store', 'it is a folder'],
  ['no/where.tar', 'there is no such folder'],
  ['root.tar/x', 'there is no such folder'],
  ['x'.repeat(256), 'the name is too long'],
])('%s cannot be written', async (name, why) => {
  const { home, store, operations, put } = set();
  await store.import({ path: put('root.tar', ROOT), name: 'box' });
  const file = join(home, name);
  await expect(operations.export('box', to(file), control)).rejects.toThrow(
    `'${file}' cannot be written: ${why}.`,
  );
  await expect(operations.export('no', to(file), control)).rejects.toThrow("Error: No such image 'no'.");
});
