import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Manifest } from '../../backend/images/oci.ts';
import { node } from '../support/api-lab.ts';
import { DockerRegistry, skopeo } from '../support/registry.ts';
import { RegistryLab } from '../support/registry-lab.ts';
import { file } from '../unit/images/support.ts';

let registry: DockerRegistry;
let lab: RegistryLab;
beforeAll(async () => {
  registry = await DockerRegistry.start();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  lab = await RegistryLab.start();
  lab.add(registry.host);
});
afterEach(() => lab.end());

const remote = (name: string): string => `docker://${registry.host}/${name}`;
const inspect = (name: string): Manifest =>
  Manifest.parse(JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', remote(name))));
const ELF = Buffer.alloc(64);
ELF.write('\x7fELF\x02\x01\x01', 'latin1');
ELF.writeUInt16LE(0xb7, 18);
/** From its machine an import knows what the image is for. */
const ARM_PROGRAM = { ...file('bin/busybox'), content: ELF };
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const layersOf = (name: string): string[] => inspect(name).layers.map(({ digest }) => digest);

test('skopeo finds what was published, digest for digest', async () => {
  const image = await lab.image('box', 200_000);
  const printed = await lab.run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/box', '--json');
  const digest = skopeo('inspect', '--format', '{{.Digest}}', '--tls-verify=false', remote('me/box')).trim();
  expect(JSON.parse(printed)).toEqual({ digest, link: 'own:me/box' });

  const layout = join(lab.cli.folder, 'layout');
  skopeo('copy', '--src-tls-verify=false', remote('me/box'), `oci:${layout}:box`);
  const manifest = inspect('me/box');
  const blob = (of: string): Buffer => readFileSync(join(layout, 'blobs/sha256', of.slice(7)));
  expect(sha(blob(`sha256:${image.id}`))).toBe(image.id);
  expect(manifest.config.digest).toBe(`sha256:${image.id}`);
  const tars = manifest.layers.map((layer) => sha(gunzipSync(blob(layer.digest))));
  expect(tars).toEqual(image.layers.map((layer) => layer.digest));
  expect(lab.downloads()).toEqual([]);
});

test.each([
  ['Docker media types', ['--format', 'v2s2']],
  ['OCI media types', ['--format', 'oci']],
  ['zstd', ['--format', 'oci', '--dest-compress-format', 'zstd', '--dest-compress']],
])('what skopeo pushed is cloned: %s', async (kind, options) => {
  const name = `me/${kind.toLowerCase().replaceAll(' ', '-')}`;
  const image = await lab.image('made', 100_000);
  skopeo('copy', ...options, '--dest-tls-verify=false', `oci:${lab.storeFolder}:made`, remote(name));
  const before = layersOf(name);
  const config = inspect(name).config.digest;
  await lab.store.remove('made');

  expect(await lab.run('image', 'clone', `own:${name}`, 'cloned')).toBe(
    `Image cloned cloned from own:${name}.\n`,
  );
  const cloned = lab.store.get('cloned');
  expect(`sha256:${cloned?.id}`).toBe(config);
  expect(cloned?.layers).toEqual(image.layers);
  expect(cloned?.origin).toBe(`own:${name}`);
  expect(lab.downloads()).toEqual([]);

  // Sent back, its layers stay those that skopeo made.
  await lab.run('image', 'publish', 'cloned', '--registry', 'own', '--as', `${name}-back`);
  expect(layersOf(`${name}-back`)).toEqual(before);
});

test('the platform is that of the node model', async () => {
  const layout = join(lab.cli.folder, 'two');
  const ids: Record<string, string> = {};
  for (const [arch, model] of [
    ['amd64', 'pc-x86-64'],
    ['arm64', 'qemu-arm-64'],
  ] as const) {
    await lab.image(
      `one-${arch}`,
      1000,
      { 'walt.node.models': model },
      arch === 'arm64' ? [ARM_PROGRAM] : [],
    );
    skopeo('copy', `oci:${lab.storeFolder}:one-${arch}`, `dir:${layout}-${arch}`);
    const target = remote(`me/two:${arch}`);
    const file = join(`${layout}-${arch}`, 'manifest.json');
    const manifest = Manifest.parse(JSON.parse(readFileSync(file, 'utf8')));
    ids[arch] = manifest.config.digest.slice(7);
    skopeo('copy', '--dest-tls-verify=false', '--preserve-digests', `dir:${layout}-${arch}`, target);
  }
  const manifests = Object.keys(ids).map((architecture) => {
    const raw = skopeo('inspect', '--raw', '--tls-verify=false', remote(`me/two:${architecture}`));
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    return {
      mediaType,
      digest: `sha256:${sha(Buffer.from(raw))}`,
      size: raw.length,
      platform: { os: 'linux', architecture },
    };
  });
  const type = 'application/vnd.oci.image.index.v1+json';
  const put = await fetch(`http://${registry.host}/v2/me/two/manifests/latest`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }),
  });
  expect(put.status).toBe(201);
  await lab.run('image', 'clone', 'own:me/two');
  expect(lab.store.get('two')?.id).toBe(ids.amd64);
  await lab.run('image', 'clone', 'own:me/two', 'arm', '--model', 'qemu-arm-64');
  expect(lab.store.get('arm')?.id).toBe(ids.arm64);
  expect(await lab.fails('image', 'clone', 'own:me/two:arm64', 'x', '--model', 'pc-x86-64')).toMatch(
    /not made for amd64 but for/,
  );
});

