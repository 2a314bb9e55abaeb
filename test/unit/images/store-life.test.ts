import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { imageName } from '../../../backend/images/names.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import type { EventBody } from '../../../backend/events/bus.ts';
import { listTree, sha, treeOf } from './support.ts';
import { newStore, ROOT, snapshot, textOf, TOP } from './store-support.ts';

const fds = (): number => readdirSync('/proc/self/fd').length;

describe('the life of images', () => {
  test('names are taken once, unless forced', async () => {
    const { home, put } = newStore();
    const events: EventBody[] = [];
    const store = new ImageStore(join(home, 'store'), { publish: (event) => events.push(event) });
    const [first, second] = [put('1', ROOT), put('2', TOP)];
    await store.import({ path: first, name: 'box:latest' });
    await expect(store.import({ path: second, name: 'box' })).rejects.toThrow(
      "Error: Image 'box' already exists.",
    );
    expect(store.get('box')).toBe(store.get('box:latest'));
    await store.import({ path: second, name: 'box', force: true });
    expect(store.list()).toHaveLength(1);
    expect(await textOf(store, 'box', 'etc/motd')).toBe('welcome');
    await expect(store.remove('nothing')).rejects.toThrow("Error: No such image 'nothing'.");
    await store.remove('box');
    expect(events).toEqual(
      ['added', 'added', 'removed'].map((phase) => ({ kind: 'image', phase, name: 'box' })),
    );
  });

  test('an image knows the link by which it was cloned, until it is changed', async () => {
    const { home, put } = newStore();
    const store = new ImageStore(join(home, 'store'));
    const origin = 'lab:anna/router:v2';
    await store.import({ path: put('1', ROOT), name: 'box', origin });
    store.duplicate('box', 'more');
    store.rename('box', 'other');
    const origins = (from: ImageStore) => from.list().map((image) => image.origin);
    expect(origins(store)).toEqual([origin, origin]);
    expect(origins(new ImageStore(join(home, 'store')))).toEqual([origin, origin]);
    const image = await store.open('other');
    await store.derive(image, { config: { ...image.config, author: 'me' } }, { name: 'other', force: true });
    image.tree.close();
    expect(store.get('other')?.origin).toBeUndefined();
    expect(store.get('more')?.origin).toBe(origin);
  });

  test('imports at the same time', async () => {
    const { home, store, put } = newStore();
    const paths = [put('1', ROOT), put('2', TOP), put('3', gzipSync(ROOT))];
    const results = await Promise.allSettled([
      ...paths.map((path, at) => store.import({ path, name: `n${at}` })),
      store.import({ path: paths[0] ?? '', name: 'same' }),
      store.import({ path: paths[1] ?? '', name: 'same' }),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
    expect(store.list().map(({ name }) => name)).toEqual(['n0', 'n1', 'n2', 'same']);
    expect(new ImageStore(join(home, 'store')).list()).toEqual(store.list());
    for (const name of ['n0', 'n2']) expect(await textOf(store, name, 'etc/hostname')).toBe('box\n');
  });

  test('removal leaves what other images need', async () => {
    const { home, store, put } = newStore();
    const empty = snapshot(join(home, 'store'));
    await store.import({ path: put('1', ROOT), name: 'one' });
    await store.import({ path: join(home, '1'), name: 'two', labels: { a: 'b' } });
    await store.remove('one');
    expect(await textOf(store, 'two', 'etc/hostname')).toBe('box\n');
    await store.remove('two');
    expect(snapshot(join(home, 'store'))).toEqual(empty);
  });

  test('an image that a tree is open of lives on, also in the next daemon', async () => {
    const { home, store, put } = newStore();
    const { id } = await store.import({ path: put('1', ROOT), name: 'box' });
    const tree = await store.tree(id);
    await store.import({ path: put('2', TOP), name: 'box', force: true });
    expect(store.get('box')?.id).not.toBe(id);
    expect(store.list()).toHaveLength(1);

    const next = new ImageStore(join(home, 'store'));
    const adopted = await next.tree(id);
    await next.collect();
    expect(adopted.id).toBe(tree.id);
    expect(adopted.readFile(adopted.lookupPath('etc/hostname')).toString()).toBe('box\n');
    expect(existsSync(join(home, 'store/blobs/sha256', id))).toBe(true);
    tree.close();
    adopted.close();
    await next.collect();
    expect(existsSync(join(home, 'store/blobs/sha256', id))).toBe(false);
    expect(existsSync(join(home, 'store/blobs/sha256', sha(ROOT)))).toBe(false);
    await expect(next.tree(id)).rejects.toThrow(/no image with id/);
  });

  test('a tree with an injected layer holds its image as well', async () => {
    const { home, store, put } = newStore();
    const { id } = await store.import({ path: put('1', ROOT), name: 'box' });
    const base = await store.tree(id);
    const tree = base.withLayer(put('top.tar', TOP));
    base.close();
    await store.remove('box');
    expect(existsSync(join(home, 'store/blobs/sha256', sha(ROOT)))).toBe(true);
    expect(tree.readFile(tree.lookupPath('etc/motd')).toString()).toBe('welcome');
    tree.close();
    await store.collect();
    expect(existsSync(join(home, 'store/blobs/sha256', sha(ROOT)))).toBe(false);
  });

  test('trees of an image share its files and are equal', async () => {
    const { store, put } = newStore();
    const { id } = await store.import({ path: put('1', ROOT), name: 'box' });
    const before = fds();
    const trees = await Promise.all(Array.from({ length: 5 }, () => store.tree(id)));
    expect(fds()).toBe(before + 1);
    expect(new Set(trees.map((tree) => tree.attributes.buffer)).size).toBe(1);
    for (const tree of trees) tree.close();
    expect(fds()).toBe(before);
  });
});

describe('what a crash or a bad disk can leave', () => {
  test('halves of an import are swept', async () => {
    const { home, store, put } = newStore();
    await store.import({ path: put('1', ROOT), name: 'box' });
    const before = snapshot(join(home, 'store'));
    mkdirSync(join(home, 'store/bootyard/tmp/abc'));
    writeFileSync(join(home, 'store/bootyard/tmp/abc/1'), 'half');
    writeFileSync(join(home, 'store/blobs/sha256', 'f'.repeat(64)), 'moved, but not yet in the index');
    writeFileSync(join(home, 'store/bootyard/layers', `${'f'.repeat(64)}.abc.tmp`), 'half');
    const next = new ImageStore(join(home, 'store'));
    await next.collect();
    expect(snapshot(join(home, 'store'))).toEqual(before);
    expect(next.list()).toEqual(store.list());
  });

  test.each(['layers', 'trees'])('damaged files in %s are made anew', async (kind) => {
    const { home, store, put } = newStore();
    const { id } = await store.import({ path: put('1', ROOT), name: 'box' });
    const layers = join(home, 'store/bootyard/layers', sha(ROOT));
    const trees = join(home, 'store/bootyard/trees', id);
    const expected = listTree(treeOf([ROOT]));
    (await store.tree(id)).close();
    const sound = readFileSync(kind === 'layers' ? layers : trees);
    const flipped = Buffer.from(sound);
    flipped[sound.length - 9] = (flipped[sound.length - 9] ?? 0) ^ 1;
    const versioned = Buffer.from(sound);
    versioned.writeUInt32LE(9999, 4);
    for (const bad of [
      flipped,
      versioned,
      sound.subarray(0, 100),
      Buffer.alloc(3),
      Buffer.alloc(0),
      Buffer.alloc(1 << 16, 0xff),
    ]) {
      rmSync(trees);
      writeFileSync(kind === 'layers' ? layers : trees, bad);
      const tree = await new ImageStore(join(home, 'store')).tree(id);
      expect(listTree(tree)).toEqual(expected);
      tree.close();
      expect(readFileSync(kind === 'layers' ? layers : trees).equals(sound)).toBe(true);
    }
  });

  test('a damaged image is logged, keeps its files, and can be replaced', async () => {
    const { home, store, put } = newStore();
    await store.import({ path: put('1', ROOT), name: 'bad' });
    await store.import({ path: put('2', TOP), name: 'good' });
    truncateSync(join(home, 'store/blobs/sha256', sha(ROOT)), 1000);
    const lines: string[] = [];
    const next = new ImageStore(join(home, 'store'), { log: (line) => lines.push(line) });
    expect(next.list().map(({ name }) => name)).toEqual(['good']);
    expect(lines).toEqual([expect.stringMatching(/^image bad cannot be used: .*cut off/)]);
    await next.collect();
    expect(statSync(join(home, 'store/blobs/sha256', sha(ROOT))).size).toBe(1000);
    await next.import({ path: join(home, '1'), name: 'bad' });
    expect(await textOf(next, 'bad', 'etc/hostname')).toBe('box\n');
    expect(new ImageStore(join(home, 'store')).list()).toEqual(next.list());
  });
});

describe('names', () => {
  test.each(['box', 'my-box-2', 'box:v1', 'user/box', 'user/box:2-a'])('%s', (name) => {
    expect(imageName(name)).toBe(name);
    expect(imageName('box:latest')).toBe('box');
  });
  test.each(['', 'Box', 'a_b', 'a b', 'box:', ':v', '/box', 'a//b', 'box.tar', '../x', 'box:v.1'])(
    '%j is bad',
    (name) => {
      expect(() => imageName(name)).toThrow(/^Bad name: /);
    },
  );
  test.each(['a:b:c', 'a/b/c', ':v'])('%j has a bad form', (name) => {
    expect(() => imageName(name)).toThrow('Bad name: expected format is <name> or <name>:<tag>.');
  });
  test('the reserved one', () => {
    for (const name of ['default', 'default:x', 'user/default']) {
      expect(() => imageName(name)).toThrow("Sorry 'default' is a reserved keyword.");
    }
  });
});
