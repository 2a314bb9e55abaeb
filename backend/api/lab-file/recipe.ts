import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError, messageOf } from '../../errors.ts';
import { contextEntries, type Ignored, readIgnoreFile, sourceIn } from '../../images/build/context.ts';
import { imagesOf, parseDockerfile } from '../../images/build/dockerfile.ts';
import { parseGitUrl } from '../../images/build/git.ts';
import type { Recipe } from '../../images/oci.ts';
import type { ImageInfo } from '../image.ts';
import type { ImageSource } from './schema.ts';

export interface KnownRecipe {
  recipe: Recipe;
  /** images of the store, or of the same file, that it is built from */
  bases: string[];
}
type Names = Pick<ImageInfo, 'name' | 'id'>[];

/**
 * How an image is made: its digest changes when a file that goes in changes, or an image of the store that it is built from
 * (`images`). What lies beyond this host (repositories, registries) counts by its name only. `names`: more that it may be
 * built from. Throws sentences for files that are not there. Undefined for a default image, which its name says all of.
 */
export async function recipeOf(
  source: ImageSource,
  images: Names,
  { names = [], signal }: { names?: readonly string[]; signal?: AbortSignal } = {},
): Promise<KnownRecipe | undefined> {
  const hash = createHash('sha256');
  const entry = entryOf(source);
  let bases: string[] = [];
  if (source.kind === 'default' && source.variant === undefined) return undefined;
  if (source.kind === 'build' && 'folder' in source.from) {
    bases = await hashBuild(hash, { ...source, from: source.from }, images, names, signal);
  } else if (source.kind === 'import') {
    hash.update(JSON.stringify(['import', sortedEntries(source.labels)]));
    await hashPath(hash, source.path, signal);
  } else {
    hash.update(JSON.stringify(entry));
    const files = source.kind === 'default' ? source.variant?.files : undefined;
    if (files !== undefined) await hashPath(hash, files, signal);
  }
  return { recipe: { digest: hash.digest('hex'), entry }, bases };
}

async function hashBuild(
  hash: Hash,
  { from, dir, file, args, network }: Extract<ImageSource, { kind: 'build' }> & { from: { folder: string } },
  images: Names,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const source = await sourceIn(from.folder, { ...(dir === undefined ? {} : { subDir: dir }), file });
  const text = await readFile(source.dockerfile, 'utf8');
  const wanted = imagesOf(parseDockerfile(text, args)).map((name) => name.replace(/:latest$/, ''));
  const ids = new Map(images.map(({ name, id }) => [name, id]));
  const bases = wanted.filter((name) => ids.has(name) || names.includes(name));
  const base = bases.map((name) => [name, ids.get(name) ?? '']);
  hash.update(JSON.stringify(['build', text, sortedEntries(args), network ?? '', base]));
  await hashFolder(hash, source.folder, await readIgnoreFile(source.folder), signal);
  return bases;
}

async function hashPath(hash: Hash, path: string, signal: AbortSignal | undefined): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw new BootyardError('lab.source', `'${path}' cannot be read: ${messageOf(error)}.`, { path });
  });
  const all: Ignored = { text: '', hasExceptions: false, ignores: () => false };
  if (found.isDirectory()) await hashFolder(hash, path, all, signal);
  else await hashFile(hash, path, signal);
}

/** Times of files do not count: a fresh checkout gives the same image. */
async function hashFolder(
  hash: Hash,
  folder: string,
  ignored: Ignored,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const { path, stat: found } of contextEntries(folder, ignored)) {
    signal?.throwIfAborted();
    const { mode, uid, gid, size } = found;
    hash.update(JSON.stringify([path, mode, uid, gid, found.isFile() ? size : 0]));
    const full = join(folder, path);
    if ((await lstat(full)).isSymbolicLink()) hash.update(JSON.stringify(await readlink(full)));
    else if (found.isFile()) await hashFile(hash, full, signal);
  }
}

async function hashFile(hash: Hash, path: string, signal: AbortSignal | undefined): Promise<void> {
  const stream = createReadStream(path, { highWaterMark: 2 ** 20, ...(signal ? { signal } : {}) });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  } catch (error) {
    signal?.throwIfAborted();
    throw new BootyardError('lab.source', `'${path}' cannot be read: ${messageOf(error)}.`, { path });
  }
}

function sortedEntries(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** As a lab file says it, with absolute paths. */
export function entryOf(source: ImageSource): Recipe['entry'] {
  switch (source.kind) {
    case 'build': {
      const { from, dir, file, args, network, node } = source;
      const place = 'folder' in from ? { folder: from.folder } : { url: withoutPassword(from.url) };
      const values = Object.keys(args).length > 0 ? Object.fromEntries(sortedEntries(args)) : undefined;
      const words = Object.entries({ ...place, dir, file, network, node, args: values });
      const build: Recipe['entry'] = {};
      for (const [key, value] of words) if (value !== undefined) build[key] = value;
      return { build };
    }
    case 'clone':
      return { clone: source.link, ...(source.model === undefined ? {} : { model: source.model }) };
    case 'import': {
      const labels = Object.fromEntries(sortedEntries(source.labels));
      return { import: source.path, ...(Object.keys(labels).length > 0 ? { labels } : {}) };
    }
    case 'default': {
      const { variant } = source;
      if (variant === undefined) return { default: true };
      return { default: { packages: variant.packages, ...(variant.files ? { files: variant.files } : {}) } };
    }
  }
}

function withoutPassword(text: string): string {
  const { url, reference } = parseGitUrl(text);
  return text.includes('#') ? `${url}#${reference}` : url;
}
