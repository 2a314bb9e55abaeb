import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectEngine, type Engine } from '../../backend/images/engine/connect.ts';
import { fetchFromEngine } from '../../backend/images/engine/fetch.ts';
import { ImageStore } from '../../backend/images/store.ts';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { file, folder, tarOf, testFolder } from './images/support.ts';

/** What `save` is answered with; an engine that is somebody else's program answers anything. */
let saved: () => Iterable<Buffer> = () => [];
let home: string;
let server: Server;
let engine: Engine;

beforeEach(async () => {
  home = testFolder();
  const path = join(home, 'engine.sock');
  server = createServer(({ url }, response) => {
    if (!url?.endsWith('/get?')) return response.end(JSON.stringify({ Version: '24.0.0', Components: [] }));
    for (const part of saved()) response.write(part);
    return response.end();
  });
  server.listen(path);
  await once(server, 'listening');
  engine = await connectEngine({ address: `unix:${path}`, source: 'test', isAsked: true });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const layer = tarOf([folder('etc'), file('etc/motd', 'hello')]);
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const documents = (diffId = sha256(layer), name = 'l/layer.tar', config = 'config.json'): TarEntry[] => [
  file('manifest.json', JSON.stringify([{ Config: config, RepoTags: [], Layers: [name] }])),
  file(
    'config.json',
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { 'walt.node.models': 'pc-x86-64' } },
      rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    }),
  ),
];
const layerAt = (path: string): TarEntry => file(path, '', { content: layer });

async function fetchAndImport(): Promise<string> {
  const downloads = join(home, 'downloads');
  mkdirSync(downloads, { recursive: true });
  const store = new ImageStore(join(home, 'store'));
  const image = {
    id: 'a'.repeat(64),
    labels: {},
    architecture: 'amd64',
    layers: [],
    sizeBytes: 1000,
    isNamed: true,
  };
  const known = {
    layers: new Set<string>(),
    blobs: join(home, 'store/blobs/sha256'),
    downloads,
    compressed: downloads,
  };
  try {
    await fetchFromEngine(engine, image, known, {}, (layout) => store.import({ path: layout, name: 'x' }));
    return store.get('x')?.name ?? '';
  } finally {
    expect(readdirSync(downloads)).toEqual([]);
  }
}

test('an image as Docker sends it', async () => {
  saved = () => [tarOf([...documents(), layerAt('l/layer.tar')])];
  expect(await fetchAndImport()).toBe('x');
});

describe('what no engine should send is refused, and nothing of it stays', () => {
  const cases: Record<string, { archive: () => Iterable<Buffer>; refusal: RegExp }> = {
    'no tar': { archive: () => [Buffer.alloc(4096, 'x')], refusal: /tar/ },
    nothing: { archive: () => [], refusal: /breaks off/ },
    'an archive that breaks off': {
      archive: () => [tarOf([...documents(), layerAt('l/layer.tar')]).subarray(0, -3000)],
      refusal: /breaks off/,
    },
    'no manifest': { archive: () => [tarOf([layerAt('l/layer.tar')])], refusal: /manifest\.json/ },
    'a manifest of 9 MB': {
      archive: () => [tarOf([file('manifest.json', ' '.repeat(9 << 20))])],
      refusal: /manifest\.json' is missing or too large/,
    },
    'a configuration outside the archive': {
      archive: () => [
        tarOf([...documents(undefined, undefined, '../../engine.sock'), layerAt('l/layer.tar')]),
      ],
      refusal: /is missing or too large|leads out|refused/,
    },
    'a member outside the archive': {
      archive: () => [tarOf([...documents(), layerAt('../../outside')])],
      refusal: /refused|missing/,
    },
    'another layer than the configuration names': {
      archive: () => [tarOf([...documents('b'.repeat(64)), layerAt('l/layer.tar')])],
      refusal: /digest|refused/,
    },
    'a layer that is not there': {
      archive: () => [tarOf(documents())],
      refusal: /missing|incomplete|not there/,
    },
    'a digest that is a path': {
      archive: () => [tarOf([...documents('../../../outside'), layerAt('l/layer.tar')])],
      refusal: /refused|configuration/,
    },
    'members without end': {
      archive: function* () {
        const member = tarOf([file('m', '')]).subarray(0, 512);
        for (;;) yield Buffer.concat(Array.from({ length: 100 }, () => member));
      },
      refusal: /too many members/,
    },
  };
  test.each(Object.entries(cases))('%s', async (_name, { archive, refusal }) => {
    saved = function* () {
      let sent = 0;
      for (const part of archive()) {
        if ((sent += part.length) > 16 << 20) return;
        yield part;
      }
    };
    await expect(fetchAndImport()).rejects.toThrow(refusal);
    expect(existsSync(join(home, 'outside'))).toBe(false);
    expect(existsSync(join(home, '../outside'))).toBe(false);
  });
});
