import { beforeEach, describe, expect, test } from 'vitest';
import type { Edit } from '../../backend/images/files/edit.ts';
import { ImageFiles } from '../../backend/images/files/image-files.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { ImageEditor } from '../../backend/nodes/image-editor.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import { node } from '../support/api-lab.ts';
import { importLayers, NASTY } from './images/nasty.ts';
import { newStore } from './images/store-support.ts';
import { file, folder, hardlink, link, listTree, tarOf } from './images/support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const ROOT = tarOf([
  folder('etc'),
  file('etc/motd', 'welcome', { mode: 0o640, uid: 7, gid: 8, mtime: 1 }),
  file('etc/one', 'shared', { mode: 0o4755 }),
  hardlink('etc/two', 'etc/one'),
  link('etc/link', 'motd'),
  link('etc/nowhere', 'no'),
  { path: 'etc/null', type: 'char', mode: 0o666, major: 1, minor: 3 },
  folder('lib'),
  file('lib/a', 'a'),
  folder('lib/deep'),
  file('lib/deep/b', 'b'),
  file('capable', 'x', {
    xattrs: new Map([
      ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
      ['user.note', Buffer.from('kept')],
    ]),
  }),
]);
let made: ReturnType<typeof newStore>;
let store: ImageStore;
let editor: ImageEditor;
let files: ImageFiles;
let nodes: NodeInfo[];
let rebooted: string[];

beforeEach(async () => {
  made = newStore();
  store = made.store;
  nodes = [];
  rebooted = [];
  const operations = new ImageOperations({
    images: store,
    nodes: () => nodes,
    reboot: (names) => Promise.resolve(rebooted.push(...names)),
  });
  editor = new ImageEditor(store, operations);
  files = new ImageFiles(store);
  await importLayers(store, made.home, [ROOT], 'box');
});
const edit = (change: Edit, force = false) => editor.edit('box:edit', change, force, control);
const write = (path: string, words: string, more = {}): Promise<unknown> =>
  edit({
    do: 'write',
    path,
    data: Buffer.from(words).toString('base64'),
    create: true,
    overwrite: true,
    ...more,
  });
const remove = (path: string, recursive = false) => edit({ do: 'remove', path, recursive });
const rename = (from: string, path: string, overwrite = false) =>
  edit({ do: 'rename', from, path, overwrite });
const open = () => editor.open('box', control);
const text = async (path: string, image = 'box:edit'): Promise<string> =>
  (await files.read(image, path, 0, 1000)).bytes.toString();
const stat = async (path: string, image = 'box:edit') => (await files.stat(image, path)).file;
const list = async (path: string, image = 'box:edit'): Promise<string[]> =>
  (await files.list(image, path, 0, 100)).files.map(({ name }) => name);
const running = (image: string): NodeInfo => ({ ...node('vnode1'), state: 'booted', image });
const layers = (image: string): number | undefined => store.get(image)?.layers.length;

describe('a working copy', () => {
  test('is an image of its own, one for each image, found again by the next daemon', async () => {
    expect(await open()).toEqual({ name: 'box:edit', base: 'box', isChanged: false, isStale: false });
    await write('/new', 'x');
    expect(await open()).toMatchObject({ name: 'box:edit', isChanged: true });
    expect(await editor.open('box:edit', control)).toMatchObject({ name: 'box:edit', base: 'box' });
    const again = new ImageEditor(new ImageStore(`${made.home}/store`), editor as never);
    expect(again.state('box:edit')).toMatchObject({ base: 'box', isChanged: true });
    expect(await list('/', 'box')).not.toContain('new');
  });

  test('an image that has its name by chance is left alone', async () => {
    await importLayers(store, made.home, [ROOT], 'box:edit');
    await expect(open()).rejects.toThrow("'box:edit' is no working copy of 'box', and has its name");
    await expect(write('/x', 'y')).rejects.toMatchObject({ code: 'image.noWorkingCopy' });
  });

  test('a name with a tag, and an image whose history does not tell its layers', async () => {
    await importLayers(store, made.home, [ROOT, tarOf([file('z')])], 'user/box:v1');
    expect(await editor.open('user/box:v1', control)).toMatchObject({
      ...{ name: 'user/box:v1-edit', isChanged: false },
    });
  });

  test('whatever is saved, there is one layer more, and none when all is as it was', async () => {
    await open();
    for (const word of ['one', 'two', 'three']) await write(`/${word}`, word);
    expect(layers('box:edit')).toBe(2);
    expect(await list('/')).toEqual(['capable', 'etc', 'lib', 'one', 'three', 'two']);
    for (const word of ['one', 'two', 'three']) await remove(`/${word}`);
    expect(layers('box:edit')).toBe(1);
    expect((await open()).isChanged).toBe(false);
  });

  test('edits that come at the same time are all done', async () => {
    await open();
    await Promise.all(Array.from({ length: 8 }, (_, at) => write(`/etc/f${at}`, String(at))));
    expect((await list('/etc')).filter((name) => /^f\d$/.test(name))).toHaveLength(8);
  });
});

