import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ImageStore } from '../../backend/images/store.ts';
import { DockerRegistry } from '../support/registry.ts';
import { RegistryLab } from '../support/registry-lab.ts';
import { type Exchange, RegistryProxy } from '../support/registry-proxy.ts';

const SIZE = 4_000_000;
let registry: DockerRegistry;
let proxy: RegistryProxy;
let lab: RegistryLab;
beforeAll(async () => {
  registry = await DockerRegistry.start();
  const maker = await RegistryLab.start();
  maker.add(registry.host);
  await maker.image('big', SIZE);
  await maker.run('image', 'publish', 'big', '--as', 'me/big');
  await maker.end();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  proxy = new RegistryProxy(registry.port);
  await proxy.start();
  lab = await RegistryLab.start();
  lab.add(proxy.host);
});
afterEach(async () => {
  await lab.end();
  await proxy.stop();
});

const isLayer = ({ method, path, body }: Exchange): boolean =>
  method === 'GET' && path.includes('/blobs/') && body.length > 100_000;
const layerRequests = () =>
  proxy.requests.filter(({ sent, path }) => path.includes('/blobs/') && sent > 5000);
/** Sends the head of the answer and half of its body, and breaks the connection. */
const cut = ({ response, status, headers, body }: Exchange): true => {
  response.writeHead(status, headers);
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
  return true;
};
/** Sends half of a layer, and then nothing. */
const stall = (exchange: Exchange): boolean => {
  if (!isLayer(exchange)) return false;
  exchange.response.writeHead(exchange.status, exchange.headers);
  exchange.response.write(exchange.body.subarray(0, exchange.body.length / 2));
  return true;
};
/** Files of the store: nothing may be left of what was refused. */
const stored = (): string[] =>
  readdirSync(lab.storeFolder, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(lab.storeFolder, name)).isFile())
    .toSorted();
const EMPTY = ['index.json', 'oci-layout'];

describe('a transfer that breaks off', () => {
  test('goes on by itself where it was', async () => {
    let cuts = 0;
    proxy.tamper = (exchange) => isLayer(exchange) && cuts++ < 3 && cut(exchange);
    await lab.run('image', 'clone', 'own:me/big');
    expect(cuts).toBe(3 + 1);
    expect(layerRequests().map(({ range }) => range?.replace(/\d+/, 'N'))).toEqual([
      undefined,
      'bytes=N-',
      'bytes=N-',
      'bytes=N-',
    ]);
  });

  test('is gone on with by the next clone, which fetches only the rest', async () => {
    let isFirst = true;
    proxy.tamper = (exchange) => {
      if (!isLayer(exchange)) return false;
      if (!isFirst) return (exchange.response.destroy(), true);
      isFirst = false;
      return cut(exchange);
    };
    expect(await lab.fails('image', 'clone', 'own:me/big')).toMatch(/'own' .*(broke off|cannot be reached)/);
    expect(lab.downloads().filter((name) => name.endsWith('.part'))).toHaveLength(1);
    const [first] = layerRequests();

    proxy.tamper = () => false;
    proxy.requests.length = 0;
    await lab.run('image', 'clone', 'own:me/big');
    const [second, ...others] = layerRequests();
    expect(others).toEqual([]);
    // What was still on its way when the connection broke is fetched again.
    const start = Number(/^bytes=(\d+)-$/.exec(second?.range ?? '')?.[1]);
    expect(start).toBeGreaterThan(0);
    expect(start).toBeLessThanOrEqual(first?.sent ?? 0);
    expect(lab.downloads()).toEqual([]);
    expect(lab.store.get('big')).toBeDefined();
  });

  test('starts again where the registry knows no ranges', async () => {
    let whole: Buffer = Buffer.alloc(0);
    proxy.tamper = (exchange) => {
      if (!isLayer(exchange)) return false;
      if (whole.length === 0) {
        whole = exchange.body;
        return cut(exchange);
      }
      exchange.response.writeHead(200, { 'content-length': whole.length });
      exchange.response.write(whole);
      exchange.response.end();
      return true;
    };
    await lab.run('image', 'clone', 'own:me/big');
    expect(lab.store.get('big')).toBeDefined();
  });

  test('what it left goes after a week', async () => {
    proxy.tamper = (exchange) =>
      isLayer(exchange) &&
      cut(exchange) &&
      ((proxy.tamper = (next) => isLayer(next) && (next.response.destroy(), true)), true);
    await lab.fails('image', 'clone', 'own:me/big');
    const [folder = ''] = lab.downloads();
    await lab.store.collect();
    expect(lab.downloads()[0]).toBe(folder);
    utimesSync(join(lab.storeFolder, 'bootyard/downloads', folder), 0, Date.now() / 1000 - 8 * 24 * 3600);
    await lab.store.collect();
    expect(lab.downloads()).toEqual([]);
  });

  test('is cancelled by ctrl-C, and says how far it is', async () => {
    proxy.tamper = stall;
    const screen = lab.cli.terminal(['image', 'clone', 'own:me/big']);
    await screen.shows('Fetching 1.');
    screen.type('\u0003');
    expect(await screen.exit).toBe(130);
    expect(lab.store.list()).toEqual([]);
    expect(lab.downloads().filter((name) => name.endsWith('.part'))).toHaveLength(1);
    proxy.tamper = () => false;
    await lab.run('image', 'clone', 'own:me/big');
  });
});

