import { expect, test } from 'vitest';
import { MAX_REPAIRED, repairLayer } from '../../../backend/images/files/repair-layer.ts';
import type { FileRepair } from '../../../backend/images/files/repair.ts';
import { stackedTree } from '../../../backend/images/files/tree-layer.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { fullListing, importLayers } from './nasty.ts';
import { newStore } from './store-support.ts';
import { file, folder, hardlink, link, tarOf } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const xattrs = new Map([['user.x', Buffer.from('kept')]]);
const owned = { uid: 3, gid: 4 };

/** What is below the repairs, and what a tree with their layer on top has. */
async function repaired(entries: TarEntry[], repairs: FileRepair[]) {
  const { store, home } = newStore();
  const record = await importLayers(store, home, [tarOf(entries)], 'box');
  const image = await store.open('box');
  const staging = store.staging(control);
  const indexes = await store.layerIndexes(record);
  try {
    const layer = await repairLayer(image.tree, repairs, staging);
    const made = await stackedTree(image, indexes, indexes.length, [layer]);
    const at = (path: string): number => made.lookupPath(path, { follow: false });
    const outcome = new Map(
      Object.keys(fullListing(made)).map((path) => {
        const { type, mode, uid, gid, links } = made.stat(at(path));
        const text = type === 'file' ? made.readFile(at(path)).toString() : '';
        const xattr = String(made.xattrs(at(path)).get('user.x') ?? '');
        return [path, { type, mode, uid, gid, links, text, xattr }];
      }),
    );
    made.close();
    return outcome;
  } finally {
    image.tree.close();
    staging.dispose();
  }
}

const files = [
  folder('etc'),
  file('etc/a', 'from one\nto\nfrom two\n', { mode: 0o600, ...owned, xattrs }),
  hardlink('etc/b', 'etc/a'),
  link('etc/l', 'a'),
];

test('several repairs of one file are all done, under all its names and through a link', async () => {
  const made = await repaired(files, [
    { do: 'replace', path: '/etc/a', from: 'from', to: 'FROM' },
    { do: 'prepend', path: '/etc/l', line: 'first' },
    { do: 'mode', path: '/etc/b', mode: 0o640 },
  ]);
  const text = 'first\nFROM one\nto\nFROM two\n';
  for (const path of ['/etc/a', '/etc/b'])
    expect(made.get(path)).toEqual({ type: 'file', mode: 0o640, ...owned, links: 2, text, xattr: 'kept' });
  expect(made.get('/etc/l')).toMatchObject({ type: 'symlink' });
});

test('a link stands in the place of what was there, with its owner; a new one is of root', async () => {
  const made = await repaired(
    [...files, file('etc/old', '', owned)],
    ['old', 'new'].map((name) => ({ do: 'link', path: `/etc/${name}`, target: 'a' })),
  );
  expect(made.get('/etc/old')).toMatchObject({ type: 'symlink', ...owned });
  expect(made.get('/etc/new')).toMatchObject({ type: 'symlink', uid: 0, gid: 0 });
});

test('a file is removed, and emptied, and its neighbours stay', async () => {
  const made = await repaired(
    [...files, file('etc/c', 'c'), file('etc/d', 'd')],
    [
      { do: 'remove', path: '/etc/c' },
      { do: 'empty', path: '/etc/d' },
    ],
  );
  expect([...made.keys()].filter((path) => path.startsWith('/etc/'))).toEqual([
    ...['/etc/a', '/etc/b', '/etc/d', '/etc/l'],
  ]);
  expect(made.get('/etc/d')?.text).toBe('');
  expect(made.get('/etc/b')?.text).toBe('from one\nto\nfrom two\n');
});

test('what is no file, is not there or is too large is refused', async () => {
  await expect(repaired(files, [{ do: 'empty', path: '/etc' }])).rejects.toThrow(
    'Nothing was repaired: /etc is no file.',
  );
  await expect(repaired(files, [{ do: 'remove', path: '/etc/no' }])).rejects.toThrow('/etc/no');
  const large = { ...file('etc/large', ''), content: Buffer.alloc(MAX_REPAIRED + 1) };
  await expect(repaired([...files, large], [{ do: 'empty', path: '/etc/large' }])).rejects.toThrow(
    'Nothing was repaired: /etc/large has more than 64 MB.',
  );
});
