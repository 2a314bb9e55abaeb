import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type TarEntry, writeTar } from '../../backend/images/tar/tar-writer.ts';
import { type DefaultImage, defaultImageTar } from './default-image.ts';
import type { TestLab } from './lab.ts';

export interface Change {
  /** the image that is changed: the tiny one when not given */
  of?: DefaultImage;
  /** names in the tar, such as sbin/init */
  remove?: string[];
  /** executable text files by name */
  add?: Record<string, string>;
  /** files of the host by name */
  copy?: Record<string, string>;
  /** folders and files of the host, which have the same path in the image */
  folders?: string[];
  /** entries with what files of the host cannot have */
  entries?: TarEntry[];
}

/** A program of the host with the libraries that it needs and the tiny image may lack; the host is a Debian, too. */
export function programOfHost(path: string): Record<string, string> {
  return { [`usr/sbin/${basename(path)}`]: path, ...librariesOfHost(path) };
}

/** The libraries that programs or libraries of the host need, by their names in the image. */
export function librariesOfHost(...paths: string[]): Record<string, string> {
  const libraries = execFileSync('ldd', paths, { encoding: 'utf8' }).matchAll(/=> (\/\S*\/([^/\s]+))/g);
  const files = [...libraries].map(([, file = '', name = '']) => [`usr/lib/x86_64-linux-gnu/${name}`, file]);
  return Object.fromEntries(files);
}

/** Imports the tiny image, or the one that the change names, with files removed or added, under another name (or, with `--force` in `options`, its own). */
export async function importVariant(
  lab: TestLab,
  name: string,
  change: Change,
  ...options: string[]
): Promise<void> {
  const { tar, labels } = await defaultImageTar(change.of ?? 'pc-x86-64-tiny');
  const folder = mkdtempSync(join(tmpdir(), 'by-variant-'));
  try {
    const copy = join(folder, 'root.tar');
    copyFileSync(tar, copy);
    const member = memberNames(copy);
    for (const path of change.remove ?? []) {
      execFileSync('tar', ['--delete', '-f', copy, member.get(path) ?? path], { stdio: 'pipe' });
    }
    const added = Object.entries({ ...change.add, ...change.copy });
    for (const [path, content] of added) {
      const file = join(folder, 'new', path);
      mkdirSync(dirname(file), { recursive: true });
      if (change.copy?.[path] === undefined) writeFileSync(file, content);
      else copyFileSync(content, file);
      chmodSync(file, 0o755);
      if (member.has(path) && !change.remove?.includes(path))
        execFileSync('tar', ['--delete', '-f', copy, member.get(path) ?? path], { stdio: 'pipe' });
      execFileSync('tar', ['-rf', copy, '--owner=0', '--group=0', '-C', join(folder, 'new'), path], {
        stdio: 'pipe',
      });
    }
    for (const folder of change.folders ?? []) {
      const words = ['-rf', copy, '--owner=0', '--group=0', '-C', '/', folder.slice(1)];
      execFileSync('tar', words, { stdio: 'pipe' });
    }
    if (change.entries) {
      writeTar(join(folder, 'more.tar'), change.entries);
      execFileSync('tar', ['--concatenate', '-f', copy, join(folder, 'more.tar')], { stdio: 'pipe' });
    }
    const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
    await lab.bootyard('image', 'import', copy, name, ...flags, ...options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Names as the archive spells them (`./sbin/init`), by their plain form. */
function memberNames(tar: string): Map<string, string> {
  const list = execFileSync('tar', ['-tf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return new Map(list.split('\n').map((name) => [name.replace(/^\.?\//, ''), name]));
}
