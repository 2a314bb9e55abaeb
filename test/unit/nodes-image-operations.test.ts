import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { node } from '../support/api-lab.ts';
import { importLayers, manyLayers, NASTY } from './images/nasty.ts';
import { newStore, ROOT, snapshot, textOf, TOP } from './images/store-support.ts';
import { file, run, tarOf } from './images/support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
let made: ReturnType<typeof newStore>;
let store: ImageStore;
let operations: ImageOperations;
let nodes: NodeInfo[];
let rebooted: string[][];
beforeEach(async () => {
  made = newStore();
  store = made.store;
  nodes = [];
  rebooted = [];
  operations = new ImageOperations({
    images: store,
    nodes: () => nodes,
    reboot: (names) => Promise.resolve(rebooted.push(names)),
  });
  await importLayers(store, made.home, [ROOT, TOP], 'box', {
    config: { Labels: { from: 'test', 'walt.node.models': 'pc-x86-64' } },
  });
});
const uses = (name: string, state: NodeInfo['state'], image = 'box'): NodeInfo => ({
  ...node(name),
  ...{ state, image },
});
const names = (): string[] => store.list().map(({ name }) => name);

describe('names', () => {
  test('a duplicate takes no space and outlives the first name', async () => {
    const before = snapshot(join(made.home, 'store/blobs'));
    operations.duplicate('box', 'copy:latest');
    expect(names()).toEqual(['box', 'copy']);
    expect(snapshot(join(made.home, 'store/blobs'))).toEqual(before);
    await store.remove('box');
    expect(await textOf(store, 'copy', 'etc/motd')).toBe('welcome');
    expect(new ImageStore(join(made.home, 'store')).list()).toEqual(store.list());
  });

  test('a rename, once and for all', async () => {
    operations.rename('box:latest', 'user/other:v1');
    expect(names()).toEqual(['user/other:v1']);
    expect(await textOf(store, 'user/other:v1', 'etc/motd')).toBe('welcome');
    expect(new ImageStore(join(made.home, 'store')).list()).toEqual(store.list());
    run('skopeo', ['inspect', `oci:${join(made.home, 'store')}:user/other:v1`]);
  });

  test.each([
    ['no', 'x', "Error: No such image 'no'. (tip: bootyard image show)"],
    ['box', 'box', "Error: Image 'box' already exists."],
    ['box', 'Box', 'Bad name: Only lowercase letters, digits and dash(-) characters'],
    ['box', 'default', "Sorry 'default' is a reserved keyword."],
    ['box', 'a:b:c', 'Bad name: expected format is <name> or <name>:<tag>.'],
  ])('%s as %s is refused', (name, as, sentence) => {
    expect(() => operations.duplicate(name, as)).toThrow(sentence);
    expect(() => operations.rename(name, as)).toThrow(sentence);
    expect(names()).toEqual(['box']);
  });

  test('an image of a node is not renamed, whether it runs or not', () => {
    nodes = [uses('vnode1', 'off'), uses('vnode2', 'booted', 'other')];
    expect(() => operations.rename('box', 'new')).toThrow(
      "Sorry, cannot proceed because the image is in use. Nodes that boot 'box': vnode1.",
    );
    operations.duplicate('box', 'new');
  });
});

describe('labels', () => {
  test('are set and removed, and nothing else changes', async () => {
    const before = store.get('box');
    const added = { from: 'here', new: 'a=b c' };
    const { image, changed } = await operations.label(
      'box',
      added,
      ['walt.node.models', 'no'],
      false,
      control,
    );
    expect(changed).toBe(true);
    expect(image).toMatchObject({ labels: added, layers: before?.layers, models: [] });
    expect(await textOf(store, 'box', 'etc/motd')).toBe('welcome');
    expect(operations.history('box')[0]).toMatchObject({
      createdBy: 'bootyard image label box from=here new=a=b c --remove walt.node.models --remove no',
      layer: null,
    });
    const again = await operations.label('box', { new: 'a=b c' }, ['no'], false, control);
    expect(again).toMatchObject({ changed: false, image: { id: image.id } });
    const inspected = run('skopeo', ['inspect', `oci:${join(made.home, 'store')}:box`]);
    expect(JSON.parse(inspected)).toMatchObject({ Labels: added });
  });

  test('those that a node needs stay', async () => {
    nodes = [uses('vnode1', 'off')];
    const change = operations.label('box', { 'walt.node.models': 'qemu-arm-64' }, [], true, control);
    await expect(change).rejects.toThrow(
      'With these labels it would not be compatible with vnode1 (pc-x86-64).',
    );
    await operations.label('box', { 'walt.node.models': 'qemu-arm-64,pc-x86-64' }, [], false, control);
  });
});

