import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ImageFiles } from '../../backend/images/files/image-files.ts';
import { escapedBytes, escapedText } from '../../backend/images/files/escaped-name.ts';
import { searchTree } from '../../backend/images/files/search.ts';
import type { ImageTree } from '../../backend/images/tree/tree.ts';
import { importLayers, NASTY } from './images/nasty.ts';
import { newStore } from './images/store-support.ts';
import { file, folder, link, tarOf } from './images/support.ts';

let made: ReturnType<typeof newStore>;
let files: ImageFiles;
const control = { signal: new AbortController().signal, progress: (): void => {} };

beforeEach(() => {
  made = newStore();
  files = new ImageFiles(made.store);
});
const names = async (image: string, path: string): Promise<string[]> =>
  (await files.list(image, path, 0, 2000)).files.map(({ name }) => name);
const text = async (image: string, path: string): Promise<string> =>
  (await files.read(image, path, 0, 1 << 20)).bytes.toString();

describe('names', () => {
  test.each([
    [Buffer.from('plain name-ä€😀'), 'plain name-ä€😀'],
    [Buffer.from('a\\x2db'), 'a\\x2db'],
    [Buffer.from('line\nend\ttab'), 'line%0Aend%09tab'],
    [Buffer.from('caf\xe9', 'latin1'), 'caf%E9'],
    [Buffer.from('100%, %E9 and %e9'), '100%, %25E9 and %e9'],
    [Buffer.concat([Buffer.from('%2'), Buffer.from([0xe9, 0x41]), Buffer.from('ä')]), '%2%E9Aä'],
    [Buffer.from('exe\u202egnp.'), 'exe%E2%80%AEgnp.'],
    [Buffer.from('\ufeffbom'), '%EF%BB%BFbom'],
  ])('%j is shown as %s and found again', (bytes, shown) => {
    expect(escapedText(bytes)).toBe(shown);
    expect(escapedBytes(shown)).toEqual(bytes);
  });

  test('any bytes come back', () => {
    for (let seed = 0; seed < 500; seed++) {
      const bytes = createHash('sha256').update(String(seed)).digest();
      const name = Buffer.from(bytes.filter((byte) => byte !== 0 && byte !== 0x2f));
      expect(escapedBytes(escapedText(name))).toEqual(name);
    }
  });

  test.each([
    ['NUL', '/a%00b'],
    ['slash', '/a%2Fb'],
    ['byte 0', '/a\0b'],
    ['end', `/${'x'.repeat(5000)}`],
  ])('a path without %s is refused', (_, path) => {
    expect(() => escapedBytes(path)).toThrow('No file can have the path');
  });
});

describe('a nasty image', () => {
  beforeEach(async () => {
    await importLayers(made.store, made.home, NASTY, 'nasty');
  });

  test('its files are listed as they are: owners, modes, links, devices, attributes', async () => {
    const dev = await files.list('nasty', '/dev', 0, 10);
    expect(dev).toMatchObject({ id: made.store.get('nasty')?.id, next: null });
    expect(dev.files).toMatchObject([
      { name: 'fifo', type: 'fifo', device: null },
      { name: 'loop', type: 'block', device: { major: 7, minor: 300 } },
      { name: 'null', type: 'char', mode: 0o666, device: { major: 1, minor: 3 } },
    ]);
    const { files: etc } = await files.list('nasty', '/etc', 0, 10);
    expect(etc.find(({ name }) => name === 'hosts')).toMatchObject({
      ...{ type: 'file', mode: 0o6755, uid: 3_000_000, gid: 4_000_000, size: 5, links: 3, layer: 1 },
    });
    expect(etc.find(({ name }) => name === 'link')).toMatchObject({
      ...{ type: 'symlink', target: '/etc/hosts', leadsTo: 'file', size: 0 },
    });
    const { file: cap } = await files.stat('nasty', '/cap');
    expect(cap.xattrs).toEqual(expect.arrayContaining(['security.capability', 'user.note']));
  });

  test('a name that is no UTF-8 and has a line end is shown, and opens', async () => {
    const odd = (await names('nasty', '/')).find((name) => name.startsWith('caf'));
    expect(odd).toBe('caf%E9 %FF%0A');
    expect(await text('nasty', `/${odd}`)).toBe('bytes');
    expect((await files.stat('nasty', `/${odd}`)).file.name).toBe(odd);
  });

  test('a link is followed to read, and is itself for stat', async () => {
    expect(await text('nasty', '/etc/link')).toBe('hosts');
    expect((await files.stat('nasty', '/etc/link')).file.type).toBe('symlink');
    expect((await files.stat('nasty', '/long/link')).file).toMatchObject({ leadsTo: null });
  });

  test('a sparse file is read with its holes, in pieces', async () => {
    const whole = (await files.read('nasty', '/sparse', 0, 1 << 20)).bytes;
    expect(whole.length).toBe(100_000);
    const piece = await files.read('nasty', '/sparse', 65_000, 1000);
    expect(piece).toMatchObject({ size: 100_000, bytes: whole.subarray(65_000, 66_000) });
    expect((await files.read('nasty', '/sparse', 200_000, 10)).bytes.length).toBe(0);
  });

  test.each([
    ['/no', 'file.missing'],
    ['/etc/../etc/hosts', 'file.missing'],
    ['/..', 'file.missing'],
    ['/etc/%2E%2E/cap', 'file.missing'],
    ['/etc', 'file.isFolder'],
    ['/dev/null', 'file.special'],
    ['/long/link', 'file.missing'],
    ['/etc%2Fhosts', 'file.badPath'],
  ])('reading %s is refused with %s', async (path, code) => {
    await expect(files.read('nasty', path, 0, 1)).rejects.toMatchObject({ code });
  });

  test('an image that is not there, and a file that is no folder', async () => {
    await expect(files.list('none', '/', 0, 1)).rejects.toMatchObject({ code: 'image.unknown' });
    await expect(files.list('nasty', '/cap', 0, 1)).rejects.toMatchObject({ code: 'file.notFolder' });
  });
});

