import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { file, folder, ociLayout, plainLayer, sha, tarOf } from './support.ts';
import { newStore, ROOT, snapshot, TOP } from './store-support.ts';

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
