import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PartialLayout } from '../../backend/images/engine/layout.ts';
import { openLoopback, repositoryOf } from '../../backend/images/engine/loopback.ts';
import { OneImage } from '../../backend/images/engine/one-image.ts';
import { KnownBlobs } from '../../backend/images/registry/known-blobs.ts';
import type { RegistryServer } from '../../backend/protocols/registry/server.ts';

const hex = (): string => randomBytes(32).toString('hex');
const layers = [hex(), hex(), hex()];
const [LOWEST = '', MIDDLE = '', TOP = ''] = layers;
const image = { id: hex(), labels: {}, architecture: 'amd64', layers, sizeBytes: 9, isNamed: true };

let home: string;
let layout: PartialLayout;
let blobs: KnownBlobs;
const servers: RegistryServer[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bootyard-loopback-'));
  for (const name of ['blobs', 'downloads', 'compressed']) mkdirSync(join(home, name));
  for (const tar of [LOWEST, MIDDLE]) writeFileSync(join(home, 'blobs', tar), 'tar');
  blobs = new KnownBlobs(join(home, 'compressed'));
  layout = new PartialLayout(join(home, 'downloads'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(home, { recursive: true });
});

async function open(there: string[]): Promise<{ content: OneImage; url: string }> {
  const folders = { blobs: 'blobs', downloads: 'downloads', compressed: 'compressed' };
  const paths = Object.fromEntries(Object.entries(folders).map(([key, name]) => [key, join(home, name)]));
  const known = { layers: new Set(there), ...(paths as typeof folders) };
  const content = new OneImage(layout, known, image, 'docker');
  const uploads = join(layout.folder, `uploads-${servers.length}`);
  const server = await openLoopback({ content, uploads, mayPush: () => true, log: () => {} });
  servers.push(server);
  return { content, url: `http://${repositoryOf(server).replace('/', '/v2/')}` };
}
const ask = async (url: string, digest: string, method = 'HEAD'): Promise<number> =>
  (await fetch(`${url}/blobs/sha256:${digest}`, { method })).status;

it('digests that nobody knows are promised once for each layer at most, and never for what is not here', async () => {
  const { url } = await open([LOWEST, MIDDLE]);
  expect(await ask(url, image.id)).toBe(404);
  const asked = Array.from({ length: 200 }, hex);
  const answers = await Promise.all(asked.map((digest) => ask(url, digest)));
  expect(answers.filter((status) => status === 200)).toHaveLength(layers.length);
  // Nothing can be had for a promise.
  expect(await ask(url, asked[answers.indexOf(200)] ?? '', 'GET')).toBe(404);
  expect(await ask(url, TOP)).toBe(404);
  expect(await ask((await open([])).url, hex())).toBe(404);
});

it('answers for digests by which layers were seen, as long as the store has these, and then for no other', async () => {
  const [first, second] = [hex(), hex()];
  blobs.putDocker(LOWEST, `sha256:${first}`);
  blobs.put(MIDDLE, { mediaType: 'x', digest: `sha256:${second}`, size: 5 }, { host: 'h', repository: 'r' });
  const { url } = await open([LOWEST, MIDDLE]);
  expect(await Promise.all([first, second, LOWEST, hex()].map((digest) => ask(url, digest)))).toEqual([
    200, 200, 200, 404,
  ]);
  expect(await (await fetch(`${url}/blobs/sha256:${LOWEST}`)).text()).toBe('tar');
  expect(await ask(url, first, 'GET')).toBe(404);
  expect(await ask((await open([MIDDLE])).url, first)).toBe(404);
});

it('remembers eight digests of a layer, and what registries have of it beside them', () => {
  const place = { host: 'h', repository: 'r' };
  blobs.put(LOWEST, { mediaType: 'x', digest: `sha256:${MIDDLE}`, size: 5 }, place);
  const seen = Array.from({ length: 20 }, () => `sha256:${hex()}`);
  for (const digest of seen) blobs.putDocker(LOWEST, digest);
  blobs.put(LOWEST, { mediaType: 'x', digest: `sha256:${TOP}`, size: 5 }, place);
  expect(new KnownBlobs(join(home, 'compressed')).get(LOWEST)).toEqual({
    blob: { mediaType: 'x', digest: `sha256:${TOP}`, size: 5 },
    places: [place],
    docker: seen.toReversed().slice(0, 8),
  });
});

it('a manifest is taken under the secret tag only, and refused when it names what was promised wrongly', async () => {
  const { content, url } = await open([LOWEST, MIDDLE]);
  const [config, a, b, c] = [image.id, hex(), hex(), hex()];
  for (const digest of [a, b, c]) expect(await ask(url, digest)).toBe(200);
  writeFileSync(layout.blob(config), '{}');
  const described = (digest: string): object => ({ mediaType: 'x', digest: `sha256:${digest}`, size: 1 });
  const body = JSON.stringify({
    schemaVersion: 2,
    config: described(config),
    layers: [a, b, c].map(described),
  });
  const put = async (tag: string): Promise<number> =>
    (await fetch(`${url}/manifests/${tag}`, { method: 'PUT', body })).status;
  expect(await put('image')).toBe(404);
  expect(content.wasWrong).toBe(false);
  expect(await put(content.tag)).toBe(404);
  expect(content).toMatchObject({ isComplete: false, wasWrong: true });
  expect(await Promise.all([a, b, c, hex()].map((digest) => ask(url, digest)))).toEqual([200, 200, 404, 404]);
  writeFileSync(layout.blob(c), 'come');
  expect(await put(content.tag)).toBe(201);
  expect(content.isComplete).toBe(true);
});
