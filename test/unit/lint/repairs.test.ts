import { beforeEach, describe, expect, test } from 'vitest';
import { ImageLinter } from '../../../backend/boot/lint/linter.ts';
import type { ImageStore } from '../../../backend/images/store.ts';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { type Fixed, ImageFixer } from '../../../backend/nodes/image-fixer.ts';
import { ImageOperations } from '../../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../../backend/nodes/info.ts';
import { node } from '../../support/api-lab.ts';
import { fullListing, importLayers, manyLayers } from '../images/nasty.ts';
import { newStore, textOf } from '../images/store-support.ts';
import { file, folder, hardlink, link, tarOf } from '../images/support.ts';
import { busybox, bytes, goodEntries, PC, RELEASE } from './support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
const GOOD = { 'walt.node.models': 'pc-x86-64', 'walt.server.minversion': '4' };
let made: ReturnType<typeof newStore>;
let store: ImageStore;
let operations: ImageOperations;
let nodes: NodeInfo[];
let rebooted: string[];

beforeEach(() => {
  made = newStore();
  store = made.store;
  nodes = [];
  rebooted = [];
  operations = new ImageOperations({
    images: store,
    nodes: () => nodes,
    reboot: (names) => Promise.resolve(rebooted.push(...names)),
  });
});

interface Broken {
  put?: TarEntry[];
  remove?: string[];
  labels?: Record<string, string>;
}
async function importBroken({ put = [], remove = [], labels = GOOD }: Broken): Promise<void> {
  const entries = goodEntries();
  for (const gone of remove) {
    for (const path of [...entries.keys()])
      if (path === gone || path.startsWith(`${gone}/`)) entries.delete(path);
  }
  for (const entry of put) entries.set(entry.path, entry);
  await importLayers(store, made.home, [tarOf([...entries.values()])], 'box', { config: { Labels: labels } });
}
const fix = (rules: string[], labels = {}, force = false): Promise<Fixed> =>
  new ImageFixer(store, operations).fix({ image: 'box', rules, labels, force }, control);
async function found(): Promise<string[]> {
  const linter = new ImageLinter({ images: store, ramBytes: 2 ** 29, log: () => undefined });
  return (await linter.lint(store.named('box'))).map(({ rule, path }) => `${rule} ${path}`);
}
async function listing(): Promise<Record<string, string>> {
  const { tree } = await store.open('box');
  try {
    return fullListing(tree);
  } finally {
    tree.close();
  }
}
/** Paths that are not the same in both. */
function differing(before: Record<string, string>, after: Record<string, string>): string[] {
  const paths = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...paths].filter((path) => before[path] !== after[path]).toSorted();
}

const sshd = (text: string): TarEntry => file('etc/ssh/sshd_config', text, { mode: 0o600, uid: 3, gid: 4 });
const key = 'etc/ssh/ssh_host_rsa_key';
const ID = '0123456789abcdef0123456789abcdef\n';