describe('a file that is written', () => {
  test('keeps owner and mode; a new one is root’s', async () => {
    await open();
    await write('/etc/motd', 'changed');
    expect(await stat('/etc/motd')).toMatchObject({ mode: 0o640, uid: 7, gid: 8, size: 7 });
    expect((await stat('/etc/motd')).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
    await write('/etc/new', 'x');
    expect(await stat('/etc/new')).toMatchObject({ mode: 0o644, uid: 0, gid: 0 });
    expect(await text('/etc/motd', 'box')).toBe('welcome');
  });

  test('through a link is what the link leads to, and the link stays', async () => {
    await open();
    await write('/etc/link', 'behind');
    expect(await text('/etc/motd')).toBe('behind');
    expect(await stat('/etc/link')).toMatchObject({ type: 'symlink', target: 'motd' });
    await expect(write('/etc/nowhere', 'x')).rejects.toMatchObject({ code: 'file.missing' });
  });

  test('with several names keeps them all', async () => {
    await open();
    await write('/etc/two', 'both');
    expect(await text('/etc/one')).toBe('both');
    expect(await stat('/etc/one')).toMatchObject({ mode: 0o4755, links: 2 });
    await rename('/etc/one', '/lib/uno');
    expect(await stat('/lib/uno')).toMatchObject({ links: 2 });
    await write('/lib/uno', 'still');
    expect(await text('/etc/two')).toBe('still');
  });

  test('keeps attributes, but no capabilities, as Linux', async () => {
    await open();
    await write('/capable', 'y');
    expect((await stat('/capable')).xattrs).toEqual(['user.note']);
  });

  test.each([
    ['/etc', 'file.isFolder'],
    ['/no/such', 'file.missing'],
    ['/etc/motd/x', 'file.notFolder'],
    ['/', 'file.missing'],
    ['/etc/../x', 'file.missing'],
    ['/%2E%2E/x', 'file.missing'],
    ['/.wh.etc', 'file.denied'],
  ])('%s is refused with %s, and nothing changes', async (path, code) => {
    await open();
    const before = store.get('box:edit')?.id;
    await expect(write(path, 'x')).rejects.toMatchObject({ code });
    expect(store.get('box:edit')?.id).toBe(before);
  });

  test('may have to be there, or not', async () => {
    await open();
    await expect(write('/x', '', { create: false })).rejects.toMatchObject({ code: 'file.missing' });
    await expect(write('/etc/motd', '', { overwrite: false })).rejects.toMatchObject({ code: 'file.exists' });
  });

  test('may have a name that is no UTF-8', async () => {
    await open();
    await write('/etc/caf%E9%0A', 'odd');
    const inode = (await store.open('box:edit')).tree.lookupPath(Buffer.from('etc/caf\xe9\n', 'latin1'));
    expect(inode).toBeGreaterThan(0);
    expect(await text('/etc/caf%E9%0A')).toBe('odd');
  });
});

describe('folders and names', () => {
  test('are made, moved, copied and removed', async () => {
    await open();
    await edit({ do: 'makeFolder', path: '/new' });
    await rename('/lib/deep', '/new/deeper');
    expect(await text('/new/deeper/b')).toBe('b');
    expect(await list('/lib')).toEqual(['a']);
    await edit({ do: 'copy', from: '/new', path: '/etc/copy', overwrite: false });
    expect(await text('/etc/copy/deeper/b')).toBe('b');
    await expect(remove('/new')).rejects.toMatchObject({ code: 'file.notEmpty' });
    await remove('/new', true);
    expect(await list('/')).toEqual(['capable', 'etc', 'lib']);
  });

  test('what is copied has content of its own, whatever other names the first has', async () => {
    await open();
    await edit({ do: 'copy', from: '/etc/one', path: '/etc/three', overwrite: false });
    await write('/etc/three', 'own');
    expect([await text('/etc/one'), await text('/etc/two')]).toEqual(['shared', 'shared']);
  });

  test('a folder is not made over what is there, and a device is not written', async () => {
    await open();
    await expect(edit({ do: 'makeFolder', path: '/etc' })).rejects.toMatchObject({ code: 'file.exists' });
    await expect(write('/etc/null', 'x')).rejects.toMatchObject({ code: 'file.special' });
  });

  test('what is put in the place of something else has nothing of it', async () => {
    await open();
    await expect(rename('/lib', '/etc')).rejects.toMatchObject({ code: 'file.exists' });
    await rename('/lib', '/etc', true);
    expect(await list('/etc')).toEqual(['a', 'deep']);
    await remove('/etc', true);
    await write('/etc', 'now a file');
    expect(await text('/etc')).toBe('now a file');
    await remove('/etc');
    await edit({ do: 'makeFolder', path: '/etc' });
    expect(await list('/etc')).toEqual([]);
  });

  test.each([
    ['/etc', '/etc/inside', 'file.badPath'],
    ['/no', '/x', 'file.missing'],
    ['/etc', '/etc', 'file.exists'],
  ])('%s to %s is refused', async (from, to, code) => {
    await open();
    await expect(rename(from, to)).rejects.toMatchObject({ code });
  });
});

describe('saving', () => {
  test('gives the image one layer, and the copy goes on', async () => {
    await open();
    await write('/etc/motd', 'saved');
    const { image, changed } = await editor.save('box:edit', undefined, false, control);
    expect({ name: image.name, changed }).toEqual({ name: 'box', changed: true });
    expect([layers('box'), await text('/etc/motd', 'box')]).toEqual([2, 'saved']);
    expect(await open()).toEqual({ name: 'box:edit', base: 'box', isChanged: false, isStale: false });
    await write('/etc/motd', 'again');
    await editor.save('box:edit', undefined, false, control);
    expect([layers('box'), await text('/etc/motd', 'box')]).toEqual([3, 'again']);
    expect(await editor.save('box:edit', undefined, false, control)).toMatchObject({ changed: false });
  });

  test('nodes are rebooted with consent: of the image when it is saved, of the copy at each edit', async () => {
    await open();
    await write('/x', 'y');
    nodes = [running('box')];
    await write('/x', 'z');
    const refused = editor.save('box:edit', undefined, false, control);
    await expect(refused).rejects.toMatchObject({ code: 'image.wouldReboot' });
    expect(await editor.save('box:edit', undefined, true, control)).toMatchObject({ rebooted: ['vnode1'] });
    nodes = [running('box:edit')];
    await expect(write('/x', 'w')).rejects.toMatchObject({ code: 'image.wouldReboot' });
    expect(await edit({ do: 'remove', path: '/x', recursive: false }, true)).toMatchObject({
      rebooted: ['vnode1'],
    });
  });

  test('an image that has changed meanwhile is not overwritten; another name takes it', async () => {
    await open();
    await write('/x', 'mine');
    await store.remove('box');
    await importLayers(store, made.home, [tarOf([file('theirs')])], 'box');
    expect(editor.state('box:edit')).toMatchObject({ isStale: true });
    await expect(editor.save('box:edit', undefined, true, control)).rejects.toThrow(
      "The image 'box' has changed, or is gone, since 'box:edit' was made of it",
    );
    await editor.save('box:edit', 'other', false, control);
    expect(await text('/x', 'other')).toBe('mine');
    expect(() => editor.state('other')).toThrow('is not opened for edits');
  });
});

test('a nasty image stays what it is around an edit', async () => {
  await importLayers(store, made.home, NASTY, 'nasty');
  await editor.open('nasty', control);
  const change: Edit = { do: 'makeFolder', path: '/zz' };
  await editor.edit('nasty:edit', change, false, control);
  const [before, after] = [await store.open('nasty'), await store.open('nasty:edit')];
  const { '/zz': folder, ...rest } = listTree(after.tree);
  expect(folder).toMatch(/^directory 755 0:0/);
  expect(rest).toEqual(listTree(before.tree));
  before.tree.close();
  after.tree.close();
});
