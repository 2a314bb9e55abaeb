import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { imageName } from '../../../backend/images/names.ts';
import { ImageStore } from '../../../backend/images/store.ts';
import type { EventBody } from '../../../backend/events/bus.ts';
import {
  file,
  folder,
  isRoot,
  link,
  listFolder,
  listTree,
  ociLayout,
  plainLayer,
  run,
  sha,
  tarOf,
  testFolder,
  treeOf,
} from './support.ts';

const ELF = Buffer.alloc(64);
ELF.write('\x7fELF\x02\x01\x01', 'latin1');
ELF.writeUInt16LE(0xb7, 18);
const ROOT = tarOf([
  folder('.'),
  folder('etc', 0o755, { mtime: 1_700_000_000 }),
  file('etc/hostname', 'box\n', { mtime: 1_700_000_000 }),
  folder('bin', 0o755, { mtime: 1_700_000_000 }),
  { ...file('bin/busybox', '', { mode: 0o4755, mtime: 1_700_000_000 }), content: ELF },
  { ...link('bin/sh', 'busybox'), mtime: 1_700_000_000 },
]);
const TOP = tarOf([folder('etc'), file('etc/.wh.hostname'), file('etc/motd', 'welcome')]);

function newStore(): { home: string; store: ImageStore; put: (name: string, content: Buffer) => string } {
  const home = testFolder();
  const put = (name: string, content: Buffer): string => {
    writeFileSync(join(home, name), content);
    return join(home, name);
  };
  return { home, store: new ImageStore(join(home, 'store')), put };
}

/** Every file of the store with its content's digest. */
function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files.map((entry) => [
      join(entry.parentPath, entry.name),
      sha(readFileSync(join(entry.parentPath, entry.name))),
    ]),
  );
}

async function textOf(store: ImageStore, name: string, path: string): Promise<string> {
  const tree = await store.tree(store.get(name)?.id ?? '');
  try {
    const inode = tree.lookupPath(path);
    return inode === 0 ? 'missing' : tree.readFile(inode).toString();
  } finally {
    tree.close();
  }
}

test('an import says what nodes will not see of it', async () => {
  const { store, put } = newStore();
  const xattrs = new Map([['user.x', Buffer.from('1')]]);
  const lower = tarOf([
    folder('etc'),
    folder('usr/bin/deep', 0o755, { xattrs }),
    file('etc/plain'),
    file('etc/b', '', { xattrs }),
    file('etc/a', '', { xattrs: new Map([['security.capability', Buffer.from('cap')], ...xattrs]) }),
  ]);
  const warnings: string[] = [];
  const warn = (sentence: string): void => void warnings.push(sentence);
  await store.import({ path: put('plain.tar', ROOT), name: 'plain', warn });
  expect(warnings).toEqual([]);
  await store.import({ path: put('several.tar', lower), name: 'several', warn });
  expect(warnings).toEqual([
    "3 entries have extended attributes ('security.capability' of '/etc/a'), which nodes will not see: NFS version 3 cannot carry them.",
  ]);
});

