import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recipeOf } from '../../../backend/api/lab-file/recipe.ts';
import type { ImageSource } from '../../../backend/api/lab-file/schema.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootyard-recipe-'));
  put('web/Dockerfile', 'FROM base\nCOPY . /\n');
  put('web/app/main', 'one');
  put('web/log', 'noise');
  put('web/.dockerignore', 'log\n');
});
afterEach(() => rmSync(folder, { recursive: true }));
const put = (path: string, text: string): void => {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const images = [{ name: 'base', id: '1'.repeat(64) }];
const build = (args: Record<string, string> = {}): ImageSource => ({
  kind: 'build',
  from: { folder: join(folder, 'web') },
  args,
});
const digest = async (source = build(), there = images): Promise<string | undefined> =>
  (await recipeOf(source, there))?.recipe.digest;

describe('an image built from a folder', () => {
  test('is the same as long as no file that goes in changes, whatever their times', async () => {
    const before = await digest();
    utimesSync(join(folder, 'web/app/main'), 1, 1);
    put('web/log', 'other noise');
    expect(await digest()).toBe(before);
    put('web/app/main', 'two');
    expect(await digest()).not.toBe(before);
  });

  test.each<[string, () => void]>([
    ['the Dockerfile', () => put('web/Dockerfile', 'FROM base\nCOPY app /\n')],
    ['a new file', () => put('web/app/new', '')],
    ['what is left out', () => put('web/.dockerignore', '')],
    [
      'a link',
      () => {
        unlinkSync(join(folder, 'web/app/main'));
        symlinkSync('one', join(folder, 'web/app/main'));
      },
    ],
  ])('is another one with %s', async (_, change) => {
    const before = await digest();
    change();
    expect(await digest()).not.toBe(before);
  });

  test('is another one with another base of the store, or other arguments', async () => {
    const before = await digest();
    expect(await digest(build(), [{ name: 'base', id: '2'.repeat(64) }])).not.toBe(before);
    expect(await digest(build({ V: '1' }))).not.toBe(before);
    expect((await recipeOf(build(), images))?.bases).toEqual(['base']);
    expect((await recipeOf(build(), [], { names: ['base'] }))?.bases).toEqual(['base']);
    expect((await recipeOf(build(), []))?.bases).toEqual([]);
  });

  test('needs its folder', async () => {
    const source: ImageSource = { kind: 'build', from: { folder: join(folder, 'none') }, args: {} };
    await expect(digest(source)).rejects.toThrow(
      `There is no folder '${join(folder, 'none')}' to build from.`,
    );
  });
});

test('an import is the content of its file or folder, and its labels', async () => {
  put('root.tar', 'tar');
  const source = (labels = {}): ImageSource => ({ kind: 'import', path: join(folder, 'root.tar'), labels });
  const before = await digest(source());
  expect(await digest(source({ a: 'b' }))).not.toBe(before);
  put('root.tar', 'rat');
  expect(await digest(source())).not.toBe(before);
  const tree: ImageSource = { kind: 'import', path: join(folder, 'web'), labels: {} };
  const whole = await digest(tree);
  put('web/log', 'counts here');
  expect(await digest(tree)).not.toBe(whole);
  await expect(digest({ kind: 'import', path: '/no/such', labels: {} })).rejects.toThrow(
    "'/no/such' cannot be read",
  );
});

test('a password of a URL is not kept', async () => {
  const url = 'https://anna:secret@h/r.git#x';
  const known = await recipeOf({ kind: 'build', from: { url }, args: {} }, []);
  expect(known?.recipe.entry).toEqual({ build: { url: 'https://h/r.git#x' } });
});
