import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ImageStore } from '../../../backend/images/store.ts';
import {
  file,
  folder,
  isRoot,
  link,
  listFolder,
  listTree,
  ociLayout,
  run,
  sha,
  tarOf,
  testFolder,
} from './support.ts';
import { newStore, ROOT, textOf, TOP } from './store-support.ts';

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
    "3 entries have extended attributes ('security.capability' of '/etc/a'), which nodes only see in hybrid boot: NFS version 3 cannot carry them.",
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