describe('root file systems', () => {
  const forms: Record<string, (tar: Buffer) => Buffer> = {
    plain: (tar) => tar,
    gzip: (tar) => gzipSync(tar),
    zstd: (tar) => zstdCompressSync(tar),
    xz: (tar) => {
      const home = testFolder();
      writeFileSync(join(home, 't'), tar);
      run('xz', [join(home, 't')]);
      return readFileSync(join(home, 't.xz'));
    },
  };
  test.each(Object.entries(forms))('a %s tar, told by its content', async (_form, make) => {
    const { store, put } = newStore();
    const record = await store.import({ path: put('misleading.zip', make(ROOT)), name: 'box' });
    expect(record).toMatchObject({
      name: 'box',
      labels: {},
      sizeBytes: ROOT.length,
      layers: [{ digest: sha(ROOT), size: ROOT.length }],
      architecture: 'arm64',
      models: [],
    });
    expect(store.list()).toEqual([record]);
    expect(await textOf(store, 'box', '/etc/hostname')).toBe('box\n');
  });

  test('a folder', async () => {
    const { home, store } = newStore();
    const root = join(home, 'root');
    mkdirSync(root);
    writeFileSync(join(home, 'r.tar'), ROOT);
    run('tar', ['-C', root, '-xf', join(home, 'r.tar')]);
    symlinkSync('/etc/hostname', join(root, 'l'));
    run('mkfifo', [join(root, 'p')]);
    run('ln', [join(root, 'etc/hostname'), join(root, 'h')]);
    if (isRoot) run('mknod', [join(root, 'null'), 'c', '1', '3']);
    const record = await store.import({ path: root, name: 'box' });
    const tree = await store.tree(record.id);
    const expected = listFolder(root);
    if (!isRoot)
      for (const [path, line] of Object.entries(expected))
        expected[path] = line.replace(/ \d+:\d+ /, ' 0:0 ');
    expect(listTree(tree)).toEqual(expected);
    tree.close();
  });

  test('labels go into the configuration and change the id', async () => {
    const { home, store, put } = newStore();
    const path = put('r.tar', ROOT);
    const plain = await store.import({ path, name: 'plain' });
    const labels = { 'walt.node.models': 'pc-x86-64, pc-x86-32', other: 'x' };
    const labelled = await store.import({ path, name: 'labelled', labels });
    expect(labelled).toMatchObject({ labels, models: ['pc-x86-64', 'pc-x86-32'], layers: plain.layers });
    expect(labelled.id).not.toBe(plain.id);
    expect(sha(readFileSync(join(home, 'store/blobs/sha256', labelled.id)))).toBe(labelled.id);
    expect(new ImageStore(join(home, 'store')).list()).toEqual([labelled, plain]);
  });
});

const imported = async (store: ImageStore, path: string): Promise<unknown> => {
  const { id, labels, sizeBytes, layers } = await store.import({ path, name: 'box' });
  const [motd, hostname] = [
    await textOf(store, 'box', 'etc/motd'),
    await textOf(store, 'box', 'etc/hostname'),
  ];
  return { id, labels, sizeBytes, layers: layers.map(({ digest }) => digest), motd, hostname };
};

/** A plain user's umoci cannot set owners. */
const seen = (list: Record<string, string>): unknown => (isRoot ? list : Object.keys(list));

