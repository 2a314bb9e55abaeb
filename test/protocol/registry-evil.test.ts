import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Authorizer } from '../../backend/images/registry/authorizer.ts';
import { RegistryClient } from '../../backend/images/registry/client.ts';
import { downloadBlob } from '../../backend/images/registry/download.ts';
import type { Transport } from '../../backend/images/registry/transport.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { EvilRegistry } from '../support/evil-registry.ts';
import { authOf, RegistryLab } from '../support/registry-lab.ts';
import { testFolder } from '../unit/images/support.ts';

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const evil = new EvilRegistry(5800);
let lab: RegistryLab;
beforeAll(() => evil.start());
afterAll(() => evil.stop());
beforeEach(async () => {
  evil.documents.clear();
  evil.answer = undefined;
  lab = await RegistryLab.start();
  lab.add(evil.host);
});
afterEach(() => lab.end());

const clone = (): Promise<string> => lab.fails('image', 'clone', 'own:evil/box');
const stored = (): string[] =>
  readdirSync(lab.storeFolder, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(lab.storeFolder, name)).isFile())
    .toSorted();
const NOTHING = ['index.json', 'oci-layout'];
const layerOf = (at: number, size = 1000): object => ({
  mediaType: `${OCI}.layer`,
  digest: `sha256:${String(at).padStart(64, '0')}`,
  size,
});
/** An image of these layers; `more` goes into its configuration. */
const image = (layers: object[], tars: string[], more: object = {}): void => {
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { 'walt.node.models': 'pc-x86-64' } },
    rootfs: { type: 'layers', diff_ids: tars },
    ...more,
  };
  evil.tag(OCI, { schemaVersion: 2, mediaType: OCI, config: evil.add(CONFIG, config), layers });
};
const NO_TAR = `sha256:${'0'.repeat(64)}`;
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('descriptions that ask for too much are refused, and nothing is left', () => {
  const cases: Record<string, [() => void, RegExp]> = {
    'an index in an index': [
      () => {
        const inner = evil.add(INDEX, { schemaVersion: 2, manifests: [] });
        evil.tag(INDEX, { schemaVersion: 2, manifests: [inner] });
      },
      /the registry does not have all of it/,
    ],
    'an index that is its own entry': [
      () => {
        evil.tag(INDEX, { schemaVersion: 2, manifests: [layerOf(1)] });
        const own = evil.documents.get('manifests/latest');
        if (own) evil.documents.set(`manifests/sha256:${'1'.padStart(64, '0')}`, own);
      },
      /does not match its digest/,
    ],
    'an index of 15,000 entries': [
      () => {
        const platform = { architecture: 'riscv64', os: 'linux' };
        const manifests = Array.from({ length: 15_000 }, (_, at) => ({ ...layerOf(at), platform }));
        evil.tag(INDEX, { schemaVersion: 2, manifests });
      },
      /not made for amd64 but for riscv64/,
    ],
    'ten thousand layers': [
      () => {
        const all = Array.from({ length: 10_000 }, (_, at) => layerOf(at));
        image(
          all,
          all.map(() => NO_TAR),
        );
      },
      /has more than 500 layers/,
    ],
    'layers of a terabyte': [
      () => image([layerOf(1, 2 ** 40)], [NO_TAR]),
      /its layers have 1099511627776 bytes/,
    ],
    'a size that is no number of bytes': [
      () => image([layerOf(1, 1e300)], [NO_TAR]),
      /not as the OCI image specification says at 'layers.0.size'/,
    ],
    'a digest that is a path': [
      () => image([{ ...layerOf(1), digest: 'sha256:../../../../etc/passwd' }], [NO_TAR]),
      /at 'layers.0.digest'/,
    ],
    'a tar whose digest is a path': [() => image([layerOf(1)], ['sha256:../../x']), /at 'rootfs.diff_ids.0'/],
    'a huge configuration': [
      () => {
        const config = { mediaType: CONFIG, digest: NO_TAR, size: 2 ** 33 };
        evil.tag(OCI, { schemaVersion: 2, config, layers: [] });
      },
      /its configuration has 8589934592 bytes/,
    ],
    'a manifest of nothing but brackets': [
      () => evil.tag(OCI, Buffer.from(nested(2_000_000))),
      /its manifest is nested more than 100 levels/,
    ],
    'a configuration with a deep field': [
      () => {
        const text = `{"architecture":"amd64","config":{"Labels":{"walt.node.models":"pc-x86-64"}},"rootfs":{"type":"layers","diff_ids":[]},"x":${nested(500_000)}}`;
        const config = evil.add(CONFIG, Buffer.from(text));
        evil.tag(OCI, { schemaVersion: 2, config, layers: [] });
      },
      /its configuration is nested more than 100 levels deep/,
    ],
    'labels that are no labels': [
      () => image([], [], { config: { Labels: { __proto__: null, constructor: { a: 1 } } } }),
      /at 'config.Labels.constructor'/,
    ],
  };
  test.each(Object.entries(cases))('%s', async (_, [make, sentence]) => {
    make();
    expect(await clone()).toMatch(sentence);
    expect(stored()).toEqual(NOTHING);
  });
});