const cases: [rule: string, broken: Broken, changed: string[], contents: Record<string, string>][] = [
  [
    'boot.absolute-link',
    {
      put: [
        link(`${PC}/a`, `/${PC}/kernel`),
        link(`${PC}/b`, `/${PC}`),
        folder('boot/x'),
        link('boot/x/l', '/etc/passwd'),
      ],
    },
    ['/boot/pc-x86-64/a', '/boot/pc-x86-64/b', '/boot/x/l'],
    { '/boot/x/l': 'root:x:0:0:root:/root:/bin/sh\n' },
  ],
  [
    'kernel.missing',
    {
      remove: [`${PC}/kernel`],
      put: [bytes(`boot/vmlinuz-${RELEASE}`, goodEntries().get(`${PC}/kernel`)?.content as Buffer)],
    },
    ['/boot/pc-x86-64/kernel'],
    {},
  ],
  [
    'busybox.missing',
    { put: [bytes('bin/busybox', busybox(), { mode: 0o640, uid: 5 }), hardlink('bin/other', 'bin/busybox')] },
    ['/bin/busybox', '/bin/other'],
    { '/bin/other': busybox().toString() },
  ],
  [
    'init.missing',
    { put: [file('sbin/real', '#!/bin/sh\n'), link('sbin/init', 'real')] },
    ['/sbin/real'],
    { '/sbin/real': '#!/bin/sh\n' },
  ],
  [
    'ssh.root-login',
    { put: [sshd('PermitRootLogin no\nPubkeyAuthentication no\nAllowUsers bob\n')] },
    ['/etc/ssh/sshd_config'],
    {
      '/etc/ssh/sshd_config':
        'AllowUsers root\nPubkeyAuthentication yes\nPermitRootLogin prohibit-password\nPermitRootLogin no\nPubkeyAuthentication no\nAllowUsers bob\n',
    },
  ],
  [
    'ssh.root-login',
    { put: [file('etc/shadow', 'bin:!:1::::::\nroot:!!:1::::::\n', { mode: 0o640, gid: 42 })] },
    ['/etc/shadow'],
    { '/etc/shadow': 'bin:!:1::::::\nroot:*!:1::::::\n' },
  ],
  [
    'identity.machine-id',
    {
      put: [file('etc/machine-id', ID, { mode: 0o444 }), folder('var'), file('var/lib/dbus/machine-id', ID)],
    },
    ['/etc/machine-id', '/var/lib/dbus/machine-id'],
    { '/etc/machine-id': '', '/var/lib/dbus/machine-id': 'missing' },
  ],
  [
    'identity.host-keys',
    {
      put: [
        file(key, 'x', { mode: 0o600 }),
        file(`${key}.pub`, 'x'),
        file('etc/dropbear/dropbear_rsa_host_key', 'x'),
      ],
    },
    ['/etc/dropbear/dropbear_rsa_host_key', `/${key}`],
    { [`/${key}.pub`]: 'x' },
  ],
  [
    'usr.dangling',
    { remove: ['lib64'], put: [link('lib64', 'nowhere'), folder('usr/lib64')] },
    ['/lib64'],
    {},
  ],
];

describe('repairs', () => {
  test.each(cases)(
    '%s: the image is clean then, and otherwise what it was: %#',
    async (rule, broken, changed, contents) => {
      await importBroken(broken);
      expect((await found()).some((line) => line.startsWith(`${rule} `))).toBe(true);
      const before = await listing();
      const { id, layers } = store.named('box');
      const done = await fix([rule]);
      expect(done).toMatchObject({ changed: true, left: [] });
      for (const { done: sentence } of done.repaired) expect(sentence).toMatch(/^[^\n]+\.$/);
      expect(await found()).toEqual([]);
      expect(differing(before, await listing())).toEqual(changed);
      for (const [path, text] of Object.entries(contents))
        expect(await textOf(store, 'box', path)).toBe(text);
      expect(store.named('box').layers).toHaveLength(layers.length + 1);
      expect(store.named('box').id).not.toBe(id);
      expect(operations.history('box')[0]?.createdBy).toBe(`bootyard image fix box ${rule}`);
      expect(await fix([rule])).toMatchObject({ changed: false, repaired: [], left: [] });
    },
  );

  test('owner and mode of a file stay where its content changes, and its owner where its mode does', async () => {
    await importBroken({
      put: [sshd('PermitRootLogin no\n'), bytes('bin/busybox', busybox(), { mode: 0o640, uid: 5 })],
    });
    const statOf = async (path: string) => {
      const { tree } = await store.open('box');
      const { mode, uid, gid, links } = tree.stat(tree.lookupPath(path));
      tree.close();
      return [mode.toString(8), uid, gid, links];
    };
    await fix([]);
    expect(await statOf('/etc/ssh/sshd_config')).toEqual(['600', 3, 4, 1]);
    expect(await statOf('/bin/busybox')).toEqual(['751', 5, 0, 1]);
  });

  test('all at once are one layer, also what is only seen after a first repair', async () => {
    await importBroken({
      remove: ['lib64'],
      labels: {},
      put: [folder('usr/lib64'), link(`${PC}/l`, `/${PC}/kernel`), file(key, 'x'), link('lib64', 'no')],
    });
    const { repaired, left } = await fix([], { 'walt.node.models': 'pc-x86-64' });
    expect(left).toEqual([]);
    expect(repaired.map(({ rule }) => rule).toSorted()).toEqual([
      'boot.absolute-link',
      'identity.host-keys',
      'labels.no-models',
      'usr.dangling',
    ]);
    expect(await found()).toEqual([]);
    expect(store.named('box')).toMatchObject({ labels: { 'walt.node.models': 'pc-x86-64' } });
    expect(store.named('box').layers).toHaveLength(2);
  });

  test('more than a list shows are all repaired', async () => {
    const links = Array.from({ length: 50 }, (_, at) => link(`${PC}/l${at}`, '/etc/passwd'));
    await importBroken({ put: links });
    expect((await fix(['boot.absolute-link'])).repaired).toHaveLength(50);
    expect(await found()).toEqual([]);
  });
});