describe('links that lead astray', () => {
  test('loops and ways out of the root end inside the image', async () => {
    const layer = tarOf([
      ...[folder('etc'), file('etc/passwd', 'ours')],
      ...[link('a', 'b'), link('b', 'a'), link('up', '../../../../etc/passwd'), link('here', '.')],
    ]);
    await importLayers(made.store, made.home, [layer], 'box');
    expect(await text('box', '/up')).toBe('ours');
    expect(await text('box', '/here/here/here/etc/passwd')).toBe('ours');
    await expect(files.read('box', '/a', 0, 1)).rejects.toMatchObject({ code: 'file.missing' });
    expect((await files.stat('box', '/a')).file).toMatchObject({ type: 'symlink', leadsTo: null });
    const found = await search('ours');
    expect(found.matches.map(({ path }) => path)).toEqual(['/etc/passwd']);
  });
});

const search = (words: string, more: { in?: 'names'; caseSensitive?: boolean; limit?: number } = {}) =>
  files.search(
    'box',
    '/',
    { text: words, in: 'contents', caseSensitive: false, limit: 100, ...more },
    control,
  );

describe('a search', () => {
  beforeEach(async () => {
    const layer = tarOf([
      folder('etc'),
      file('etc/one', 'first\nSecond line\nthird second\n'),
      file('etc/Second.conf', 'nothing\n'),
      file('bin', 'second\0binary'),
      file('long', `${'x'.repeat(500)}needle${'y'.repeat(500)}\nlast needle`),
      file('many', 'second\n'.repeat(500)),
      file('umlaut', 'ä ä needle'),
    ]);
    await importLayers(made.store, made.home, [layer], 'box');
  });

  test('tells lines and columns, leaves binaries out, and takes a part of a file with many', async () => {
    const found = await search('SECOND');
    expect(found.matches.slice(0, 2)).toEqual([
      { path: '/etc/one', line: 2, column: 0, preview: 'Second line' },
      { path: '/etc/one', line: 3, column: 6, preview: 'third second' },
    ]);
    expect(found).toMatchObject({ skipped: 1, searched: 4, isCut: true });
    expect(found.matches.filter(({ path }) => path === '/many')).toHaveLength(98);
    expect((await search('Second', { caseSensitive: true })).matches).toHaveLength(1);
  });

  test('shows the surroundings of a match in a long line, and counts characters', async () => {
    const { matches } = await search('needle');
    expect(matches.map(({ path, line, column }) => [path, line, column])).toEqual([
      ['/long', 1, 500],
      ['/long', 2, 5],
      ['/umlaut', 1, 4],
    ]);
    expect(matches[0]?.preview).toMatch(/^…x{60}needley+$/);
    expect(matches[0]?.preview.length).toBeLessThan(210);
  });

  test('finds names, and ends at its limit', async () => {
    expect((await search('second', { in: 'names' })).matches).toMatchObject([{ path: '/etc/Second.conf' }]);
    expect(await search('second', { limit: 3 })).toMatchObject({ isCut: true, matches: { length: 3 } });
  });

  test('can be cancelled', async () => {
    const options = { text: 'x', in: 'contents' as const, caseSensitive: true, limit: 1 };
    const gone = { ...control, signal: AbortSignal.abort(new Error('enough')) };
    await expect(files.search('box', '/', options, gone)).rejects.toThrow('enough');
  });
});

