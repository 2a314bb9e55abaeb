import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { ImageCopier } from '../../backend/api/image-copy.ts';
import { hostOwner } from '../../backend/images/copy-in.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import type { ImageStore } from '../../backend/images/store.ts';
import { node } from '../support/api-lab.ts';
import { fullListing, importLayers, manyLayers, NASTY } from './images/nasty.ts';
import { newStore, snapshot } from './images/store-support.ts';
import { file, folder, isRoot, link, listFolder, listTree, tarOf } from './images/support.ts';

const control = { signal: new AbortController().signal, progress: (): void => {} };
let home: string;
let host: string;
let store: ImageStore;
let copier: ImageCopier;
let nodes: NodeInfo[];
let rebooted: string[][];

const IMAGE = tarOf([
  folder('.'),
  folder('etc', 0o750, { uid: 3, mtime: 1_500_000_000 }),
  file('etc/motd', 'old', { mtime: 1_500_000_000 }),
  folder('d'),
  folder('d/sub', 0o700),
  file('d/f', 'content', { mode: 0o640, uid: 7, gid: 8, mtime: 1_234_567_890 }),
  link('toFolder', 'd'),
  link('toFile', '/d/f'),
  link('away', '/d/../d/sub'),
  { path: 'fifo', type: 'fifo', mode: 0o600 },
]);

beforeEach(async () => {
  const made = newStore();
  ({ home, store } = made);
  host = join(home, 'host');
  mkdirSync(host);
  nodes = [];
  rebooted = [];
  const operations = new ImageOperations({
    images: store,
    nodes: () => nodes,
    reboot: (names) => Promise.resolve(rebooted.push(names)),
  });
  copier = new ImageCopier(store, operations);
  await importLayers(store, home, [IMAGE], 'box');
});

const copy = (from: string, to: string, more: { archive?: boolean; force?: boolean } = {}) =>
  copier.copy({ from, to, folder: host, archive: false, force: false, ...more }, control);

async function listing(name = 'box'): Promise<Record<string, string>> {
  const tree = await store.tree(store.named(name).id);
  try {
    return listTree(tree);
  } finally {
    tree.close();
  }
}
async function text(path: string): Promise<string> {
  const tree = await store.tree(store.named('box').id);
  try {
    return tree.readFile(tree.lookupPath(path)).toString();
  } finally {
    tree.close();
  }
}

function makeTree(place: string): void {
  mkdirSync(join(place, 'empty'), { recursive: true });
  mkdirSync(join(place, '-dash/..deep'), { recursive: true });
  for (const name of [
    '-rf',
    'two\nlines ',
    '.hidden',
    'back\\nslash',
    '*',
    'ü',
    `-dash/..deep/${'n'.repeat(250)}`,
  ])
    writeFileSync(join(place, name), name);
  writeFileSync(Buffer.concat([Buffer.from(`${place}/latin1-`), Buffer.from([0xe9])]), 'bytes');
  linkSync(join(place, '.hidden'), join(place, 'hardlink'));
  symlinkSync('/no/where', join(place, 'absolute'));
  execFileSync('mkfifo', [join(place, 'fifo')]);
  execFileSync('truncate', ['-s', '3000000', join(place, 'sparse')]);
  chmodSync(join(place, '*'), 0o4751);
  chmodSync(join(place, 'empty'), 0o555);
  utimesSync(join(place, '.hidden'), 1e9, 1e9);
  utimesSync(place, 1_234_567_890, 1_234_567_890);
}