test('a clone that was killed in the middle of a layer is gone on with, from its last byte on disk', async () => {
  proxy.tamper = stall;
  const screen = lab.cli.terminal(['image', 'clone', 'own:me/big']);
  await screen.shows('Fetching 1.');
  screen.end('SIGKILL');
  await screen.exit;
  const part = lab.downloads().find((name) => name.endsWith('.part')) ?? '';
  const { size } = statSync(join(lab.storeFolder, 'bootyard/downloads', part));
  expect(size).toBeGreaterThan(0);
  proxy.tamper = () => false;
  proxy.requests.length = 0;
  await lab.run('image', 'clone', 'own:me/big');
  expect(layerRequests().map(({ range }) => range)).toEqual([`bytes=${size}-`]);
  expect(lab.downloads()).toEqual([]);
});

describe('sending', () => {
  const isUpload = ({ method, path }: Exchange): boolean =>
    method === 'PUT' && path.includes('/blobs/uploads/');

  test('goes on when the connection breaks off, and leaves nothing', async () => {
    await lab.image('other', 500_000);
    let cuts = 0;
    proxy.tamper = (exchange) => isUpload(exchange) && cuts++ < 2 && (exchange.response.destroy(), true);
    await lab.run('image', 'publish', 'other', '--as', 'me/other');
    // The proxy drops answers: the registry has the layer, and it is not sent again.
    const layers = proxy.requests.filter(
      ({ method, path }) => method === 'PUT' && path.includes('/blobs/uploads/'),
    );
    expect(cuts).toBe(2);
    expect(layers).toHaveLength(2);
    expect(lab.downloads()).toEqual([]);
    await lab.run('image', 'clone', 'own:me/other', 'copy');
    expect(lab.store.get('copy')?.id).toBe(lab.store.get('other')?.id);
  });

  test('is cancelled by ctrl-C: no tag appears, and nothing is left', async () => {
    await lab.image('never', 500_000);
    proxy.tamper = isUpload;
    const screen = lab.cli.terminal(['image', 'publish', 'never', '--as', 'me/never']);
    await screen.shows('Sending 0.');
    screen.type('\u0003');
    expect(await screen.exit).toBe(130);
    expect(lab.downloads()).toEqual([]);
    proxy.tamper = () => false;
    expect(await lab.fails('image', 'clone', 'own:me/never', 'x')).toMatch(/No such remote image/);
  });

  test('a registry that stored something else is not believed', async () => {
    await lab.image('wrong');
    proxy.tamper = ({ method, path, response }) => {
      if (method !== 'PUT' || !path.includes('/manifests/')) return false;
      response.writeHead(201, { 'docker-content-digest': `sha256:${'1'.repeat(64)}` });
      response.end();
      return true;
    };
    expect(await lab.fails('image', 'publish', 'wrong', '--as', 'me/wrong')).toMatch(
      /has stored something else/,
    );
  });
});