describe('answers that mean harm', () => {
  const redirect = (location: string): void => {
    evil.answer = (_, response) => void response.writeHead(307, { location }).end();
  };
  test.each(['file:///etc/passwd', 'ftp://127.0.0.1/x', 'data:,{}', '//[', 'javascript:0'])(
    'a redirect to %s is not followed',
    async (location) => {
      redirect(location);
      expect(await clone()).toMatch(/redirects to where Bootyard does not follow/);
      expect(stored()).toEqual(NOTHING);
    },
  );

  test('a head of a megabyte', async () => {
    evil.answer = (_, response) => {
      response.socket?.on('error', () => {});
      response.socket?.write(`HTTP/1.1 200 OK\r\n${`x-${'y'.repeat(1000)}: z\r\n`.repeat(1000)}`);
    };
    expect(await clone()).toMatch(/'own' cannot be reached at 127\.0\.0\.1:5800 \(.*[Hh]eaders/);
  });

  test('a login is not told to who asks in place of the registry', async () => {
    lab.dockerConfig({ auths: { [evil.host]: authOf('js:secret') } });
    const told: (string | undefined)[] = [];
    const ask = (challenge: string): void => {
      evil.answer = ({ headers }, response) => {
        told.push(headers.authorization);
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      };
    };
    for (const realm of ['file:///etc/passwd', 'ftp://127.0.0.1/', '', 'x']) {
      ask(`Bearer realm="${realm}",service="x"`);
      expect(await clone()).toMatch(/sends for a token to an address that Bootyard does not ask/);
    }
    ask(`Digest realm="x", nonce="${'n'.repeat(8000)}"`);
    expect(await clone()).toMatch(/refuses the login of 'js'/);
    expect(new Set(told)).toEqual(new Set([undefined]));
  });

  test('a registry with TLS cannot have the login sent without', async () => {
    const registry = { label: 'own', url: 'https://registry.example' };
    const asked: string[] = [];
    const source = (host: string) => Promise.resolve({ username: 'js', secret: host, isToken: false });
    const transport = { send: (_: string, url: URL) => Promise.reject(new Error(asked.push(url.href) + '')) };
    const authorizer = new Authorizer(registry, transport as unknown as Transport, source);
    await expect(authorizer.answer(`Bearer realm="http://${evil.host}/"`, 'x')).rejects.toThrow(
      /is not HTTPS/,
    );
    expect(asked).toEqual([]);
  });

  const tokens: Record<string, (response: ServerResponse) => void> = {
    'without end': (response) => {
      const more = (): void => {
        while (response.writable && response.write('x'.repeat(1 << 16)));
      };
      response.on('drain', more).on('error', () => {});
      more();
    },
    'with a header in it': (response) => response.end(JSON.stringify({ token: 'a\r\nhost: b' })),
    'that is none': (response) => response.end('[]'),
  };
  test.each(Object.entries(tokens))('a token %s', async (_, send) => {
    evil.answer = ({ url }, response) => {
      if (url?.startsWith('/token')) return send(response);
      const challenge = `Bearer realm="http://${evil.host}/token"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    };
    expect(await clone()).toMatch(/sends more than 1048576 bytes|gave none \(status 200\)/);
  });
});

describe('layers', () => {
  test('in zstd that unpack to more than the limit are given up, in bounded memory', async () => {
    lab.useStore(new ImageStore(lab.storeFolder, { maxLayerBytes: 64 << 20 }));
    const bomb = zstdCompressSync(Buffer.alloc(1 << 30));
    expect(bomb.length).toBeLessThan(200_000);
    image([evil.add(ZSTD, bomb)], [NO_TAR]);
    const before = process.memoryUsage().rss;
    expect(await clone()).toMatch(/unpacks to more than 67108864 bytes/);
    expect(stored()).toEqual(NOTHING);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20);
  });

  test('in zstd that want two gigabytes of memory are refused', async () => {
    const options = ['-q', '--ultra', '-1', '--long=31', '--no-content-size', '-c'];
    const wide = execFileSync('zstd', options, { input: Buffer.alloc(1 << 20) });
    image([evil.add(ZSTD, wide)], [NO_TAR]);
    expect(await clone()).toMatch(/zstd data is damaged/);
    expect(stored()).toEqual(NOTHING);
  });

  test('that come by a few bytes now and then are given up', async () => {
    evil.answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100_000 });
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    };
    const registry = { label: 'own', url: `http://${evil.host}` };
    const pace = { bytes: 1000, ms: 200 };
    const client = new RegistryClient(registry, () => Promise.resolve(undefined), {}, pace);
    const bytes = createHash('sha256').digest('hex');
    const download = {
      client,
      repository: 'evil/box',
      blob: { mediaType: ZSTD, digest: `sha256:${bytes}`, size: 100_000 },
      file: join(testFolder(), 'layer'),
      signal: new AbortController().signal,
      onBytes: () => {},
    };
    await expect(downloadBlob(download)).rejects.toThrow(/too slow/);
    const manifest = client.manifest('evil/box', 'latest');
    await expect(manifest).rejects.toThrow(/too slow/);
    await client.close();
  }, 30_000);
});
