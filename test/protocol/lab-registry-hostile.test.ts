import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { Uploads } from '../../backend/protocols/registry/uploads.ts';
import { LabRegistry } from '../support/lab-registry.ts';
import { file, folder, tarOf } from '../unit/images/support.ts';

let lab: LabRegistry;
afterEach(() => lab.end());

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const sha = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const codeOf = async (answer: Response): Promise<string> => {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  return `${answer.status} ${errors[0]?.code}`;
};
const post = (path: string, init: RequestInit = {}): Promise<Response> =>
  lab.fetch(path, { method: 'POST', ...init });
const begin = async (): Promise<string> =>
  ((await post('me/x/blobs/uploads/')).headers.get('location') ?? '').slice('/v2/'.length);
/** A manifest of these layers: compressed bytes with the digest of their tar. */
const describeImage = async (layers: { bytes: Buffer<ArrayBuffer>; tar: string }[]): Promise<string> => {
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => tar) },
  };
  const bytes = Buffer.from(JSON.stringify(config));
  const parts = layers.map((layer) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: sha(layer.bytes),
    size: layer.bytes.length,
  }));
  const digest = await lab.blob('me/x', bytes);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: bytes.length },
    layers: parts,
  });
};

describe('requests', () => {
  test('that the specification does not have are answered with its errors, and change nothing', async () => {
    lab = await LabRegistry.start();
    await lab.image('box');
    const digest = `sha256:${'a'.repeat(64)}`;
    const cases: [string, string, string][] = [
      ['GET', '../../etc/passwd', '404 NAME_UNKNOWN'],
      ['GET', 'a/%2e%2e/b/tags/list', '400 NAME_INVALID'],
      ['GET', 'UPPER/tags/list', '400 NAME_INVALID'],
      ['GET', `${'a'.repeat(256)}/tags/list`, '400 NAME_INVALID'],
      ['GET', `${'a-'.repeat(120)}!/tags/list`, '400 NAME_INVALID'],
      ['GET', `a/manifests/${'t'.repeat(129)}`, '400 DIGEST_INVALID'],
      ['GET', 'box/blobs/sha256:../../index.json', '404 NAME_UNKNOWN'],
      ['GET', 'box/blobs/sha256:..%2f..%2findex.json', '400 DIGEST_INVALID'],
      ['GET', `box/blobs/sha512:${'a'.repeat(128)}`, '400 DIGEST_INVALID'],
      ['GET', `box/blobs/${digest}`, '404 BLOB_UNKNOWN'],
      ['GET', 'box/blobs/uploads/..%2f..', '404 BLOB_UPLOAD_UNKNOWN'],
      ['PATCH', `box/blobs/uploads/${'0'.repeat(32)}`, '404 BLOB_UPLOAD_UNKNOWN'],
      ['DELETE', `box/manifests/${digest}`, '405 UNSUPPORTED'],
      ['POST', 'box/blobs/uploads/?digest=md5:1', '400 DIGEST_INVALID'],
      ['POST', 'box/manifests/latest', '405 UNSUPPORTED'],
      ['GET', `_catalog?${'x'.repeat(5000)}`, '414 NAME_INVALID'],
    ];
    for (const [method, path, expected] of cases) {
      const raw = await new Promise<string>((resolve, reject) => {
        // Not by fetch, which would clean the path.
        request({ host: '127.0.0.1', port: lab.port, method, path: `/v2/${path}` }, (answer) => {
          let text = '';
          answer.on('data', (chunk) => (text += String(chunk)));
          answer.on('end', () => {
            const { errors } = JSON.parse(text) as { errors: { code: string }[] };
            resolve(`${answer.statusCode} ${errors[0]?.code}`);
          });
        })
          .on('error', reject)
          .end();
      });
      expect([method, path, raw]).toEqual([method, path, expected]);
    }
    expect(lab.kept()).toEqual([]);
    expect(lab.store.list().map(({ name }) => name)).toEqual(['box']);
  });

  test('of noise leave the registry well', async () => {
    lab = await LabRegistry.start();
    await lab.image('box');
    await Promise.all(
      Array.from({ length: 300 }, async (_, at) => {
        const socket = connect(lab.port, '127.0.0.1');
        socket.on('error', () => {});
        const line = `${['GET', 'PUT', 'PATCH', 'POST'][at % 4]} /v2/${randomBytes(20)
          .toString('latin1')
          .replace(/[\s\0]/g, '/')} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`;
        socket.write(
          Buffer.concat([at % 3 === 0 ? randomBytes(100) : Buffer.from(line, 'latin1'), randomBytes(500)]),
        );
        await delay(20 + (at % 50));
        socket.destroy();
      }),
    );
    expect((await lab.fetch('box/tags/list')).status).toBe(200);
    expect(lab.kept()).toEqual([]);
    expect(lab.lines.length).toBeLessThan(300);
  });

  test('of those who may only pull are refused before a byte is read; a browser may not push', async () => {
    lab = await LabRegistry.start({ mayPush: () => false });
    await lab.image('box');
    expect((await lab.fetch('box/manifests/latest')).status).toBe(200);
    for (const [method, path] of [
      ['POST', 'box/blobs/uploads/'],
      ['PUT', 'box/manifests/latest'],
      ['PATCH', `box/blobs/uploads/${'0'.repeat(32)}`],
      ['DELETE', 'box/manifests/latest'],
    ] as const) {
      const answer = await lab.fetch(path, { method, ...(method === 'DELETE' ? {} : { body: 'x' }) });
      expect(await codeOf(answer)).toBe('403 DENIED');
    }
    await lab.close();
    lab = await LabRegistry.start();
    const answer = await post('box/blobs/uploads/', { headers: { origin: 'http://evil.example' } });
    expect(await codeOf(answer)).toBe('403 DENIED');
  });
});

