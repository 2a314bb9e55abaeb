import { closeSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import type { ImageStore } from '../../backend/images/store.ts';
import { scanTarSync } from '../../backend/images/tar/tar-scan.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import { ImageSaver } from '../../backend/nodes/image-saver.ts';
import { ImageShells } from '../../backend/nodes/image-shells.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import { node } from '../support/api-lab.ts';
import { importLayers, manyLayers } from './images/nasty.ts';
import { newStore, ROOT, textOf } from './images/store-support.ts';
import { file, folder, tarOf } from './images/support.ts';

// Store, operations and saver are real; the node is files on this host that stand for what its commands print.
const control = { signal: new AbortController().signal, progress: (): void => {} };
const AT_BOOT = [folder('.'), folder('tmp'), folder('tmp/x')];
const TYPED = [folder('.'), folder('etc'), file('etc/motd', 'changed\n')];
const NAMES = Buffer.from(
  './bin\0./etc\0./etc/hostname\0./etc/motd\0./tmp\0./tmp/x\0./bin/busybox\0./bin/sh\0',
);

class Holder {
  close = (): void => {};
  onClose(listener: () => void): void {
    this.close = listener;
  }
}
let store: ImageStore;
let operations: ImageOperations;
let shells: ImageShells;
let left: () => string[];
let dump: string;
let put: ReturnType<typeof newStore>['put'];
let users: NodeInfo[];
let rebooted: string[];
let removed: string[];
beforeEach(async () => {
  const made = newStore();
  ({ store, put } = made);
  left = () => readdirSync(join(made.home, 'store/bootyard/tmp'));
  const { id } = await store.import({ path: put('root.tar', ROOT), name: 'box' });
  const [present, xattrs, nothing] = [put('names', NAMES), put('xattrs', Buffer.from('unseen\n')), tarOf([])];
  dump = put('dump.tar', tarOf(AT_BOOT));
  const fd = openSync(put('nothing.tar', nothing), 'r');
  const injected = scanTarSync(fd, nothing.length);
  closeSync(fd);
  [users, rebooted, removed] = [[], [], []];
  const reboot = (names: string[]) => Promise.resolve(rebooted.push(...names));
  operations = new ImageOperations({ images: store, nodes: () => users, reboot });
  const saver = new ImageSaver({
    images: store,
    node: (name) => ({ ...node(name), state: 'booted', image: 'box' }),
    booted: () => ({ imageId: id, injected: () => injected }),
    argv: (_, command) => [
      'cat',
      command.endsWith('--present') ? present : command.endsWith('--xattrs') ? xattrs : dump,
    ],
    users: () => users,
    reboot,
  });
  const shellNode = (name: string) => ({ name, ip: '', remove: async () => void removed.push(name) });
  shells = new ImageShells({
    images: store,
    operations,
    saver,
    temporary: { boot: async ({ name }) => shellNode(name), take: shellNode },
    imageOf: () => 'box',
  });
});
const open = (holder = new Holder()) => shells.open('box', undefined, holder, control);
const type = () => void (dump = put('dump.tar', tarOf(TYPED)));

test('nothing but what a boot makes is no change', async () => {
  const name = await open();
  expect(await shells.diff(name, control)).toMatchObject({ id: '', count: 0, changes: [] });
  expect(left()).toEqual([]);
  type();
  expect((await shells.diff(name, control)).changes).toMatchObject([{ kind: 'A', path: '/etc/motd' }]);
});

test('another name leaves the image; its own asks when nodes run on it, and they are rebooted', async () => {
  const name = await open();
  type();
  const first = await shells.diff(name, control);
  await expect(shells.save(name, first.id, 'No', false, control)).rejects.toThrow('Bad name');
  expect(await shells.save(name, first.id, 'mine', false, control)).toMatchObject({
    image: { name: 'mine' },
  });
  expect([await textOf(store, 'mine', 'etc/motd'), left()]).toEqual(['changed\n', []]);
  expect(await textOf(store, 'box', 'etc/motd')).toBe('missing');
  await expect(shells.save(name, first.id, 'other', false, control)).rejects.toThrow('not kept any more');

  users = [{ ...node('n1'), state: 'booted', image: 'box' }];
  const { id } = await shells.diff(name, control);
  await expect(shells.save(name, id, 'mine', false, control)).rejects.toMatchObject({ code: 'image.exists' });
  await expect(shells.save(name, id, 'box', false, control)).rejects.toMatchObject({
    code: 'image.wouldReboot',
  });
  expect(await shells.save(name, id, 'box:latest', true, control)).toMatchObject({ rebooted: ['n1'] });
  expect([await textOf(store, 'box', 'etc/motd'), rebooted]).toEqual(['changed\n', ['n1']]);
  // What is not needed any more is removed in its own time.
  await vi.waitFor(() => expect(left()).toEqual([]));
  expect(operations.history('box')[0]).toMatchObject({ createdBy: 'bootyard image shell box' });
});

test('one at a time; with the client the node goes, and the image is free again', async () => {
  const holder = new Holder();
  const name = await open(holder);
  await expect(open()).rejects.toThrow('Cannot open image box because a shell session is already running.');
  expect(() => operations.checkIdle('box')).toThrow('already running');
  const again = new Holder();
  shells.hold(name, again);
  holder.close();
  expect(removed).toEqual([]);
  again.close();
  await expect(shells.diff(name, control)).rejects.toThrow('no image shell on a node image-shell any more');
  expect(removed).toEqual(['image-shell']);
  operations.checkIdle('box');
  // As after a restart of the daemon.
  shells.hold('image-shell', new Holder());
  expect(() => operations.checkIdle('box')).toThrow('already running');
});

test('what cannot be saved is refused before anything boots', async () => {
  const as = (image: string) => shells.open('box', { image, force: false }, new Holder(), control);
  await importLayers(store, put('x', Buffer.alloc(0)).replace(/\/x$/, ''), manyLayers(128), 'full');
  await expect(as('full')).rejects.toMatchObject({ code: 'image.exists' });
  await expect(as('No')).rejects.toThrow('Bad name');
  await expect(shells.open('full', undefined, new Holder(), control)).rejects.toThrow('max number of layers');
  await expect(shells.open('no', undefined, new Holder(), control)).rejects.toThrow("No such image 'no'");
  operations.checkIdle('box');
});

test('an image that was replaced meanwhile is not overwritten, and the change can be saved all the same', async () => {
  // The node serves it.
  const tree = await store.tree(store.named('box').id);
  const name = await open();
  type();
  const { id } = await shells.diff(name, control);
  await store.import({ path: put('other.tar', tarOf([folder('etc')])), name: 'box', force: true });
  await expect(shells.save(name, id, 'box', false, control)).rejects.toMatchObject({ code: 'image.changed' });
  const second = await shells.diff(name, control);
  await shells.save(name, second.id, 'mine', false, control);
  expect(await textOf(store, 'mine', 'etc/motd')).toBe('changed\n');
  tree.close();
});