describe('nothing is guessed', () => {
  const kept: [rule: string, broken: Broken][] = [
    ['boot.dangling-link', { put: [link(`${PC}/l`, 'gone')] }],
    ['boot.absolute-link', { put: [link(`${PC}/l`, '/sbin/../etc/passwd')] }],
    [
      'kernel.missing',
      {
        remove: [`${PC}/kernel`],
        put: [folder('lib/modules/6.2'), bytes(`boot/vmlinuz-${RELEASE}`, Buffer.from('x'))],
      },
    ],
    ['busybox.missing', { put: [file('bin/busybox', 'words')] }],
    ['ssh.root-login', { put: [sshd('AuthorizedKeysFile /etc/ssh/keys/%u\n')] }],
    ['labels.no-models', { labels: {} }],
    ['labels.minversion', { labels: { ...GOOD, 'walt.server.minversion': 'four' } }],
  ];
  test.each(kept)('%s: the image stays, and what is left is told', async (rule, broken) => {
    await importBroken(broken);
    const { id } = store.named('box');
    const { changed, repaired, left } = await fix([rule]);
    expect({ changed, repaired }).toEqual({ changed: false, repaired: [] });
    expect(left).toHaveLength(1);
    expect(left[0]).toMatchObject({ rule, fix: expect.stringMatching(/\.$/) as string });
    expect(store.named('box').id).toBe(id);
  });

  test('values of labels are the user’s', async () => {
    await importBroken({ labels: { ...GOOD, 'walt.server.minversion': 'four' } });
    const { repaired, left } = await fix(['labels.minversion'], { 'walt.server.minversion': '4' });
    expect(repaired.map(({ done }) => done)).toEqual(["The label walt.server.minversion is '4' now."]);
    expect(left).toEqual([]);
    expect(await found()).toEqual([]);
    expect(store.named('box').layers).toHaveLength(1);
    await expect(fix([], { 'walt.server.minversion': '5' })).rejects.toThrow(
      'Nothing is wrong with the label walt.server.minversion, so nothing was repaired',
    );
  });

  test('an unknown rule is refused', async () => {
    await importBroken({});
    await expect(fix(['boot.none'])).rejects.toThrow("There is no rule 'boot.none'");
  });
});

describe('as every change of an image', () => {
  const broken = { put: [file('etc/machine-id', ID)] };
  test('nodes that run on it are rebooted with consent', async () => {
    await importBroken(broken);
    nodes = [{ ...node('vnode1'), state: 'booted', image: 'box' }];
    await expect(fix([])).rejects.toThrow('This operation would reboot 1 node');
    expect(await fix([], {}, true)).toMatchObject({ changed: true, rebooted: ['vnode1'] });
    expect(rebooted).toEqual(['vnode1']);
  });

  test('a task that changes it is in the way', async () => {
    await importBroken(broken);
    const editing = operations.beginEdit('box', 'test');
    await expect(fix([])).rejects.toThrow('test');
    editing.release();
    expect((await fix([])).changed).toBe(true);
  });

  test('nodes that use it must be able to boot it afterwards', async () => {
    await importBroken({ labels: { ...GOOD, 'walt.node.models': 'pc-x86-64,toaster' } });
    nodes = [{ ...node('vnode1'), state: 'off', image: 'box' }];
    const change = fix(['labels.unknown-model'], { 'walt.node.models': 'qemu-arm-64' });
    await expect(change).rejects.toThrow('it would not be compatible with vnode1 (pc-x86-64)');
    await fix(['labels.unknown-model'], { 'walt.node.models': 'pc-x86-64' });
    expect(await found()).toEqual([]);
  });

  test('an image with 128 layers takes no more', async () => {
    await importLayers(
      store,
      made.home,
      [...manyLayers(127), tarOf([folder('etc'), file('etc/machine-id', ID)])],
      'box',
    );
    await expect(fix(['identity.machine-id'])).rejects.toThrow('already reached its max number of layers');
    expect(store.named('box').layers).toHaveLength(128);
  });
});