describe('uploads', () => {
  test('in chunks go on where they are', async () => {
    lab = await LabRegistry.start();
    const bytes = randomBytes(30_000);
    const place = await begin();
    const patch = (from: number, to: number, range = `${from}-${to - 1}`): Promise<Response> =>
      lab.fetch(place, {
        method: 'PATCH',
        headers: { 'content-range': range },
        body: bytes.subarray(from, to),
      });
    const first = await patch(0, 10_000);
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-9999']);
    const wrong = await patch(20_000, 30_000);
    expect([wrong.status, wrong.headers.get('range')]).toEqual([416, '0-9999']);
    expect((await lab.fetch(place)).headers.get('range')).toBe('0-9999');
    expect((await patch(10_000, 20_000)).status).toBe(202);
    const end = await lab.fetch(`${place}?digest=${sha(bytes)}`, {
      method: 'PUT',
      body: bytes.subarray(20_000),
    });
    expect([end.status, end.headers.get('docker-content-digest')]).toEqual([201, sha(bytes)]);
    const got = Buffer.from(await (await lab.fetch(`me/x/blobs/${sha(bytes)}`)).arrayBuffer());
    expect(got.equals(bytes)).toBe(true);
  });

  test('of a client that breaks off keep what has come', async () => {
    lab = await LabRegistry.start();
    const place = await begin();
    const socket = connect(lab.port, '127.0.0.1');
    socket.write(`PATCH /v2/${place} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n${'a'.repeat(4000)}`);
    const other = async (): Promise<string> => codeOf(await lab.fetch(place, { method: 'PATCH', body: 'b' }));
    const range = async (): Promise<string | null> => (await lab.fetch(place)).headers.get('range');
    while ((await range()) !== '0-3999') await delay(10);
    expect(await other()).toBe('409 BLOB_UPLOAD_INVALID');
    socket.destroy();
    while ((await lab.fetch(place, { method: 'PATCH', body: 'b'.repeat(5) })).status === 409) await delay(10);
    expect(await range()).toBe('0-4004');
    const digest = sha(Buffer.from('a'.repeat(4000) + 'b'.repeat(5)));
    expect((await lab.fetch(`${place}?digest=${digest}`, { method: 'PUT' })).status).toBe(201);
  });

  test('of a wrong digest, or cancelled, leave nothing', async () => {
    lab = await LabRegistry.start();
    const place = await begin();
    const wrong = await lab.fetch(`${place}?digest=sha256:${'0'.repeat(64)}`, {
      method: 'PUT',
      body: 'bytes',
    });
    expect(await codeOf(wrong)).toBe('400 DIGEST_INVALID');
    expect((await lab.fetch(place)).status).toBe(404);
    const other = await begin();
    await lab.fetch(other, { method: 'PATCH', body: 'bytes' });
    expect(lab.kept()).toHaveLength(1);
    expect((await lab.fetch(other, { method: 'DELETE' })).status).toBe(204);
    expect(lab.kept()).toEqual([]);
  });

  test('are bounded in size and space', async () => {
    lab = await LabRegistry.start({ limits: { bytes: 100_000 } });
    const large = Buffer.alloc(100_001);
    expect(await codeOf(await post(`me/x/blobs/uploads/?digest=${sha(large)}`, { body: large }))).toBe(
      '413 SIZE_INVALID',
    );
    await lab.end();
    lab = await LabRegistry.start({ limits: { spare: 2 ** 60 } });
    const answer = await post(`me/x/blobs/uploads/?digest=${sha(large)}`, { body: large });
    expect(await codeOf(answer)).toBe('507 BLOB_UPLOAD_INVALID');
    expect(lab.kept()).toEqual([]);
  });

  test('that are never finished are bounded in number, and swept, by a new daemon too', async () => {
    lab = await LabRegistry.start({ limits: { perClient: 20 } });
    const first = await begin();
    for (let n = 0; n < 2000; n++) {
      const place = await begin();
      if (n % 20 === 0) await lab.fetch(place, { method: 'PATCH', body: 'x' });
    }
    expect((await lab.fetch(first)).status).toBe(404);
    expect(lab.kept().length).toBeLessThanOrEqual(20);
    await lab.fetch(await begin(), { method: 'PATCH', body: 'x' });
    await lab.blob('me/x', Buffer.from('belongs to nothing'));
    await lab.close();
    await lab.open();
    expect(lab.kept()).toEqual([]);

    const uploads = new Uploads(join(lab.folder, 'uploads'), { idle: 1000, life: 5000 });
    const at = performance.now();
    const rests = uploads.open('a', 'c');
    uploads.sweep(at + 900);
    expect(uploads.count).toBe(1);
    rests.touched = at + 4900;
    uploads.sweep(at + 4800);
    expect(uploads.count).toBe(1);
    uploads.sweep(at + 5600);
    expect(uploads.count).toBe(0);
  });
});

