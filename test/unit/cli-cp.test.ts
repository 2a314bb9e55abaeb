import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  lstatSync,
  statSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { locationOf, targetOf, type Found, type PathType } from '../../backend/api/copy/paths.ts';
import { problemOf } from '../../backend/api/copy/words.ts';
import { node } from '../support/api-lab.ts';
import { program } from '../support/cli.ts';
import { busybox, cli, copy, copyHooks, done, gnu, guest, host } from '../support/copy.ts';

copyHooks();

/** Names, modes, times (not of links: busybox gives them none), links and content below a path, as bytes. */
function listing(path: string): string {
  const script = `cd "$0" && find . \\( -type l -printf '%P|%l\\0' \\) -o -printf '%P|%y|%m|%Ts\\0' | LC_ALL=C sort -z && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -z`;
  return execFileSync('sh', ['-c', script, path], { encoding: 'latin1' });
}

function makeTree(place: string): string {
  const tree = join(place, "a tree's $(name)");
  mkdirSync(join(tree, 'empty'), { recursive: true });
  mkdirSync(join(tree, '-dash/..deep'), { recursive: true });
  const files = [
    '-rf',
    'two\nlines ',
    ' sp  ace',
    '.hidden',
    '..two',
    '*',
    'back\\nslash',
    '"$HOME`id`\'',
    'ü',
  ];
  for (const name of [...files, `-dash/..deep/${'n'.repeat(200)}`]) writeFileSync(join(tree, name), name);
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/latin1-`), Buffer.from([0xe9])]), 'bytes');
  chmodSync(join(tree, '-rf'), 0o640);
  chmodSync(join(tree, '*'), 0o751);
  symlinkSync('/no/where', join(tree, 'absolute'));
  symlinkSync('../../up', join(tree, 'up'));
  symlinkSync('-rf', join(tree, 'link'));
  execFileSync('ln', [join(tree, '.hidden'), join(tree, 'hardlink')]);
  execFileSync('mkfifo', [join(tree, 'fifo')]);
  writeFileSync(join(tree, 'sparse'), 'begin');
  truncateSync(join(tree, 'sparse'), 3_000_000);
  utimesSync(join(tree, '.hidden'), 1e9, 1e9);
  for (const path of ['empty', '']) chmodSync(join(tree, path), 0o555);
  for (const path of ['empty', '-dash', '']) utimesSync(join(tree, path), 1_234_567_890, 1_234_567_890);
  return tree;
}

describe.each([
  ['GNU tar', () => gnu],
  ['busybox', () => busybox],
])('with %s in the node', (kind, choose) => {
  beforeEach(() => {
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({ argv: choose()(command) });
  });

  test('a folder with odd names goes in and comes back the same', async () => {
    const tree = makeTree(host);
    expect(await copy(tree, `vnode1:${guest}`)).toEqual(done);
    const inNode = join(guest, "a tree's $(name)");
    expect(listing(inNode)).toBe(listing(tree));
    expect(await copy(`vnode1:${inNode}/`, 'back')).toEqual(done);
    expect(listing(join(host, 'back'))).toBe(listing(tree));
    expect(statSync(join(host, 'back/.hidden')).nlink).toBe(2);
    // Holes are GNU's matter.
    if (kind === 'GNU tar') expect(statSync(join(host, 'back/sparse')).blocks * 512).toBeLessThan(1_000_000);
  });

  test.each(['-n', 'new\nline\n', "it's", 'a\\tb', '*', ' ', '.x', 'a:b'])('the file %j', async (name) => {
    writeFileSync(join(host, name), name);
    chmodSync(join(host, name), 0o604);
    expect(await copy(`./${name}`, `vnode1:${guest}`)).toEqual(done);
    expect(readdirSync(guest)).toEqual([name]);
    expect(await copy(`vnode1:${guest}/${name}`, './to')).toEqual(done);
    expect(readFileSync(join(host, 'to'), 'utf8')).toBe(name);
    expect(statSync(join(host, 'to')).mode & 0o7777).toBe(0o604);
  });

  test('a folder merges into one of its name; what was there stays', async () => {
    for (const [place, text] of [
      [host, 'new'],
      [guest, 'old'],
    ] as const) {
      mkdirSync(join(place, 'd/sub/deep'), { recursive: true });
      for (const path of ['d/f', 'd/sub/g', `d/sub/deep/${text}`]) writeFileSync(join(place, path), text);
    }
    chmodSync(join(guest, 'd/sub'), 0o700);
    expect(await copy('d', `vnode1:${guest}`)).toEqual(done);
    const all = readdirSync(guest, { recursive: true, encoding: 'utf8' }).toSorted();
    expect(all).toEqual(['d', 'd/f', 'd/sub', 'd/sub/deep', 'd/sub/deep/new', 'd/sub/deep/old', 'd/sub/g']);
    expect(readFileSync(join(guest, 'd/sub/g'), 'utf8')).toBe('new');
    expect(statSync(join(guest, 'd/sub')).mode & 0o777).toBe(0o700);
  });

  test('what stands in the way deep inside stops the whole', async () => {
    mkdirSync(join(host, 'd/b'), { recursive: true });
    mkdirSync(join(guest, 'd/a'), { recursive: true });
    writeFileSync(join(host, 'd/0'), 'first');
    writeFileSync(join(guest, 'd/b'), 'a file');
    expect(await copy('d', `vnode1:${guest}`)).toEqual({
      code: 1,
      stdout: '',
      stderr: `Invalid request. Overwriting regular file ${guest}/d/b with directory d is not allowed.\n`,
    });
    expect(readdirSync(join(guest, 'd'))).toEqual(['a', 'b']);
    rmSync(join(host, 'd/b'), { recursive: true });
    writeFileSync(join(host, 'd/a'), 'a file');
    expect((await copy('d', `vnode1:${guest}`)).stderr).toBe(
      `Invalid request. Overwriting directory ${guest}/d/a with regular file d is not allowed.\n`,
    );
  });
});

describe('destinations, as with cp', () => {
  beforeEach(() => {
    mkdirSync(join(guest, 'd/sub'), { recursive: true });
    writeFileSync(join(guest, 'd/f'), 'content');
    symlinkSync('d', join(guest, 'toFolder'));
    symlinkSync('d/f', join(guest, 'toFile'));
    mkdirSync(join(host, 'here'));
    writeFileSync(join(host, 'file'), 'old');
    symlinkSync('here', join(host, 'link'));
    execFileSync('mkfifo', [join(host, 'fifo')]);
  });
  const get = (from: string, to: string) => copy(`vnode1:${guest}/${from}`, to);
  const found = () =>
    execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P\n'], { cwd: host, encoding: 'utf8' })
      .split('\n')
      .filter((path) => !['', 'here', 'file', 'link', 'fifo'].includes(path))
      .toSorted();

  test.each([
    ['d', 'here', ['here/d', 'here/d/f', 'here/d/sub']],
    ['d', 'link', ['here/d', 'here/d/f', 'here/d/sub']],
    ['d', '.', ['d', 'd/f', 'd/sub']],
    ['d/', 'new', ['new', 'new/f', 'new/sub']],
    ['d', 'new/', ['new', 'new/f', 'new/sub']],
    ['d/.', 'here', ['here/f', 'here/sub']],
    ['d/.', 'new', ['new', 'new/f', 'new/sub']],
    ['d/sub/..', 'here', ['here/f', 'here/sub']],
    ['d/f', 'here/', ['here/f']],
    ['d/f', 'here/g', ['here/g']],
    ['d/f', 'link', ['here/f']],
    ['toFolder', 'here', ['here/toFolder']],
    ['toFolder/', 'here', ['here/toFolder', 'here/toFolder/f', 'here/toFolder/sub']],
    ['toFolder/.', 'here', ['here/f', 'here/sub']],
    ['toFile', 'here', ['here/toFile']],
  ])('%s to %s', async (from, to, expected) => {
    expect(await get(from, to)).toEqual(done);
    expect(found()).toEqual(expected);
  });

  test('a file replaces a file, a link to one too', async () => {
    symlinkSync('file', join(host, 'toFile'));
    expect(await get('d/f', 'file')).toEqual(done);
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('content');
    writeFileSync(join(host, 'file'), 'old');
    expect(await get('d/f', 'toFile')).toEqual(done);
    expect(lstatSync(join(host, 'toFile')).isFile()).toBe(true);
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('old');
  });

  test('links stay links', async () => {
    expect(await get('toFile', '.')).toEqual(done);
    expect(readlinkSync(join(host, 'toFile'))).toBe('d/f');
  });

  test.each([
    [
      'd',
      'file',
      'Invalid request. Overwriting regular file file with directory vnode1:GUEST/d is not allowed.',
    ],
    [
      'd/.',
      'file',
      'Invalid request. Overwriting regular file file with directory vnode1:GUEST/d/. is not allowed.',
    ],
    ['d/f', 'nowhere/f', 'No such file or directory: HOST/nowhere'],
    ['d/f', 'nowhere/', 'Not a directory: nowhere/'],
    ['d/f', 'file/', 'Not a directory: file/'],
    ['d/f', 'file/f', 'No such file or directory: HOST/file'],
    ['nothing', 'here', 'No such file or directory: vnode1:GUEST/nothing'],
    ['d/f/', 'here', 'No such file or directory: vnode1:GUEST/d/f/'],
    ['d/f', 'fifo', 'fifo is neither a file nor a directory: it can be neither copied nor overwritten.'],
  ])('%s to %s is refused', async (from, to, sentence) => {
    const stderr = `${sentence.replace('GUEST', guest).replace('HOST', host)}\n`;
    expect(await get(from, to)).toEqual({ code: 1, stdout: '', stderr });
    expect(found()).toEqual([]);
  });

  test('a folder or a file of the name inside is not replaced by the other kind', async () => {
    mkdirSync(join(host, 'here/f'));
    writeFileSync(join(host, 'here/d'), '');
    expect((await get('d/f', 'here')).stderr).toContain(
      `Overwriting directory ${host}/here/f with regular file`,
    );
    expect((await get('d', 'here')).stderr).toContain(
      `Overwriting regular file ${host}/here/d with directory`,
    );
  });

  test.each([
    [['a', 'b'], 2, 'One path of `node cp` is in a node'],
    [['n1:/a', 'n2:/b'], 2, 'One path of `node cp` is in a node'],
    [['', 'vnode1:/b'], 2, 'is empty'],
    [['a', 'n1,n2:/b'], 2, 'one node'],
    [['vnode1:/a', 'booted-image:/b'], 1, 'is only a destination'],
    [['a', 'booted-image'], 1, 'is only a destination'],
    [['vnode1:/', 'booted-image'], 2, 'names no file or folder'],
  ])('%j is refused', async ([from = '', to = ''], code, sentence) => {
    const outcome = await copy(from, to);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain(sentence);
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('parts', () => {
  test.each([
    ['n:/a/', 'n', '/a', 'a', true],
    ['n:a/b', 'n', '/root/a/b', 'b', false],
    ['n:', 'n', '/root', 'root', true],
    ['n:/', 'n', '/', undefined, true],
    ['n:.', 'n', '/root/.', undefined, true],
    ['./n:a', undefined, '/w/./n:a', 'n:a', false],
    ['/x/n:a', undefined, '/x/n:a', 'n:a', false],
    [':a', undefined, '/w/:a', ':a', false],
    ['..', undefined, '/w/..', undefined, true],
  ])('%j', (word, inNode, path, name, asFolder) => {
    expect(locationOf(word, '/w')).toEqual({ node: inNode, path, name, asFolder, text: word });
  });

  test('the work is done where the result can be renamed to its place', () => {
    const from = locationOf('n:/a', '/w');
    const found = (itself: PathType, inside: PathType = 'missing'): Found => ({
      itself,
      inside,
      parent: 'folder',
    });
    const workshop = (type: PathType, to: string, what: Found) =>
      targetOf(from, type, locationOf(to, '/w'), what).workshop;
    expect(workshop('file', 'b', found('missing'))).toBe('/w');
    expect(workshop('file', 'b', found('folder'))).toBe('/w/b');
    expect(workshop('folder', 'b', found('folder', 'folder'))).toBe('/w/b/a');
    expect(workshop('file', '/b', found('file'))).toBe('/');
  });

  test('only what tar left out is no problem', () => {
    const end = (code: number | null, stderr: string) => problemOf({ code, stdout: '', stderr }, false);
    const last = 'tar: Exiting with failure status due to previous errors\n';
    expect(end(2, `tar: ./x: Cannot mknod: Operation not permitted\n${last}`)).toBeUndefined();
    expect(end(2, `tar: ./x: Cannot mknod: Operation not permitted\ntar: ./y: no\n${last}`)).toBe('y: no');
    expect(end(2, '')).toBe('it ended with exit code 2.');
    expect(end(null, 'tar: ./s: socket ignored\n')).toBe('it ended with a signal.');
  });

  test("names of nodes complete before the colon, files where no node's name begins so", async () => {
    cli.handlers['node.list'] = () => [node('vnode1')];
    const complete = (...words: string[]) =>
      new Promise((resolve) => {
        let text = '';
        const child = spawn(process.execPath, [program, '__complete', '--', 'node', 'cp', ...words], {
          env: cli.env,
        });
        child.stdout.on('data', (data) => (text += String(data)));
        child.on('close', () => resolve(text));
      });
    expect(await complete('v')).toBe('vnode1:\n');
    expect(await complete('a', 'v')).toBe('vnode1:\n');
    expect(await complete('./f')).toBe('');
  });
});