describe('a search of a large file', () => {
  const PIECE = 256 << 10;
  const content = Buffer.alloc(16 << 20, 'ä line of sixteen\n');
  // Across the border of two pieces, and at the end of a line of megabytes
  content.write('Needle', PIECE - 3);
  content.write('ä'.repeat(4 << 20), 8 << 20);
  content.write('needle', content.length - 6);
  const from = { inode: 1, path: Buffer.alloc(0) };
  const asked = { in: 'contents' as const, caseSensitive: false, limit: 100 };
  let turns: number;
  let turned: () => void;
  let turning: NodeJS.Immediate;

  /** Reading takes no turns here, so those that are left are the search's own. */
  async function tree(bytes = content): Promise<ImageTree> {
    const layer = tarOf([{ ...file('big', ''), content: bytes }]);
    const { id } = await importLayers(made.store, made.home, [layer], 'box');
    const opened = await made.store.tree(id);
    opened.readCold = (...read) => Promise.resolve(opened.read(...read));
    return opened;
  }
  beforeEach(() => {
    turns = 0;
    turned = () => undefined;
    turning = setImmediate(function count() {
      turns++;
      turned();
      turning = setImmediate(count);
    });
  });
  afterEach(() => clearImmediate(turning));

  test('is done in pieces, between which nodes are served', async () => {
    const opened = await tree();
    turns = 0;
    const { matches } = await searchTree(opened, from, { ...asked, text: 'needle' }, control);
    // 64 pieces, and 32 to count the characters of the long line
    expect(turns).toBeGreaterThan(90);
    const line = (end: number): number => content.subarray(0, end).toString().split('\n').length;
    const column = (end: number): number =>
      content.subarray(content.subarray(0, end).lastIndexOf(10) + 1, end).toString().length;
    const places = [PIECE - 3, content.length - 6];
    expect(matches).toMatchObject(places.map((end) => ({ line: line(end), column: column(end) })));
    opened.close();
  });

  test('leaves one out that is larger still, and says so', async () => {
    const opened = await tree(Buffer.concat([content, Buffer.from('\n')]));
    const found = await searchTree(opened, from, { ...asked, text: 'needle' }, control);
    expect(found).toEqual({ matches: [], isCut: false, searched: 0, skipped: 1 });
    opened.close();
  });

  test('ends when it is cancelled', async () => {
    const opened = await tree();
    const caller = new AbortController();
    turns = 0;
    turned = () => turns === 10 && caller.abort(new Error('enough'));
    const searching = searchTree(opened, from, { ...asked, text: 'nowhere' }, { signal: caller.signal });
    await expect(searching).rejects.toThrow('enough');
    opened.close();
  });
});

test('an image of 100,000 files opens with one page, and a folder of many comes in pages', async () => {
  const entries = [folder('big'), folder('deep')];
  for (let at = 0; at < 95_000; at++) entries.push(file(`deep/${at % 950}/f${at}`));
  for (let at = 0; at < 5000; at++) entries.push(file(`big/${String(at).padStart(4, '0')}`));
  await importLayers(made.store, made.home, [tarOf(entries)], 'many');
  expect(await names('many', '/')).toEqual(['big', 'deep']);
  expect(await names('many', '/deep/949')).toHaveLength(100);
  const pages = [];
  for (let from: number | null = 0; from !== null;) {
    const page = await files.list('many', '/big', from, 2000);
    pages.push(page.files.length);
    from = page.next;
  }
  expect(pages).toEqual([2000, 2000, 1000]);
  const found = await files.search(
    ...(['many', '/', { text: 'f94999', in: 'names', caseSensitive: true, limit: 9 }, control] as const),
  );
  expect(found.matches).toMatchObject([{ path: '/deep/949/f94999' }]);
});

test('a tree is kept open for the next call, and an image that goes lets it go', async () => {
  await importLayers(made.store, made.home, [tarOf([file('a', 'old')])], 'box');
  expect(await text('box', '/a')).toBe('old');
  await importLayers(made.store, made.home, [tarOf([file('a', 'new')])], 'next');
  await made.store.remove('box');
  expect(made.store.unnamed()).toHaveLength(1);
  files.close();
  await expect.poll(() => made.store.unnamed()).toHaveLength(0);
});