describe('images in OCI and Docker form', () => {
  const layers = [
    { stored: gzipSync(ROOT), tar: ROOT, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    { stored: zstdCompressSync(TOP), tar: TOP, mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
  ];
  const expected = (id: string): unknown => ({
    id,
    labels: { from: 'test' },
    sizeBytes: ROOT.length + TOP.length,
    layers: [sha(ROOT), sha(TOP)],
    motd: 'welcome',
    hostname: 'missing',
  });

  test('an OCI layout with gzip and zstd layers', async () => {
    const { home, store } = newStore();
    const id = ociLayout(join(home, 'layout'), layers);
    expect(await imported(store, join(home, 'layout'))).toEqual(expected(id));
  });
  test('an OCI archive, also compressed', async () => {
    const { home, store, put } = newStore();
    const id = ociLayout(join(home, 'layout'), layers);
    run('tar', ['-C', join(home, 'layout'), '-cf', join(home, 'a.tar'), '.']);
    expect(await imported(store, join(home, 'a.tar'))).toEqual(expected(id));
    await store.remove('box');
    expect(await imported(store, put('a.gz', gzipSync(readFileSync(join(home, 'a.tar')))))).toEqual(
      expected(id),
    );
  });
  test('a Docker archive that skopeo made', async () => {
    const { home, store } = newStore();
    const id = ociLayout(join(home, 'layout'), layers.slice(0, 1));
    run('skopeo', [
      'copy',
      `oci:${join(home, 'layout')}:test`,
      `docker-archive:${join(home, 'd.tar')}:box:1`,
    ]);
    const record = await store.import({ path: join(home, 'd.tar'), name: 'box' });
    const config: unknown = JSON.parse(
      run('skopeo', ['inspect', '--config', '--raw', `docker-archive:${join(home, 'd.tar')}`]),
    );
    expect(config).toMatchObject({ rootfs: { diff_ids: [`sha256:${sha(ROOT)}`] } });
    const raw = run('skopeo', ['inspect', '--config', '--raw', `docker-archive:${join(home, 'd.tar')}`]);
    expect(record.id).toBe(sha(Buffer.from(raw)));
    expect(record.labels).toEqual({ from: 'test' });
    expect(id).toHaveLength(64);
    expect(await textOf(store, 'box', 'etc/hostname')).toBe('box\n');
  });
  test('an old Docker archive, in which layers are links to each other', async () => {
    const { store, put } = newStore();
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        rootfs: { diff_ids: [ROOT, TOP, ROOT].map((tar) => `sha256:${sha(tar)}`) },
      }),
    );
    const manifest = [
      {
        Config: `${sha(config)}.json`,
        RepoTags: ['x:1'],
        Layers: ['a/layer.tar', 'b/layer.tar', 'c/layer.tar'],
      },
    ];
    const archive = tarOf([
      { ...file('a/layer.tar'), content: ROOT },
      { ...file('b/layer.tar'), content: TOP },
      link('c/layer.tar', '../a/layer.tar'),
      { ...file(`${sha(config)}.json`), content: config },
      file('manifest.json', JSON.stringify(manifest)),
    ]);
    const record = await store.import({ path: put('d.tar', archive), name: 'box' });
    expect(record.id).toBe(sha(config));
    expect(await textOf(store, 'box', 'etc/hostname')).toBe('box\n');
  });
  test('the image of this machine is taken out of a list', async () => {
    const { home, store } = newStore();
    const id = ociLayout(join(home, 'layout'), layers);
    const index = JSON.parse(readFileSync(join(home, 'layout/index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const host = process.arch === 'x64' ? 'amd64' : process.arch;
    const list = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { ...index.manifests[0], platform: { os: 'linux', architecture: host } },
          {
            ...index.manifests[0],
            digest: `sha256:${'0'.repeat(64)}`,
            platform: { os: 'linux', architecture: 's390x' },
          },
          {
            ...index.manifests[0],
            digest: `sha256:${'1'.repeat(64)}`,
            platform: { os: 'unknown', architecture: 'unknown' },
          },
        ],
      }),
    );
    writeFileSync(join(home, 'layout/blobs/sha256', sha(list)), list);
    const descriptor = {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      digest: `sha256:${sha(list)}`,
      size: list.length,
    };
    writeFileSync(
      join(home, 'layout/index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
    );
    expect(await imported(store, join(home, 'layout'))).toEqual(expected(id));
  });
  test('skopeo and umoci read the store', async () => {
    const { home, store } = newStore();
    ociLayout(join(home, 'layout'), layers);
    const record = await store.import({ path: join(home, 'layout'), name: 'user/box:v1' });
    const where = `${join(home, 'store')}:user/box:v1`;
    expect(JSON.parse(run('skopeo', ['inspect', `oci:${where}`]))).toMatchObject({
      Labels: { from: 'test' },
      Architecture: 'amd64',
    });
    run('skopeo', ['copy', `oci:${where}`, `docker-archive:${join(home, 'again.tar')}`]);
    const again = await store.import({ path: join(home, 'again.tar'), name: 'again' });
    expect(again.layers).toEqual(record.layers);
    run('umoci', ['unpack', ...(isRoot ? [] : ['--rootless']), '--image', where, join(home, 'out')]);
    const tree = await store.tree(record.id);
    expect(seen(listTree(tree, false))).toEqual(seen(listFolder(join(home, 'out/rootfs'), false)));
    tree.close();
  });
});

const oneLayer = (tar: Buffer) => [plainLayer(tar)];

const write = (home: string, content: Buffer): string => {
  writeFileSync(join(home, 'given'), content);
  return join(home, 'given');
};

