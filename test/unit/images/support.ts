import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { LayerFile } from '../../../backend/images/tree/layer-file.ts';
import { END_OF_TAR, entryHeader, padding, type TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import { scanTarSync, type ScanOptions } from '../../../backend/images/tar/tar-scan.ts';
import { ImageTree, mergeLayers } from '../../../backend/images/tree/tree.ts';

/** A folder that is gone after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bootyard-images-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A tar of entries, by the product's writer, which has tests of its own against GNU tar. */
export function tarOf(entries: TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.type === 'file' ? Buffer.from(entry.content ?? []) : Buffer.alloc(0);
    return [entryHeader(entry, content.length), content, padding(content.length)];
  });
  return Buffer.concat([...parts, END_OF_TAR]);
}

export const file = (path: string, content = '', more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  type: 'file',
  mode: 0o644,
  content: Buffer.from(content),
  ...more,
});
export const folder = (path: string, mode = 0o755, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  type: 'directory',
  mode,
  ...more,
});
export const link = (path: string, target: string): TarEntry => ({
  path,
  type: 'symlink',
  mode: 0o777,
  target,
});
export const hardlink = (path: string, target: string): TarEntry => ({
  path,
  type: 'hardlink',
  mode: 0o644,
  target,
});

/** The tree of one or more tars. */
export function treeOf(layers: (Buffer | TarEntry[])[], options?: ScanOptions): ImageTree {
  const home = testFolder();
  const files = layers.map((layer, at) => {
    const path = join(home, String(at));
    writeFileSync(path, Buffer.isBuffer(layer) ? layer : tarOf(layer));
    return new LayerFile(path);
  });
  try {
    const indexes = files.map(({ fd, size }) => scanTarSync(fd, size, options));
    const tree = new ImageTree(1n, mergeLayers(indexes, 1n), files);
    onTestFinished(() => tree.close());
    return tree;
  } catch (error) {
    for (const opened of files) opened.release();
    throw error;
  }
}

/** One line for each name of a tree; hard links show by the number of the first name. */
export interface Listing {
  [path: string]: string;
}

/** All that is seen of a tree through its reading interface. */
export function listTree(tree: ImageTree, withTimes = true): Listing {
  const lines: Listing = {};
  const first = new Map<number, string>();
  const visit = (inode: number, path: string): void => {
    const { type, mode, uid, gid, size, mtimeMs, rdev, links } = tree.stat(inode);
    const seen = first.get(inode) ?? path;
    first.set(inode, seen);
    lines[path] = [
      type,
      type === 'symlink' ? '-' : mode.toString(8),
      `${uid}:${gid}`,
      type === 'directory' ? '-' : String(links),
      type === 'char' || type === 'block' ? `${rdev.major},${rdev.minor}` : '-',
      type === 'file' ? `${size}:${sha(tree.readFile(inode))}` : '-',
      type === 'symlink' ? Buffer.from(tree.linkTarget(inode)).toString('latin1') : '-',
      withTimes ? String(Math.floor(mtimeMs / 1000)) : '-',
      seen === path ? '-' : `= ${seen}`,
    ].join(' ');
    if (type !== 'directory') return;
    for (const child of tree.children(inode)) {
      visit(child.inode, `${path === '/' ? '' : path}/${child.name.toString('latin1')}`);
    }
  };
  visit(1, '/');
  return lines;
}

/** The same of a folder on disk. */
export function listFolder(root: string, withTimes = true): Listing {
  const lines: Listing = {};
  const first = new Map<bigint, string>();
  const visit = (path: string): void => {
    const real = Buffer.concat([Buffer.from(root), Buffer.from(path, 'latin1')]);
    const stat = lstatSync(real, { bigint: true });
    const seen = stat.isDirectory() ? path : (first.get(stat.ino) ?? path);
    first.set(stat.ino, seen);
    const type = typeOf(stat);
    lines[path] = [
      type,
      type === 'symlink' ? '-' : (Number(stat.mode) & 0o7777).toString(8),
      `${stat.uid}:${stat.gid}`,
      type === 'directory' ? '-' : String(stat.nlink),
      type === 'char' || type === 'block' ? deviceOf(stat.rdev) : '-',
      type === 'file' ? `${stat.size}:${sha(readFileSync(real))}` : '-',
      type === 'symlink' ? readlinkSync(real, 'buffer').toString('latin1') : '-',
      withTimes ? String(Number(stat.mtimeMs) / 1000 < 0 ? 0 : stat.mtimeNs / 1_000_000_000n) : '-',
      seen === path ? '-' : `= ${seen}`,
    ].join(' ');
    if (type !== 'directory') return;
    for (const name of readdirSync(real, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b))) {
      visit(`${path === '/' ? '' : path}/${name.toString('latin1')}`);
    }
  };
  visit('/');
  return lines;
}

function typeOf(stat: ReturnType<typeof lstatSync> & object): string {
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return 'file';
}

/** Linux's encoding of device numbers in 64 bits (glibc's gnu_dev_major and gnu_dev_minor). */
function deviceOf(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major},${minor}`;
}

export function sha(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function run(command: string, args: string[]): string {
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  return execFileSync(command, args, {
    env,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
}

export const isRoot = process.getuid?.() === 0;

/** An OCI image layout with the given layers; returns the image's id. */
export function ociLayout(
  home: string,
  layers: { stored: Buffer; tar: Buffer; mediaType: string }[],
  config: Record<string, unknown> = {},
): string {
  const blobs = join(home, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (content: Buffer, mediaType: string) => {
    writeFileSync(join(blobs, sha(content)), content);
    return { mediaType, digest: `sha256:${sha(content)}`, size: content.length };
  };
  const configBlob = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { from: 'test' } },
      rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => `sha256:${sha(tar)}`) },
      ...config,
    }),
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: put(configBlob, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map(({ stored, mediaType }) => put(stored, mediaType)),
  };
  const descriptor = put(Buffer.from(JSON.stringify(manifest)), manifest.mediaType);
  const named = { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': 'test' } };
  writeFileSync(join(home, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(home, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}');
  return sha(configBlob);
}

export const plainLayer = (tar: Buffer) => ({
  stored: tar,
  tar,
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
});

/** Numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