describe('a registry that lies is refused and leaves nothing', () => {
  const respond = ({ response, status, headers }: Exchange, body: Buffer, more = {}): true => {
    response.writeHead(status, { ...headers, ...more });
    response.write(body);
    response.end();
    return true;
  };
  const endless = ({ response, status, headers, body }: Exchange): true => {
    const { 'content-length': _, ...others } = headers;
    response.writeHead(status, others);
    const more = (): void => {
      while (response.writable && response.write(body));
    };
    response.on('drain', more);
    response.on('error', () => {});
    more();
    return true;
  };
  const lies: Record<string, [(exchange: Exchange) => boolean, RegExp]> = {
    'another layer': [
      (exchange) => isLayer(exchange) && respond(exchange, Buffer.from(exchange.body).fill(7, 5000, 5001)),
      /a layer of the registry 'own' does not match its digest/,
    ],
    'a shorter layer': [
      (exchange) =>
        isLayer(exchange) &&
        respond(exchange, exchange.body.subarray(1), { 'content-length': exchange.body.length - 1 }),
      /sends another number of bytes/,
    ],
    'a longer layer': [
      (exchange) =>
        isLayer(exchange) &&
        respond(exchange, Buffer.concat([exchange.body, Buffer.alloc(9)]), {
          'content-length': exchange.body.length + 9,
        }),
      /sends another number of bytes/,
    ],
    'a layer without end': [
      (exchange) => isLayer(exchange) && endless(exchange),
      /sends another number of bytes/,
    ],
    'another configuration': [
      (exchange) =>
        exchange.path.includes('/blobs/') &&
        !isLayer(exchange) &&
        respond(exchange, Buffer.from(exchange.body).fill(32, 3, 4)),
      /a blob of the registry 'own' does not match its digest/,
    ],
    'a manifest without end': [
      (exchange) => exchange.path.includes('/manifests/') && endless(exchange),
      /sends more than 4194304 bytes/,
    ],
    'a configuration without end': [
      (exchange) => exchange.path.includes('/blobs/') && !isLayer(exchange) && endless(exchange),
      /sends more than \d+ bytes/,
    ],
    'another manifest': [
      (exchange) =>
        exchange.path.includes('/manifests/') &&
        respond(exchange, Buffer.from(exchange.body.toString().replace('{', '{ ')), {
          'content-length': exchange.body.length + 1,
        }),
      /a manifest of the registry 'own' does not match its digest/,
    ],
    'a web page': [
      (exchange) => {
        exchange.response.writeHead(200, { 'content-type': 'text/html' });
        exchange.response.end('<html>');
        return true;
      },
      /is not JSON/,
    ],
    'redirects in a circle': [
      (exchange) => {
        exchange.response.writeHead(307, { location: exchange.path });
        exchange.response.end();
        return true;
      },
      /redirects to where Bootyard does not follow/,
    ],
    'an error with control characters': [
      (exchange) => {
        exchange.response.writeHead(418);
        exchange.response.end(JSON.stringify({ errors: [{ code: 'X', message: '\u001b[31mred' }] }));
        return true;
      },
      /refuses \(status 418: {2}?\[31mred\)/,
    ],
  };
  test.each(Object.entries(lies))('%s', async (_, [tamper, sentence]) => {
    proxy.tamper = tamper;
    expect(await lab.fails('image', 'clone', 'own:me/big')).toMatch(sentence);
    expect(stored()).toEqual(EMPTY);
  });
});

/** Puts an image with these layers into the registry, as no sound tool would. */
async function put(name: string, layers: { tar: string; stored: Buffer }[]): Promise<void> {
  const { createHash } = await import('node:crypto');
  const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const base = `http://${registry.host}/v2/${name}`;
  const upload = async (bytes: Buffer) => {
    const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const url = new URL(opened.headers.get('location') ?? '', base);
    url.searchParams.set('digest', digestOf(bytes));
    await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) });
    return { digest: digestOf(bytes), size: bytes.length };
  };
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { 'walt.node.models': 'pc-x86-64' } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => tar) },
  };
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const gzip = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const blobs = [];
  for (const { stored: bytes } of layers) blobs.push({ mediaType: gzip, ...(await upload(bytes)) });
  const configBlob = await upload(Buffer.from(JSON.stringify(config)));
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configBlob },
    layers: blobs,
  };
  const answer = await fetch(`${base}/manifests/latest`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: JSON.stringify(manifest),
  });
  expect(answer.status).toBe(201);
}

test('a decompression bomb does not fill the disk', async () => {
  // The namespace of these tests has a mount table of its own.
  const small = join(lab.cli.folder, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', small]);
  try {
    const store = new ImageStore(join(small, 'store'));
    lab.useStore(store);
    await put('me/bomb', [{ tar: `sha256:${'0'.repeat(64)}`, stored: gzipSync(Buffer.alloc(300 << 20)) }]);
    expect(await lab.fails('image', 'clone', 'own:me/bomb')).toMatch(/not enough disk space/);
    const left = execFileSync('du', ['-sk', small], { encoding: 'utf8' });
    expect(Number.parseInt(left, 10)).toBeLessThan(1000);
  } finally {
    execFileSync('umount', [small]);
  }
});

test('a layer may not unpack to more than the limit', async () => {
  const store = new ImageStore(join(lab.cli.folder, 'limited'), { maxLayerBytes: 1 << 20 });
  lab.useStore(store);
  await put('me/large', [{ tar: `sha256:${'0'.repeat(64)}`, stored: gzipSync(Buffer.alloc(8 << 20)) }]);
  expect(await lab.fails('image', 'clone', 'own:me/large')).toMatch(/unpacks to more than 1048576 bytes/);
  expect(readdirSync(join(lab.cli.folder, 'limited/bootyard/downloads'))).toEqual([]);
});

test('what a layer states of its tar is checked', async () => {
  writeFileSync(join(lab.cli.folder, 'x'), '');
  await put('me/other', [{ tar: `sha256:${'0'.repeat(64)}`, stored: gzipSync(Buffer.alloc(1024)) }]);
  expect(await lab.fails('image', 'clone', 'own:me/other')).toMatch(/does not match its digest sha256:0000/);
  expect(stored()).toEqual(EMPTY);
});