describe('what is no sound image is refused with a sentence and leaves no trace', () => {
  const damage: Record<string, [(home: string) => string, RegExp]> = {
    'nothing there': [(home) => join(home, 'none'), /no file or folder/],
    'an empty file': [(home) => write(home, Buffer.alloc(0)), /is not an image/],
    'a text': [(home) => write(home, Buffer.from('hello '.repeat(500))), /is not an image/],
    'random bytes in gzip': [(home) => write(home, gzipSync(Buffer.alloc(5000, 'q'))), /is not an image/],
    'a folder without a root': [
      (home) => (mkdirSync(join(home, 'x')), join(home, 'x')),
      /neither an OCI image layout nor a root/,
    ],
    'a cut off tar': [(home) => write(home, ROOT.subarray(0, 2000)), /cut off|larger than|end mark/],
    'cut off gzip': [
      (home) => write(home, gzipSync(ROOT).subarray(0, -30)),
      /gzip data is damaged or cut off/,
    ],
    'damaged gzip': [
      (home) => write(home, gzipSync(ROOT).fill(0x55, 60, 80)),
      /gzip data is damaged or cut off/,
    ],
    'cut off zstd': [
      (home) => write(home, zstdCompressSync(ROOT).subarray(0, -30)),
      /zstd data is damaged or cut off/,
    ],
    'a tar that leads out': [(home) => write(home, tarOf([file('etc/x'), file('../x')])), /'\.\.' in it/],
    'a layer that cannot be merged': [
      (home) => write(home, tarOf([file('etc'), file('etc/x')])),
      /not a directory/,
    ],
    'a wrong layer': [
      (home) => {
        ociLayout(join(home, 'l'), oneLayer(ROOT));
        writeFileSync(join(home, 'l/blobs/sha256', sha(ROOT)), TOP);
        return join(home, 'l');
      },
      /does not match its digest/,
    ],
    'a wrong layer in gzip': [
      (home) => {
        ociLayout(join(home, 'l'), [{ ...plainLayer(ROOT), stored: gzipSync(TOP) }]);
        return join(home, 'l');
      },
      /does not match its digest/,
    ],
    'a wrong configuration': [
      (home) => {
        const id = ociLayout(join(home, 'l'), oneLayer(ROOT));
        appendFileSync(join(home, 'l/blobs/sha256', id), ' ');
        return join(home, 'l');
      },
      /does not match its digest/,
    ],
    'a missing layer': [
      (home) => {
        ociLayout(join(home, 'l'), oneLayer(ROOT));
        rmSync(join(home, 'l/blobs/sha256', sha(ROOT)));
        return join(home, 'l');
      },
      /is missing/,
    ],
    'other numbers of layers': [
      (home) => {
        ociLayout(join(home, 'l'), oneLayer(ROOT), { rootfs: { type: 'layers', diff_ids: [] } });
        return join(home, 'l');
      },
      /manifest has 1 layers, its configuration 0/,
    ],
    'an index that is no JSON': [
      (home) => {
        ociLayout(join(home, 'l'), oneLayer(ROOT));
        writeFileSync(join(home, 'l/index.json'), '{');
        return join(home, 'l');
      },
      /'index.json' is not JSON/,
    ],
    'a digest that is a path': [
      (home) => {
        ociLayout(join(home, 'l'), oneLayer(ROOT));
        const bad = {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: 'sha256:../../../etc/passwd',
          size: 1,
        };
        writeFileSync(join(home, 'l/index.json'), JSON.stringify({ schemaVersion: 2, manifests: [bad] }));
        return join(home, 'l');
      },
      /not as the OCI image specification says at 'manifests.0.digest'/,
    ],
    'a Docker archive that names a file outside': [
      (home) => {
        const manifest = [{ Config: '../../etc/passwd', Layers: [] }];
        return write(home, tarOf([file('manifest.json', JSON.stringify(manifest))]));
      },
      /is missing/,
    ],
  };
  test.each(Object.entries(damage))('%s', async (_name, [make, sentence]) => {
    const { home, store, put } = newStore();
    await store.import({ path: put('r.tar', TOP), name: 'there' });
    const before = snapshot(join(home, 'store'));
    const path = make(home);
    const failure: unknown = await store.import({ path, name: 'bad' }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      name: 'BootyardError',
      message: expect.stringMatching(sentence) as string,
    });
    expect((failure as Error).message).toMatch(/[.)]$/);
    expect(snapshot(join(home, 'store'))).toEqual(before);
    expect(readdirSync(join(home, 'store/bootyard/tmp'))).toEqual([]);
  });

  test.each(['copying', 'decompressing'])('an import that is cancelled while %s', async (stage) => {
    const { home, store, put } = newStore();
    const before = snapshot(join(home, 'store'));
    const big = tarOf([folder('etc'), { ...file('etc/big'), content: Buffer.alloc(30 << 20, 7) }]);
    const path = put('big', stage === 'copying' ? big : gzipSync(big, { level: 1 }));
    const abort = new AbortController();
    const progress: number[] = [];
    const importing = store.import({
      path,
      name: 'big',
      signal: abort.signal,
      progress: ({ fraction }) => {
        progress.push(fraction ?? -1);
        abort.abort();
      },
    });
    await expect(importing).rejects.toMatchObject({ name: 'AbortError' });
    expect(progress.length).toBeGreaterThan(0);
    expect(store.list()).toEqual([]);
    expect(snapshot(join(home, 'store'))).toEqual(before);
    expect(readdirSync(join(home, 'store/bootyard/tmp'))).toEqual([]);
  });
});

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
