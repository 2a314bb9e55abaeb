import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { ImageFiles } from '../../backend/images/files/image-files.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { END_OF_TAR, entryHeader, padding } from '../../backend/images/tar/tar-writer.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = 5;
const PEER_MS = 120_000;
const FOLDERS = 1000;
const FILES = 100;
const CONTENT = Buffer.from('a small file, as most are\n'.repeat(20));

/**
 * Opening an image of 100,000 files in a new process's store, until a folder of it is listed and a file is read: with the
 * index that its import has made, and without. Against `umoci unpack` of it; both have the image in an OCI layout.
 */
export async function bench(): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), 'bootyard-bench-'));
  try {
    const tar = join(home, 'root.tar');
    await makeTar(tar);
    const folder = join(home, 'store');
    await new ImageStore(folder).import({ path: tar, name: 'bench' });
    const [indexed, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      indexed.push(await timed(() => open(folder)));
      // What an import makes beside the layout, and the store makes again of an image that lacks it.
      for (const part of ['layers', 'trees'])
        rmSync(join(folder, 'bootyard', part), { recursive: true, force: true });
      bare.push(await timed(() => open(folder)));
    }
    const { ms: peer, isWhole } = await unpack(folder, join(home, 'bundle'));
    const peerName = isWhole ? 'umoci unpack' : `umoci unpack (ended after ${PEER_MS / 1000} s)`;
    const row = (name: string, values: number[]): BenchRow => {
      const ours = median(values);
      const ratio = peer / ours;
      return { name, unit: 'ms', ours, peer, peerName, ratio, target: 10, met: ratio >= 10 };
    };
    const what = 'an image of 100,000 files, list a folder, read a file';
    return [row(`open ${what}`, indexed), row(`index and open ${what}`, bare)];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Once: it takes a minute or more. One that is ended counts as done by then, which is in its favour. */
async function unpack(folder: string, bundle: string): Promise<{ ms: number; isWhole: boolean }> {
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  const words = ['unpack', ...rootless, '--image', `${folder}:bench`, bundle];
  let isWhole = true;
  const ms = await timed(() => {
    const { error, status } = spawnSync('umoci', words, { stdio: 'ignore', timeout: PEER_MS });
    isWhole = status === 0;
    if (!isWhole && !(error && 'code' in error && error.code === 'ETIMEDOUT'))
      throw new Error(`umoci unpack failed with ${status}: ${error?.message ?? 'no reason given'}`);
  });
  return { ms, isWhole };
}

async function open(folder: string): Promise<void> {
  const files = new ImageFiles(new ImageStore(folder));
  await files.list('bench', '/', 0, 2000);
  const { files: listed } = await files.list('bench', '/d500', 0, 2000);
  const { bytes } = await files.read('bench', '/d500/f50', 0, 1 << 20);
  files.close();
  if (listed.length !== FILES || !bytes.equals(CONTENT)) throw new Error('the image is not what was made');
}

async function makeTar(path: string): Promise<void> {
  const out = createWriteStream(path);
  for (let at = 0; at < FOLDERS; at++) {
    const parts: Uint8Array[] = [entryHeader({ path: `d${at}`, type: 'directory', mode: 0o755 }, 0)];
    for (let file = 0; file < FILES; file++) {
      const entry = { path: `d${at}/f${file}`, type: 'file' as const, mode: 0o644 };
      parts.push(entryHeader(entry, CONTENT.length), CONTENT, padding(CONTENT.length));
    }
    if (!out.write(Buffer.concat(parts))) await once(out, 'drain');
  }
  out.end(END_OF_TAR);
  await finished(out);
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
