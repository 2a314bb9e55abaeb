import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defaultImageTar } from './default-image.ts';
import type { TestLab } from './lab.ts';

export interface Change {
  /** names in the tar, such as sbin/init */
  remove?: string[];
  /** executable text files by name */
  add?: Record<string, string>;
}

/** Imports the tiny image with files removed or added, under another name. */
export async function importVariant(lab: TestLab, name: string, change: Change): Promise<void> {
  const { tar, labels } = await defaultImageTar('pc-x86-64-tiny');
  const folder = mkdtempSync(join(tmpdir(), 'by-variant-'));
  try {
    const copy = join(folder, 'root.tar');
    copyFileSync(tar, copy);
    const member = memberNames(copy);
    for (const path of change.remove ?? []) {
      execFileSync('tar', ['--delete', '-f', copy, member.get(path) ?? path], { stdio: 'pipe' });
    }
    for (const [path, text] of Object.entries(change.add ?? {})) {
      const file = join(folder, 'new', path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      chmodSync(file, 0o755);
      if (member.has(path) && !change.remove?.includes(path))
        execFileSync('tar', ['--delete', '-f', copy, member.get(path) ?? path], { stdio: 'pipe' });
      execFileSync('tar', ['-rf', copy, '--owner=0', '--group=0', '-C', join(folder, 'new'), path], {
        stdio: 'pipe',
      });
    }
    const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
    await lab.bootyard('image', 'import', copy, name, ...flags);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Names as the archive spells them (`./sbin/init`), by their plain form. */
function memberNames(tar: string): Map<string, string> {
  const list = execFileSync('tar', ['-tf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return new Map(list.split('\n').map((name) => [name.replace(/^\.?\//, ''), name]));
}
