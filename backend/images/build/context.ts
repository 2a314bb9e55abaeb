import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import ignore, { type Ignore } from '@balena/dockerignore';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import { END_OF_TAR, entryHeader, padding } from '../tar/tar-writer.ts';

const IGNORE_FILE = '.dockerignore';
/** By this name the builder gets the Dockerfile: not what lies in the folder, and not part of what it copies. */
export const SENT_DOCKERFILE = '.bootyard.Dockerfile';

/** A folder to build from, and its Dockerfile. */
export interface Source {
  folder: string;
  /** absolute */
  dockerfile: string;
}

/**
 * The folder `subDir` of `root` and the Dockerfile `file` (relative to it). Throws sentences for what is not there;
 * `subDir` may not lead out of `root`, nor, with `isForeign`, may `file`.
 */
export async function sourceIn(
  root: string,
  {
    subDir = '.',
    file,
    isForeign = false,
  }: { subDir?: string; file?: string | undefined; isForeign?: boolean },
): Promise<Source> {
  const top = await realFolder(root, root);
  const folder = await realFolder(join(top, subDir), subDir === '.' ? root : subDir);
  if (isAbsolute(subDir) || !isWithin(top, folder)) {
    throw new BootyardError('build.subDir', `The folder '${subDir}' is not within ${root}.`);
  }
  const dockerfile = resolve(folder, file ?? 'Dockerfile');
  const real = await realpath(dockerfile).catch(() => undefined);
  if (real === undefined || !(await lstat(real)).isFile()) {
    const where = file === undefined ? `in the folder ${folder}` : `at ${dockerfile}`;
    throw new BootyardError('build.noDockerfile', `There is no Dockerfile ${where}.`);
  }
  if (isForeign && !isWithin(top, real)) {
    throw new BootyardError(
      'build.subDir',
      `The Dockerfile '${file ?? 'Dockerfile'}' is not within ${root}.`,
    );
  }
  return { folder, dockerfile };
}

async function realFolder(path: string, named: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined && (await lstat(real)).isDirectory()) return real;
  throw new BootyardError('build.noFolder', `There is no folder '${named}' to build from.`);
}

function isWithin(top: string, path: string): boolean {
  return path === top || path.startsWith(top.endsWith(sep) ? top : top + sep);
}

/** Tells of a path, relative to the context's folder, whether `.dockerignore` leaves it out. */
export interface Ignored {
  /** the file, '' if there is none */
  text: string;
  /** `hasExceptions`: something below a folder that is left out may not be */
  hasExceptions: boolean;
  ignores(path: string): boolean;
}

/** Reads `.dockerignore` (Dockerfile reference, ".dockerignore file"). */
export async function readIgnoreFile(folder: string): Promise<Ignored> {
  const text = await readFile(join(folder, IGNORE_FILE), 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '';
    throw unreadable(IGNORE_FILE, error);
  });
  const rules: Ignore = ignore().add(text.split(/\r?\n/));
  return {
    text,
    hasExceptions: /^\s*!/m.test(text),
    ignores: (path) => path !== '' && rules.ignores(path),
  };
}

/** What is sent to a builder, as a tar: all of the folder that is not left out, owned by root, and `dockerfile`. */
export async function* contextTar(
  folder: string,
  dockerfile: string,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const ignored = await readIgnoreFile(folder);
  for await (const { path, stat } of contextEntries(folder, ignored)) {
    signal?.throwIfAborted();
    if (path === IGNORE_FILE) continue;
    if (stat.isFile()) yield* fileEntry(folder, path, stat);
    else yield await otherEntry(folder, path, stat);
  }
  // As Docker's own command does: the daemon leaves out what this file names.
  const names = ignored.text === '' ? [IGNORE_FILE, SENT_DOCKERFILE] : [SENT_DOCKERFILE];
  yield textEntry(IGNORE_FILE, `${[ignored.text, ...names].join('\n')}\n`);
  yield textEntry(SENT_DOCKERFILE, dockerfile);
  yield END_OF_TAR;
}

function textEntry(path: string, text: string): Buffer {
  const content = Buffer.from(text);
  const head = entryHeader({ path, type: 'file', mode: 0o644 }, content.length);
  return Buffer.concat([head, content, padding(content.length)]);
}

/** All of a folder that is not left out, in the order of names; of what a tar holds. */
export async function* contextEntries(
  folder: string,
  ignored: Ignored,
  below = '',
): AsyncGenerator<{ path: string; stat: Stats }> {
  const names = await readdir(join(folder, below)).catch((error: unknown) => {
    throw unreadable(below, error);
  });
  for (const name of names.sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const stat = await lstat(join(folder, path)).catch(() => undefined);
    // It went away meanwhile, or nothing that a tar holds.
    if (!stat || !(stat.isFile() || stat.isDirectory() || stat.isSymbolicLink())) continue;
    const isIgnored = ignored.ignores(path);
    if (isIgnored && !(stat.isDirectory() && ignored.hasExceptions)) continue;
    if (!isIgnored) yield { path, stat };
    if (stat.isDirectory()) yield* contextEntries(folder, ignored, path);
  }
}

async function otherEntry(folder: string, path: string, stat: Stats): Promise<Buffer> {
  const mode = stat.mode & 0o7777;
  const mtime = Math.floor(stat.mtimeMs / 1000);
  if (stat.isDirectory()) return entryHeader({ path: `${path}/`, type: 'directory', mode, mtime }, 0);
  const target = await readlink(join(folder, path));
  return entryHeader({ path, type: 'symlink', mode: 0o777, mtime, target }, 0);
}

async function* fileEntry(
  folder: string,
  path: string,
  { mode, mtimeMs, size }: Stats,
): AsyncGenerator<Buffer> {
  const entry = { path, type: 'file' as const, mode: mode & 0o7777, mtime: Math.floor(mtimeMs / 1000) };
  yield entryHeader(entry, size);
  let sent = 0;
  if (size > 0) {
    const stream = createReadStream(join(folder, path), { end: size - 1, highWaterMark: 256 * 1024 });
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        sent += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw unreadable(path, error);
    }
  }
  if (sent !== size) {
    throw new BootyardError('build.context', `The file ${path} changed while it was read: build again.`);
  }
  yield padding(size);
}

function unreadable(path: string, error: unknown): BootyardError {
  return new BootyardError('build.context', `'${path || '.'}' cannot be read: ${messageOf(error)}.`);
}

/** The path of a file relative to a folder with `/`, or undefined when it is not below. */
export function pathBelow(folder: string, file: string): string | undefined {
  const path = relative(folder, file);
  return path === '' || path.startsWith('..') || isAbsolute(path) ? undefined : path.split(sep).join('/');
}