test("a clone keeps to WalT's rules", async () => {
  await lab.image('plain', 1000, {});
  await lab.run('image', 'publish', 'plain', '--registry', 'own', '--as', 'me/plain');
  expect(await lab.fails('image', 'clone', 'own:me/plain', 'x')).toBe(
    'Failed. This remote image does not indicate compatible node models.',
  );
  expect(await lab.fails('image', 'clone', 'own:me/nothing')).toMatch(/^No such remote image\./);
  expect(await lab.fails('image', 'clone', 'other:me/x')).toMatch(
    /^Invalid clonable image link\. Format must be:\n\[walt\|docker\|hub\|own]:<user>\/<image_name>\[:<tag>]/,
  );

  await lab.image('box');
  await lab
    .run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/Box_2:v1.0')
    .catch(() => undefined);
  await lab.run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/box_2:V1.0');
  const changed = await lab.cli.run(['image', 'clone', 'own:me/box_2:V1.0']);
  expect(changed.stderr).toBe(
    'Image will be recorded as "box-2:v1-0" since original name is not valid in WALT.\n',
  );
  expect(lab.store.get('box-2:v1-0')).toBeDefined();

  lab.nodes = [{ ...node('n1'), image: 'box', model: 'pc-x86-64', state: 'booted' }];
  await lab.run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/box');
  expect(await lab.fails('image', 'clone', 'own:me/box')).toBe(
    'An image has the same name in your working set.\nThis operation would overwrite it (and reboot 1 node(s)).\n' +
      'If this is what you want, rerun with --force:\n$ bootyard image clone --force own:me/box',
  );
  expect(await lab.run('image', 'clone', '--force', 'own:me/box')).toContain('Node n1: rebooted ok.');
  expect(lab.rebooted).toEqual(['n1']);
  lab.nodes = [{ ...node('n1'), image: 'box', model: 'qemu-arm-64' }];
  expect(await lab.fails('image', 'clone', '--force', 'own:me/box')).toMatch(
    /not compatible with node model qemu-arm-64\.$/,
  );
});

test('layers are fetched and sent once', async () => {
  const image = await lab.image('box', 300_000);
  await lab.run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/once');
  const [layer = ''] = layersOf('me/once');
  const blob = join(
    registry.data,
    'docker/registry/v2/blobs/sha256',
    layer.slice(7, 9),
    layer.slice(7),
    'data',
  );
  // Were it fetched, this would be noticed.
  execFileSync('sh', ['-c', 'head -c 1000 /dev/zero | dd of="$0" conv=notrunc 2>/dev/null', blob]);
  await lab.run('image', 'clone', 'own:me/once', 'copy');
  expect(lab.store.get('copy')?.id).toBe(image.id);

  // Another repository of the registry gets it by a mount: the tar is not read, so it may be gone.
  const rest = join(lab.storeFolder, 'blobs/sha256', image.layers[0]?.digest ?? '');
  execFileSync('mv', [rest, `${rest}.away`]);
  await lab.run('image', 'publish', 'box', '--registry', 'own', '--as', 'me/twice');
  execFileSync('mv', [`${rest}.away`, rest]);
  expect(layersOf('me/twice')).toEqual([layer]);
});