describe('into an image', () => {
  test('a folder with odd names, as one more layer, all of it root’s', async () => {
    makeTree(join(host, 'tree'));
    const before = await listing();
    expect(await copy('tree', 'box:/etc')).toEqual({
      image: 'box',
      changed: true,
      rebooted: [],
      warnings: [],
    });
    const expected = Object.entries(listFolder(join(host, 'tree'))).map(([path, line]) => [
      path === '/' ? '/etc/tree' : `/etc/tree${path}`,
      line.replace(/ \d+:\d+ /, ' 0:0 ').replace('= /', '= /etc/tree/'),
    ]);
    expect(await listing()).toEqual({ ...before, ...Object.fromEntries(expected) });
    expect(store.named('box').layers).toHaveLength(2);
    expect(store.config(store.named('box').id).history?.at(-1)).toMatchObject({
      created_by: 'bootyard image cp tree box:/etc',
    });
    rmSync(join(host, 'tree/fifo'));
    expect(await copy('tree', 'box:/etc')).toMatchObject({ changed: false });
    expect(store.named('box').layers).toHaveLength(2);
  });

  test('a folder merges into one of its name, which stays as it is', async () => {
    mkdirSync(join(host, 'etc'));
    writeFileSync(join(host, 'etc/motd'), 'new!');
    writeFileSync(join(host, 'etc/more'), 'more');
    const before = await listing();
    await copy('etc', 'box:/');
    const after = await listing();
    expect(after['/etc']).toBe(before['/etc']);
    expect([await text('etc/motd'), await text('etc/more')]).toEqual(['new!', 'more']);
    expect(Object.keys(after)).toHaveLength(Object.keys(before).length + 1);
  });

  test.each([
    ['f', 'box:/d', '/d/f'],
    ['f', 'box:d/', '/d/f'],
    ['f', 'box:/d/new', '/d/new'],
    ['f', 'box:/toFolder/g', '/d/g'],
    ['f', 'box:/away/g', '/d/sub/g'],
    ['f', 'box:/d/../d/./sub', '/d/sub/f'],
    ['f', 'box:/toFile', '/toFile'],
    ['./f', 'box:latest:/g', '/g'],
    ['sub/.', 'box:/', '/inside'],
    ['sub', 'box:/new/', '/new/inside'],
    ['sub/..', 'box:/toFolder', '/d/sub/inside'],
  ])('%s to %s', async (from, to, where) => {
    mkdirSync(join(host, 'sub'));
    writeFileSync(join(host, 'sub/inside'), 'mine');
    writeFileSync(join(host, 'f'), 'mine');
    await copy(from, to);
    const after = await listing();
    expect(after[where]).toMatch(/^file 644 0:0 1 - 4:/);
  });

  test.each([
    [
      'd',
      'box:/etc/motd',
      'Invalid request. Overwriting regular file box:/etc/motd with directory d is not allowed.',
    ],
    ['f', 'box:/', 'Invalid request. Overwriting directory /d with regular file d is not allowed.', 'd'],
    [
      'deep/.',
      'box:/',
      'Invalid request. Overwriting regular file box:/d/f with directory deep/. is not allowed.',
    ],
    [
      'deep2/.',
      'box:/',
      'Invalid request. Overwriting directory box:/d/sub with regular file deep2/. is not allowed.',
    ],
    [
      'f',
      'box:/fifo',
      'box:/fifo is neither a file nor a directory: it can be neither copied nor overwritten.',
    ],
    ['f', 'box:/no/where', 'No such file or directory: /no'],
    ['f', 'box:/new/', 'Not a directory: box:/new/'],
    ['no', 'box:/', 'No such file or directory: no'],
    ['f/', 'box:/', 'No such file or directory: f/'],
    ['pipe', 'box:/', 'pipe is neither a file nor a directory: it can be neither copied nor overwritten.'],
    ['wh', 'box:/', "Nothing was copied: 'wh/.wh.motd' has a name that begins with '.wh.'"],
    ['f', 'no:/', "Error: No such image 'no'. (tip: bootyard image show)"],
    ['f', './g', 'One path of `image cp` is in an image, <image>:<path>, and the other one on this host.'],
    ['box:/d', 'box:/etc', 'One path of `image cp` is in an image'],
    ['f', 'booted-image', "Keyword 'booted-image' is only available with command 'bootyard node cp'."],
    ['', 'box:/', 'A path of `image cp` is empty.'],
  ])('%s to %s is refused', async (from, to, sentence, asName = from) => {
    mkdirSync(join(host, 'deep/d/f'), { recursive: true });
    mkdirSync(join(host, 'deep2/d'), { recursive: true });
    mkdirSync(join(host, 'wh'));
    writeFileSync(join(host, 'wh/.wh.motd'), '');
    writeFileSync(join(host, 'deep2/d/sub'), '');
    writeFileSync(join(host, 'f'), '');
    execFileSync('mkfifo', [join(host, 'pipe')]);
    if (asName === from) mkdirSync(join(host, 'd'));
    else writeFileSync(join(host, asName), '');
    const before = snapshot(join(home, 'store'));
    await expect(copy(asName, to)).rejects.toThrow(sentence);
    expect(snapshot(join(home, 'store'))).toEqual(before);
  });

  test('owners and attributes are kept on request', async () => {
    if (!isRoot) return;
    const xattrs = new Map([['user.note', Buffer.from('kept')]]);
    const owner = { uid: 1234, gid: 5678 };
    writeFileSync(
      join(host, 't'),
      tarOf([folder('a', 0o755, owner), file('a/f', 'x', { ...owner, xattrs })]),
    );
    execFileSync('tar', ['-C', host, '--numeric-owner', '--xattrs', '-xpf', join(host, 't')]);
    const attributes = async (): Promise<[string, string]> => {
      const tree = await store.tree(store.named('box').id);
      const inode = tree.lookupPath('a/f');
      const { uid, gid } = tree.stat(inode);
      const note = tree.xattrs(inode).get('user.note')?.toString() ?? '';
      tree.close();
      return [`${uid}:${gid}`, note];
    };
    await copy('a', 'box:/');
    expect(await attributes()).toEqual(['0:0', '']);
    await copy('a', 'box:/', { archive: true });
    expect(await attributes()).toEqual(['1234:5678', 'kept']);
  });

  test('owners are those of the host, also in a user namespace', () => {
    const host = [[0, 0, 4_294_967_295]];
    const plain = [
      [0, 1000, 1],
      [1, 100_000, 65_536],
    ];
    expect([0, 1234, 65_534].map((id) => hostOwner(id, host))).toEqual([0, 1234, 65_534]);
    expect([0, 1, 34, 65_534, 70_000].map((id) => hostOwner(id, plain))).toEqual([
      1000, 100_000, 100_033, 0, 0,
    ]);
  });

  test('nodes that run on the image are rebooted, with consent', async () => {
    nodes = [{ ...node('vnode1'), image: 'box', state: 'booted' }];
    writeFileSync(join(host, 'f'), '');
    await expect(copy('f', 'box:/')).rejects.toMatchObject({ code: 'image.wouldReboot' });
    expect(await copy('f', 'box:/', { force: true })).toMatchObject({ changed: true, rebooted: ['vnode1'] });
    expect(await copy('f', 'box:/', { force: true })).toMatchObject({ changed: false, rebooted: [] });
    expect(rebooted).toEqual([['vnode1']]);
  });

  test('an image with 128 layers takes none', async () => {
    await importLayers(store, home, manyLayers(128), 'full');
    writeFileSync(join(host, 'f'), '');
    await expect(copy('f', 'full:/')).rejects.toThrow('(tip: bootyard image squash full)');
  });

  test('a cancelled copy leaves nothing', async () => {
    writeFileSync(join(host, 'f'), Buffer.alloc(4 << 20, 'x'));
    const before = snapshot(join(home, 'store'));
    for (const begin of ['Reading', 'Comparing', 'Keeping']) {
      const controller = new AbortController();
      const told: string[] = [];
      const progress = ({ message }: { message: string }): void => {
        told.push(message);
        if (message.startsWith(begin)) controller.abort(new Error('aborted'));
      };
      const request = { from: 'f', to: 'box:/', folder: host, archive: false, force: false };
      await expect(copier.copy(request, { signal: controller.signal, progress })).rejects.toThrow('abort');
      expect(told.at(-1)).toContain(begin);
      expect(snapshot(join(home, 'store'))).toEqual(before);
    }
  });
});