describe('nodes that run on an image', () => {
  test('are rebooted once it changed, with consent', async () => {
    nodes = [uses('a', 'booted'), uses('b', 'off'), uses('c', 'booting'), uses('d', 'booted', 'other')];
    const before = store.get('box')?.id;
    await expect(operations.squash('box', undefined, false, control)).rejects.toMatchObject({
      code: 'image.wouldReboot',
      message: 'This operation would reboot 2 node(s) currently using the image.',
    });
    expect([store.get('box')?.id, rebooted]).toEqual([before, []]);
    const done = await operations.squash('box', undefined, true, control);
    expect([done.rebooted, rebooted]).toEqual([['a', 'c'], [['a', 'c']]]);
    const nothing = await operations.squash('box', undefined, true, control);
    expect([nothing.rebooted, rebooted.length]).toEqual([[], 1]);
  });

  test('do not mind that another image is made of it', async () => {
    nodes = [uses('a', 'booted')];
    expect(await operations.squash('box', 'flat', false, control)).toMatchObject({ rebooted: [] });
    nodes = [uses('a', 'booted', 'flat')];
    await expect(operations.squash('box', 'flat', false, control)).rejects.toMatchObject({
      code: 'image.exists',
    });
    expect(await operations.squash('box', 'flat', true, control)).toMatchObject({ rebooted: ['a'] });
  });

  test('are asked for again at the last moment', async () => {
    const before = snapshot(join(made.home, 'store'));
    const change = operations.change('box', { task: 'test', force: false }, control, async (image) => {
      nodes = [uses('a', 'booted')];
      return await Promise.resolve({ config: { ...image.config, created: 'now' } });
    });
    await expect(change).rejects.toMatchObject({ code: 'image.wouldReboot' });
    expect(snapshot(join(made.home, 'store'))).toEqual(before);
  });
});

describe('one task at a time', () => {
  test('changes an image; others are told which', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const change = operations.change(
      'box',
      { task: 'squash operation', force: false },
      control,
      () => promise,
    );
    const sentence = 'Cannot open image box because a squash operation is already running.';
    await expect(operations.squash('box', undefined, false, control)).rejects.toThrow(sentence);
    await expect(operations.label('box:latest', { a: 'b' }, [], false, control)).rejects.toThrow(sentence);
    expect(() => operations.rename('box', 'x')).toThrow(sentence);
    expect(() => operations.checkIdle('box')).toThrow(sentence);
    await operations.squash('box', 'other', false, control);
    resolve(undefined);
    await change;
    operations.checkIdle('box');
    await operations.label('box', { a: 'b' }, [], false, control);
  });

  test('what was replaced meanwhile is not overwritten', async () => {
    const other = made.put('other.tar', tarOf([file('etc/motd', 'other')]));
    const change = operations.change('box', { task: 'test', force: true }, control, async (image) => {
      await store.import({ path: other, name: 'box', force: true });
      return { config: { ...image.config, created: 'now' } };
    });
    await expect(change).rejects.toThrow(
      "The image 'box' was replaced meanwhile: nothing was changed. Try again.",
    );
    expect(await textOf(store, 'box', 'etc/motd')).toBe('other');
    expect(readdirSync(join(made.home, 'store/blobs/sha256'))).toHaveLength(3);
  });
});