describe('images', () => {
  const root = tarOf([folder('etc'), file('etc/hostname', 'box\n')]);
  const tar = { bytes: Buffer.from(gzipSync(root)), tar: sha(root) };
  const push = async (manifest: string, name = 'me/x'): Promise<string> => {
    const answer = await lab.put(`${name}/manifests/latest`, OCI, manifest);
    return answer.status === 201 ? '201' : await codeOf(answer);
  };

  test('that are not what they say are refused, and nothing is left', async () => {
    lab = await LabRegistry.start({}, { maxLayerBytes: 1 << 20 });
    await lab.blob('me/x', tar.bytes);
    const good = await describeImage([tar]);
    expect(await push(good)).toBe('201');
    await lab.store.remove('me/x');

    expect(await push('{')).toBe('400 MANIFEST_INVALID');
    expect(await push('null')).toBe('400 MANIFEST_INVALID');
    expect(await push('{"schemaVersion":2}')).toBe('400 MANIFEST_INVALID');
    expect(await push(good.replace(OCI, 'application/other'))).toBe('400 MANIFEST_INVALID');
    expect(await push(' '.repeat(5 << 20))).toBe('413 MANIFEST_INVALID');
    expect(await push(good, 'me/with_underscore')).toBe('400 NAME_INVALID');
    expect(await push(good, 'default')).toBe('400 NAME_INVALID');
    expect(
      await codeOf(
        await lab.put(
          'me/x/manifests/latest',
          'application/vnd.docker.distribution.manifest.v1+prettyjws',
          good,
        ),
      ),
    ).toBe('400 MANIFEST_INVALID');
    expect(await codeOf(await lab.put(`me/x/manifests/sha256:${'0'.repeat(64)}`, OCI, good))).toBe(
      '400 DIGEST_INVALID',
    );

    const other = Buffer.from(gzipSync('not a tar'));
    await lab.blob('me/x', other);
    await lab.blob('me/x', tar.bytes);
    expect(await push(await describeImage([{ bytes: other, tar: sha(Buffer.from('not a tar')) }]))).toBe(
      '400 MANIFEST_INVALID',
    );
    expect(await push(await describeImage([{ ...tar, tar: sha(Buffer.from('something else')) }]))).toBe(
      '400 DIGEST_INVALID',
    );
    expect(await push(await describeImage([{ bytes: Buffer.from('never sent'), tar: tar.tar }]))).toBe(
      '404 MANIFEST_BLOB_UNKNOWN',
    );

    const zeros = Buffer.alloc(50 << 20);
    const bomb = Buffer.from(gzipSync(zeros, { level: 9 }));
    await lab.blob('me/x', bomb);
    expect(await push(await describeImage([{ bytes: bomb, tar: sha(zeros) }]))).toBe('400 MANIFEST_INVALID');

    expect(lab.store.list()).toEqual([]);
    lab.content.collect(performance.now() + 3_700_000);
    expect(lab.kept().filter((name) => name !== 'pushed.json')).toEqual([]);
    expect(existsSync(join(lab.folder, 'etc'))).toBe(false);
  });

  test('are not taken when the client goes away', async () => {
    lab = await LabRegistry.start();
    const big = tarOf([folder('etc'), file('etc/x', 'x'.repeat(80_000_000))]);
    const layer = { bytes: Buffer.from(gzipSync(big, { level: 1 })), tar: sha(big) };
    await lab.blob('me/x', layer.bytes);
    const manifest = await describeImage([layer]);
    const control = new AbortController();
    const sent = lab.fetch('me/x/manifests/latest', {
      method: 'PUT',
      headers: { 'content-type': OCI },
      body: manifest,
      signal: control.signal,
    });
    await delay(40);
    control.abort();
    await expect(sent).rejects.toThrow(/abort/);
    await delay(1500);
    expect(lab.store.list()).toEqual([]);
    expect(lab.kept().filter((name) => name.startsWith('work'))).toEqual([]);
  });
});