describe('out of an image', () => {
  test('a tree comes out as it went in, under the own name', async () => {
    makeTree(join(host, 'tree'));
    await copy('tree', 'box:/etc');
    const before = store.named('box').id;
    expect(await copy('box:/etc/tree', 'back')).toMatchObject({ changed: false, warnings: [] });
    const withoutSetuid = (list: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(list).map(([path, line]) => [path, line.replace(' 4751 ', ' 751 ')]));
    expect(withoutSetuid(listFolder(join(host, 'back')))).toEqual(
      withoutSetuid(listFolder(join(host, 'tree'))),
    );
    expect(store.named('box').id).toBe(before);
  });

  test.each([
    ['box:/d/f', '.', 'f'],
    ['box:d/f', 'new', 'new'],
    ['box:/toFile', '.', 'toFile'],
    ['box:/toFolder/f', 'here', 'here/f'],
    ['box:/d', 'here', 'here/d/f'],
    ['box:/d/.', 'here', 'here/f'],
    ['box:/toFolder/.', 'new', 'new/f'],
    ['box:/away/..', 'new', 'new/f'],
  ])('%s to %s', async (from, to, where) => {
    mkdirSync(join(host, 'here'));
    await copy(from, to);
    const found = lstatSync(join(host, where));
    if (where === 'toFile') expect(found.isSymbolicLink()).toBe(true);
    else {
      expect([found.mode & 0o7777, found.uid, found.mtimeMs]).toEqual([
        0o640,
        process.getuid?.(),
        1_234_567_890_000,
      ]);
      expect(readFileSync(join(host, where), 'utf8')).toBe('content');
    }
  });

  test.each([
    ['box:/no', '.', 'No such file or directory: box:/no'],
    ['box:/d/f/', '.', 'No such file or directory: box:/d/f/'],
    [
      'box:/fifo',
      '.',
      'box:/fifo is neither a file nor a directory: it can be neither copied nor overwritten.',
    ],
    [
      'box:/d',
      'file',
      'Invalid request. Overwriting regular file file with directory box:/d is not allowed.',
    ],
    [
      'box:/d/f',
      '.',
      'Invalid request. Overwriting directory HOST/./f with regular file box:/d/f is not allowed.',
      'f',
    ],
    ['box:/d/f', 'no/where', 'No such file or directory: HOST/no'],
    ['box:/../../d/../etc/passwd', '.', 'No such file or directory: box:/../../d/../etc/passwd'],
  ])('%s to %s is refused and leaves nothing', async (from, to, sentence, made = 'other') => {
    writeFileSync(join(host, 'file'), 'mine');
    mkdirSync(join(host, made));
    const expected = sentence.replace('HOST', host);
    const refused = await copy(from, to).then(
      () => 'copied',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    expect(refused.replace('/./', '/')).toBe(expected.replace('/./', '/'));
    expect(readdirSync(host).toSorted()).toEqual(['file', made].toSorted());
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('mine');
    expect(readdirSync(join(home, 'store/bootyard/tmp'))).toEqual([]);
  });

  test('a cancelled copy leaves nothing', async () => {
    const controller = new AbortController();
    const progress = (): void => controller.abort(new Error('aborted'));
    const request = { from: 'box:/d', to: 'there', folder: host, archive: false, force: false };
    await expect(copier.copy(request, { signal: controller.signal, progress })).rejects.toThrow('abort');
    expect([readdirSync(host), readdirSync(join(home, 'store/bootyard/tmp'))]).toEqual([[], []]);
  });

  test('the nasty ones: no device, no way out of the destination', async () => {
    const evil = tarOf([
      link('out', host),
      file('plain', 'x'),
      { path: 'null', type: 'char', mode: 0o666, major: 1, minor: 3 },
    ]);
    await importLayers(store, home, [...NASTY, evil], 'nasty');
    mkdirSync(join(host, 'to'));
    const { warnings } = await copy('nasty:/.', 'to');
    expect(warnings.join()).toMatch(/left out|Operation not permitted/);
    expect(readdirSync(host)).toEqual(['to']);
    expect(lstatSync(join(host, 'to/out')).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(host, 'to/dev'))).toEqual(['fifo']);
    const tree = await store.tree(store.named('nasty').id);
    const { sparse } = Object.fromEntries(Object.entries(fullListing(tree)).map(([k, v]) => [k.slice(1), v]));
    tree.close();
    expect(sparse).toContain(':');
    expect(readFileSync(join(host, 'to/sparse'))).toHaveLength(100_000);
  });
});
