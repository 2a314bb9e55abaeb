import { closeSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ImportControl } from '../../backend/images/staging.ts';
import type { ImageStore } from '../../backend/images/store.ts';
import { scanTarSync } from '../../backend/images/tar/tar-scan.ts';
import { xattrLines } from '../../backend/images/tree/xattr-list.ts';
import { ImageSaver } from '../../backend/nodes/image-saver.ts';
import { node } from '../support/api-lab.ts';
import { newStore, ROOT, snapshot, textOf } from './images/store-support.ts';
import { file, folder, tarOf } from './images/support.ts';

const CHANGES = tarOf([
  folder('.'),
  folder('etc'),
  file('etc/motd', 'changed\n'),
  file('etc/new', 'x'.repeat(5000)),
]);
const NAMES = ['./etc', './bin', './etc/hostname', './etc/motd', './etc/new', './bin/busybox', './bin/sh'];

/** A store with one image, a saver whose node is a file on this host, and what is in the store's folder. */
async function setUp(attributes = 'unseen\n'): Promise<{
  store: ImageStore;
  saver: ImageSaver;
  stored: () => Record<string, string>;
  left: () => string[];
}> {
  const { home, store, put } = newStore();
  const { id } = await store.import({ path: put('root.tar', ROOT), name: 'box' });
  const dump = put('changes.tar', CHANGES);
  const present = put('present', Buffer.from(NAMES.join('\0') + '\0'));
  const xattrs = put('xattrs', Buffer.from(attributes));
  const nothing = tarOf([]);
  const fd = openSync(put('nothing.tar', nothing), 'r');
  const injected = scanTarSync(fd, nothing.length);
  closeSync(fd);
  const saver = new ImageSaver({
    images: store,
    node: (name) => ({ ...node(name), state: 'booted', image: 'box' }),
    booted: () => ({ imageId: id, injected: () => injected }),
    argv: (_ip, command) => [
      'cat',
      command.endsWith('--present') ? present : command.endsWith('--xattrs') ? xattrs : dump,
    ],
    users: () => [],
    reboot: () => Promise.resolve(),
  });
  const folderOf = join(home, 'store');
  return {
    store,
    saver,
    stored: () => snapshot(folderOf),
    left: () => readdirSync(join(folderOf, 'bootyard/tmp')),
  };
}

/** Of work that is cancelled as soon as it tells something that begins so; of none when nothing is given. */
function control(begin?: string): Required<ImportControl> & { told: string[] } {
  const controller = new AbortController();
  const told: string[] = [];
  const progress: ImportControl['progress'] = ({ message }) => {
    told.push(message);
    if (begin !== undefined && message.startsWith(begin)) controller.abort();
  };
  return { signal: controller.signal, progress, told };
}

test('a save tells files and bytes, and takes nothing but the new layer', async () => {
  const { store, saver, left } = await setUp();
  const reading = control();
  const { id, count } = await saver.diff('n', true, reading);
  expect(count).toBe(2);
  expect(reading.told).toEqual([
    'Reading what n has changed',
    expect.stringMatching(/^Reading from n: \d+\.\d MB$/),
    'Comparing n with its image',
    expect.stringMatching(/^Comparing: 0 of 4 files, 0\.0 MB$/),
    'Keeping what differs: 0.0 MB of 0.0 MB',
  ]);
  const adding = control();
  await saver.save(id, 'mine', false, adding);
  expect(adding.told).toEqual(['Adding 2 files (0.0 MB)']);
  expect(await textOf(store, 'mine', 'etc/motd')).toBe('changed\n');
  expect(left()).toEqual([]);
});

test.each(['Reading what', 'Reading from', 'Comparing n', 'Comparing:', 'Keeping'])(
  'a comparison that is cancelled at "%s" leaves nothing',
  async (begin) => {
    const { saver, stored, left } = await setUp();
    const before = stored();
    const { told, ...cancelled } = control(begin);
    await expect(saver.diff('n', true, cancelled)).rejects.toThrow('aborted');
    expect(told.at(-1)).toContain(begin);
    expect([stored(), left()]).toEqual([before, []]);
  },
);

test('a save that is cancelled leaves no image, and the difference is gone', async () => {
  const { store, saver, stored, left } = await setUp();
  const before = stored();
  const { id } = await saver.diff('n', true, control());
  expect(left()).toHaveLength(1);
  await expect(saver.save(id, 'mine', false, control('Adding'))).rejects.toThrow('aborted');
  expect([stored(), left(), store.get('mine')]).toEqual([before, [], undefined]);
  await expect(saver.save(id, 'mine', false, control())).rejects.toThrow('not kept any more');
});

test('what is compared only to be shown, or not saved after all, is not kept', async () => {
  const { saver, left } = await setUp();
  expect((await saver.diff('n', false, control())).id).toBe('');
  expect(left()).toEqual([]);
  const { id } = await saver.diff('n', true, control());
  saver.drop(id);
  saver.drop(id);
  expect(left()).toEqual([]);
  await expect(saver.save(id, 'mine', false, control())).rejects.toThrow('not kept any more');
});

const hex = (text: string): string => Buffer.from(text).toString('hex');

test('extended attributes that the node lists are in the saved image', async () => {
  const list = xattrLines('./etc/motd', new Map([['user.note', Buffer.from([0, 10, 255])]]));
  const { store, saver } = await setUp(`seen\n${list}`);
  const { id } = await saver.diff('n', true, control());
  const saved = await saver.save(id, 'mine', false, control());
  const tree = await store.tree(saved.id);
  const found = tree.xattrs(tree.lookupPath('etc/motd'));
  tree.close();
  expect(found).toEqual(new Map([['user.note', Buffer.from([0, 10, 255])]]));
});

test.each([
  [
    'a tar, as scripts of old send it',
    CHANGES.toString('latin1'),
    'scripts of another version: reboot it first',
  ],
  ['nothing', '', 'scripts of another version'],
  ['an attribute of the overlay', `seen\nf ${hex('x')}\nn ${hex('trusted.overlay.x')}\n`, 'was refused'],
  ['a name without its file', `seen\nn ${hex('user.x')}\n`, 'was refused'],
])('%s is no list of extended attributes; nothing is left', async (_, text, why) => {
  const { saver, left } = await setUp(text);
  await expect(saver.diff('n', true, control())).rejects.toThrow(why);
  expect(left()).toEqual([]);
});