describe('an image that comes from elsewhere', () => {
  const source = (labels: Record<string, string>, force = true) => ({
    path: made.put('other.tar', tarOf([file('etc/motd', 'other')])),
    ...{ name: 'box:latest', labels, force },
  });
  const forPc = { 'walt.node.models': 'pc-x86-64' };

  test('takes the place of one with consent; nodes that run on that are named, and go on', async () => {
    nodes = [uses('a', 'booted'), uses('b', 'off'), uses('c', 'booting'), uses('d', 'booted', 'other')];
    await expect(operations.import(source(forPc, false))).rejects.toThrow(
      "Error: Image 'box' already exists.",
    );
    const other = source(forPc);
    const { image, outdated } = await operations.import(other);
    expect([outdated, rebooted]).toEqual([['a', 'c'], []]);
    expect(store.get('box')?.id).toBe(image.id);
    expect(await textOf(store, 'box', 'etc/motd')).toBe('other');
    expect(await operations.import(other)).toMatchObject({ image: { id: image.id }, outdated: [] });
  });

  test('is refused where a node that uses the name could not boot it, however it comes', async () => {
    nodes = [uses('vnode1', 'off')];
    const arm = { 'walt.node.models': 'qemu-arm-64' };
    const sentence = 'it would not be compatible with vnode1 (pc-x86-64).';
    await expect(operations.import(source(arm))).rejects.toThrow(sentence);
    await expect(operations.bringIn(source(arm), true, control)).rejects.toThrow(sentence);
    await operations.import({ ...source(arm), name: 'arm' });
    const squash = operations.squash('arm', 'box', true, control);
    await expect(squash).rejects.toThrow(sentence);
    expect(await textOf(store, 'box', 'etc/motd')).toBe('welcome');
    nodes = [];
    await operations.import(source(arm));
  });

  test('waits for who changes the image', async () => {
    const editing = operations.beginEdit('box', 'image shell');
    await expect(operations.import(source(forPc))).rejects.toMatchObject({ code: 'image.busy' });
    editing.release();
    await operations.import(source(forPc));
  });
});

test('an image of 128 layers takes no more, and can be squashed', async () => {
  await importLayers(store, made.home, manyLayers(128), 'full');
  const add = async (): Promise<unknown> => {
    const staging = store.staging({});
    const layer = await staging.indexed(await staging.copy(source(tarOf([file('x')]))), { needsEnd: true });
    return await store
      .addLayer({ base: store.named('full').id, layer, name: 'full', force: true, createdBy: 'test' })
      .finally(() => staging.dispose());
  };
  await expect(add()).rejects.toThrow(
    'Cannot open image full because it has already reached its max number of layers. (tip: bootyard image squash full)',
  );
  await operations.squash('full', undefined, false, control);
  expect(await add()).toMatchObject({ layers: [{}, {}] });
});
const source = (content: Buffer) => ({
  size: content.length,
  read: (target: Uint8Array, position: number) => Promise.resolve(content.copy(target, 0, position)),
});

test('the history tells who shares a layer, and of layers that nobody speaks of', async () => {
  await importLayers(store, made.home, [ROOT, ...NASTY.slice(0, 1)], 'other', {
    history: [{ created: '2025-01-01T00:00:00Z', created_by: 'ADD root', comment: 'buildkit' }],
  });
  expect(operations.history('other')).toMatchObject([
    { created: '', createdBy: '', layer: 2, sizeBytes: NASTY[0]?.length, sharedWith: [] },
    {
      created: '2025-01-01T00:00:00Z',
      createdBy: 'ADD root',
      comment: 'buildkit',
      layer: 1,
      sharedWith: ['box'],
    },
  ]);
  expect(() => operations.history('no')).toThrow("No such image 'no'");
});

test('df counts each layer once, and gc takes what no image needs', async () => {
  await importLayers(store, made.home, [ROOT], 'base');
  await importLayers(store, made.home, [ROOT, ...NASTY.slice(0, 1)], 'lost');
  const tree = await store.tree(store.named('lost').id);
  await store.remove('lost');
  writeFileSync(join(made.home, 'store/blobs/sha256', '0'.repeat(64)), Buffer.alloc(1000));
  writeFileSync(join(made.home, 'store/bootyard/tmp/work'), Buffer.alloc(77));
  const share = (count: number, bytes: number): unknown => ({ count, bytes });
  expect(operations.usage()).toMatchObject({
    images: share(2, ROOT.length + TOP.length),
    shared: share(1, ROOT.length),
    own: share(1, TOP.length),
    unnamed: share(1, NASTY[0]?.length ?? 0),
    unreferenced: share(1, 1000),
    partialBytes: 77,
  });
  expect(store.unnamed().map(({ name }) => name)).toEqual(['']);
  expect(await operations.collect()).toBe(1000);
  tree.close();
  // The last tree being closed, its image goes by itself.
  await expect.poll(() => operations.usage().partialBytes).toBe(77);
  expect(operations.usage()).toMatchObject({
    unnamed: share(0, 0),
    unreferenced: share(0, 0),
    partialBytes: 77,
  });
  expect(readFileSync(join(made.home, 'store/bootyard/tmp/work'))).toHaveLength(77);
  expect(await textOf(store, 'box', 'etc/motd')).toBe('welcome');
});
