import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Manifest } from '../../backend/images/oci.ts';
import { node } from '../support/api-lab.ts';
import { LabRegistry } from '../support/lab-registry.ts';
import { skopeoRun as skopeo } from '../support/registry.ts';

let lab: LabRegistry;
beforeEach(async () => {
  lab = await LabRegistry.start();
});
afterEach(() => lab.end());

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const remote = (name: string): string => `docker://${lab.host}/${name}`;
const inspect = (name: string): Promise<string> =>
  skopeo('inspect', '--raw', '--tls-verify=false', remote(name));
const push = (from: string, name: string, ...options: string[]): Promise<string> =>
  skopeo('copy', '--dest-tls-verify=false', ...options, from, remote(name));
const pull = (name: string, to: string, ...options: string[]): Promise<string> =>
  skopeo('copy', '--src-tls-verify=false', ...options, remote(name), to);
/** Files of a `dir:` of skopeo by their names, which are digests but for the manifest. */
const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, sha(readFileSync(join(folder, name)))]));

describe('pull', () => {
  test('skopeo gets an image of the store, digest for digest', async () => {
    const image = await lab.image('box', 300_000);
    const folder = join(lab.folder, 'out');
    await pull('box', `dir:${folder}`);
    const files = filesOf(folder);
    expect(files[image.id]).toBe(image.id);
    for (const { digest } of image.layers) expect(files[digest]).toBe(digest);
    // The manifest is the one of the layout on disk.
    const stored = JSON.parse(readFileSync(join(lab.folder, 'store/index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    expect(`sha256:${files['manifest.json']}`).toBe(stored.manifests[0]?.digest);
    expect(`sha256:${sha(Buffer.from(await inspect(`box@sha256:${files['manifest.json']}`)))}`).toBe(
      stored.manifests[0]?.digest,
    );
  });

  test('of media types, the one that the client takes', async () => {
    const image = await lab.image('box');
    const ask = async (accept: string): Promise<[number, string | null, unknown]> => {
      const answer = await lab.fetch('box/manifests/latest', { headers: { accept } });
      return [answer.status, answer.headers.get('content-type'), await answer.json()];
    };
    const docker = 'application/vnd.docker.distribution.manifest.v2+json';
    const oci = 'application/vnd.oci.image.manifest.v1+json';
    expect((await ask(`${docker}, ${oci}`)).slice(0, 2)).toEqual([200, oci]);
    const [status, type, manifest] = await ask(`application/json;q=0.5, ${docker}`);
    expect([status, type]).toEqual([200, docker]);
    expect(manifest).toMatchObject({
      mediaType: docker,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', digest: `sha256:${image.id}` },
      layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar' }],
    });
    expect(await ask('text/html')).toMatchObject([
      404,
      'application/json',
      { errors: [{ code: 'MANIFEST_UNKNOWN' }] },
    ]);
    // Either is there by its digest, whatever is accepted.
    const digest = `sha256:${sha(Buffer.from(JSON.stringify(manifest)))}`;
    const head = await lab.fetch(`box/manifests/${digest}`, {
      method: 'HEAD',
      headers: { accept: 'text/html' },
    });
    expect([head.status, head.headers.get('docker-content-digest')]).toEqual([200, digest]);
    expect((await lab.fetch(`other/manifests/${digest}`)).status).toBe(404);
  });

  test('lists repositories and tags in pages', async () => {
    const names = ['a', 'a:v1', 'a:v2', 'b', 'me/c'];
    await lab.image('a');
    for (const name of names.slice(1)) lab.store.duplicate('a', name);
    expect(await (await lab.fetch('')).json()).toEqual({});
    expect(await (await lab.fetch('_catalog')).json()).toEqual({ repositories: ['a', 'b', 'me/c'] });
    const first = await lab.fetch('_catalog?n=2');
    expect(await first.json()).toEqual({ repositories: ['a', 'b'] });
    expect(first.headers.get('link')).toBe('</v2/_catalog?n=2&last=b>; rel="next"');
    const second = await lab.fetch('_catalog?n=2&last=b');
    expect([await second.json(), second.headers.get('link')]).toEqual([{ repositories: ['me/c'] }, null]);
    const tags = (
      JSON.parse(await skopeo('list-tags', '--tls-verify=false', remote('a'))) as { Tags: string[] }
    ).Tags;
    expect(tags).toEqual(['latest', 'v1', 'v2']);
    expect((await lab.fetch('nothing/tags/list')).status).toBe(404);
    expect((await lab.fetch('_catalog?n=x')).status).toBe(400);
  });

  test('a blob by parts', async () => {
    const image = await lab.image('box', 100_000);
    const [layer] = image.layers;
    const path = `box/blobs/sha256:${layer?.digest}`;
    const whole = Buffer.from(await (await lab.fetch(path)).arrayBuffer());
    expect(sha(whole)).toBe(layer?.digest);
    const part = await lab.fetch(path, { headers: { range: 'bytes=1000-1999' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 1000-1999/${layer?.size}`]);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(1000, 2000));
    expect((await lab.fetch(path, { headers: { range: `bytes=${layer?.size}-` } })).status).toBe(416);
    const head = await lab.fetch(path, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(layer?.size));
  });
});

describe('push', () => {
  test.each([
    ['Docker media types, gzip', ['--format', 'v2s2']],
    ['OCI media types, gzip', ['--format', 'oci']],
    ['zstd', ['--format', 'oci', '--dest-compress-format', 'zstd', '--dest-compress']],
    ['not compressed', ['--format', 'oci', '--dest-decompress']],
  ])('skopeo gets back what it sent, digest for digest: %s', async (_, options) => {
    const image = await lab.image('box', 300_000);
    const [sent, got] = [join(lab.folder, 'sent'), join(lab.folder, 'got')];
    await skopeo('copy', ...options, `oci:${join(lab.folder, 'store')}:box`, `dir:${sent}`);
    await lab.store.remove('box');
    await push(`dir:${sent}`, 'me/pushed:v1', '--preserve-digests');
    // It is an image as any other.
    const stored = lab.store.get('me/pushed:v1');
    expect(stored).toMatchObject({ id: image.id, layers: image.layers, models: ['pc-x86-64'] });
    await pull('me/pushed:v1', `dir:${got}`, '--preserve-digests');
    expect(filesOf(got)).toEqual(filesOf(sent));
    // A new daemon has it all still; a copy under another name has the same digest.
    await lab.close();
    await lab.open();
    const digest = sha(readFileSync(join(sent, 'manifest.json')));
    lab.store.duplicate('me/pushed:v1', 'copy');
    expect(sha(Buffer.from(await inspect('copy')))).toBe(digest);
    expect(sha(Buffer.from(await inspect(`me/pushed@sha256:${digest}`)))).toBe(digest);
    // With the image it goes.
    await lab.store.remove('me/pushed:v1');
    await lab.store.remove('copy');
    lab.content.collect();
    expect(lab.kept()).toEqual(['pushed.json']);
  });

  test('what the registry has is not sent again, nor read', async () => {
    await lab.image('box', 2_000_000);
    const sent = `dir:${join(lab.folder, 'sent')}`;
    await skopeo('copy', '--dest-compress', `oci:${join(lab.folder, 'store')}:box`, sent);
    await lab.store.remove('box');
    await push(sent, 'first');
    const manifest = Manifest.parse(JSON.parse(await inspect('first')));
    const [layer] = manifest.layers;
    expect((await lab.fetch(`any/blobs/${layer?.digest}`, { method: 'HEAD' })).status).toBe(200);
    const query = `mount=${layer?.digest}&from=first`;
    const mounted = await lab.fetch(`second/blobs/uploads/?${query}`, { method: 'POST' });
    expect([mounted.status, mounted.headers.get('location')]).toEqual([
      201,
      `/v2/second/blobs/${layer?.digest}`,
    ]);
    // Were the layer read again, its loss would be noticed.
    const file = join(lab.folder, 'store/bootyard/registry/blobs', layer?.digest.slice(7) ?? '');
    const bytes = readFileSync(file);
    bytes.fill(0, 1000, 2000);
    rmSync(file);
    writeFileSync(file, bytes);
    const put = await lab.put('second/manifests/latest', manifest.mediaType ?? '', await inspect('first'));
    expect(put.status).toBe(201);
    expect(lab.store.get('second')?.id).toBe(lab.store.get('first')?.id);
  });

  test('an index becomes the image for this machine', async () => {
    await lab.image('box');
    await push(`oci:${join(lab.folder, 'store')}:box`, 'box');
    const raw = await inspect('box');
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const digest = `sha256:${sha(Buffer.from(raw))}`;
    expect((await lab.put(`multi/manifests/${digest}`, mediaType, raw)).status).toBe(201);
    const platform = { os: 'linux', architecture: 'amd64' };
    const type = 'application/vnd.oci.image.index.v1+json';
    const entry = { mediaType, digest, size: raw.length };
    const index = (manifests: object[]): string =>
      JSON.stringify({ schemaVersion: 2, mediaType: type, manifests });
    const foreign = { ...entry, platform: { os: 'linux', architecture: 's390x' } };
    const unknown = { ...entry, digest: `sha256:${'0'.repeat(64)}` };
    expect((await lab.put('multi/manifests/latest', type, index([unknown]))).status).toBe(404);
    const both = index([
      { ...entry, platform },
      { ...foreign, platform: { os: 'unknown', architecture: 'unknown' } },
    ]);
    expect((await lab.put('multi/manifests/latest', type, both)).status).toBe(201);
    expect(lab.store.get('multi')?.id).toBe(lab.store.get('box')?.id);
    const got = await lab.fetch('multi/manifests/latest', { headers: { accept: type } });
    expect(await got.text()).toBe(both);
    const one = await lab.fetch('multi/manifests/latest', { headers: { accept: mediaType } });
    expect(await one.text()).toBe(raw);
  });

  test('a name in use: nodes go on, and those that could not boot it are named', async () => {
    const old = await lab.image('box');
    await lab.image('other', 2000, 'pc-x86-64');
    await lab.image('arm', 2000, 'qemu-arm-64');
    const tree = await lab.store.tree(old.id);
    lab.nodes = [{ ...node('n1'), image: 'box', state: 'booted' }];
    const store = join(lab.folder, 'store');
    await expect(push(`oci:${store}:arm`, 'box')).rejects.toThrow(/image is in use.*n1 \(pc-x86-64\)/s);
    expect(lab.store.get('box')?.id).toBe(old.id);
    await push(`oci:${store}:other`, 'box');
    expect(lab.store.get('box')?.id).toBe(lab.store.get('other')?.id);
    expect(tree.stat(1).type).toBe('directory');
    tree.close();
    await lab.operations.change(
      'box',
      { task: 'squash operation', force: true },
      { signal: new AbortController().signal, progress: () => {} },
      async () => {
        const busy = /Cannot open image box because a squash operation is already/;
        await expect(push(`oci:${store}:arm`, 'box')).rejects.toThrow(busy);
        return undefined;
      },
    );
  });
});
