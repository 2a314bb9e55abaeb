import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TarEntry } from '../../../backend/images/tar/tar-writer.ts';
import {
  file,
  folder,
  isRoot,
  link,
  listFolder,
  listTree,
  ociLayout,
  plainLayer,
  randomFrom,
  run,
  tarOf,
  testFolder,
  treeOf,
} from './support.ts';
import { whiteout, opaque } from '../../support/merged-trees.ts';

/** Random entries over few names, so that they meet. */
function randomEntries(random: () => number, names: string[], count: number, marks: boolean): TarEntry[] {
  const pick = <T>(list: T[]): T => list[Math.floor(random() * list.length)] as T;
  const path = (): string =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(names)).join('/');
  return Array.from({ length: count }, (): TarEntry => {
    const attributes = {
      uid: Math.floor(random() * 9),
      gid: 5,
      mtime: 1_600_000_000 + Math.floor(random() * 1e6),
    };
    const kind = random();
    if (marks && kind < 0.1) return whiteout(path());
    if (marks && kind < 0.13) return { ...opaque(path()) };
    if (kind < 0.5)
      return file(path(), String(random()), { ...attributes, mode: 0o600 + Math.floor(random() * 8) });
    if (kind < 0.9) return folder(path(), 0o700 + Math.floor(random() * 64), attributes);
    return { ...link(path(), `target${Math.floor(random() * 100)}`), ...attributes };
  });
}

/** Leaves out entries that lie below something that is not a directory: engines and we refuse them. */
function possible(entries: TarEntry[]): TarEntry[] {
  const kinds = new Map<string, string>();
  return entries.filter(({ path, type }) => {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      if ((kinds.get(parts.slice(0, depth).join('/')) ?? 'directory') !== 'directory') return false;
    }
    if (parts.at(-1)?.startsWith('.wh.')) return true;
    for (let depth = 1; depth < parts.length; depth++)
      kinds.set(parts.slice(0, depth).join('/'), 'directory');
    // tar does not put a file in the place of a directory that is not empty.
    if (kinds.get(path) === 'directory' && type !== 'directory') return false;
    kinds.set(path, type);
    return true;
  });
}

const NAMES = ['a', 'b', 'c', 'd', 'ü', 'long'.repeat(30)];

test.runIf(isRoot)(
  'random trees equal what tar unpacks',
  () => {
    for (let seed = 1; seed <= 25; seed++) {
      const home = testFolder();
      const entries = [folder('.'), ...possible(randomEntries(randomFrom(seed), NAMES, 80, false))];
      const tar = tarOf(entries);
      writeFileSync(join(home, 't.tar'), tar);
      mkdirSync(join(home, 'out'));
      run('tar', [
        '--numeric-owner',
        '--same-owner',
        '-p',
        '-C',
        join(home, 'out'),
        '-xf',
        join(home, 't.tar'),
      ]);
      expect(listTree(treeOf([tar]), false), `seed ${seed}`).toEqual(listFolder(join(home, 'out'), false));
    }
  },
  60_000,
);

test.runIf(isRoot)(
  'random layers with whiteouts equal what umoci unpacks',
  () => {
    for (let seed = 1; seed <= 12; seed++) {
      const home = testFolder();
      const random = randomFrom(seed);
      const all: TarEntry[] = [];
      const layers = [0, 1, 2].map((at) => {
        const fresh = randomEntries(random, NAMES, 40, at > 0);
        const kept = possible([...all, ...fresh]).slice(possible(all).length);
        all.push(...kept);
        return [folder('.'), ...kept];
      });
      const tars = layers.map(tarOf);
      ociLayout(join(home, 'layout'), tars.map(plainLayer));
      run('umoci', ['unpack', '--image', `${join(home, 'layout')}:test`, join(home, 'out')]);
      expect(listTree(treeOf(tars), false), `seed ${seed}`).toEqual(
        listFolder(join(home, 'out/rootfs'), false),
      );
    }
  },
  60_000,
);
