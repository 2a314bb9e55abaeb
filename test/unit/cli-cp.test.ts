import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ApiServer, type ServedHandlers } from '../../backend/api/server.ts';
import { locationOf, targetOf, type Found, type PathType } from '../../backend/api/copy/paths.ts';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { problemOf } from '../../backend/api/copy/words.ts';
import { entryHeader, END_OF_TAR, type TarEntry } from '../../backend/images/tar-writer.ts';
import { labPaths } from '../../backend/state/paths.ts';
import { basicHandlers, LAB, node } from '../support/api-lab.ts';
import { until } from '../support/lab.ts';

const program = join(import.meta.dirname, '../../backend/cli/main.ts');
const isRoot = process.getuid?.() === 0;
/** A mark in the scripts that send. */
const SENDS = ' -cf - ';
const RECEIVES = ' -xf -';

let folder: string;
let env: Record<string, string>;
let server: ApiServer;
let handlers: Partial<ServedHandlers>;
/** for the paths of this host, and of the node, which is this host under another name */
let host: string;
let guest: string;

beforeAll(async () => {
  folder = mkdtempSync('/tmp/bootyard-cp-');
  env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    BOOTYARD_HOME: join(folder, 'home'),
    XDG_RUNTIME_DIR: folder,
  };
  mkdirSync(join(folder, 'busybox'));
  execFileSync('busybox', ['--install', '-s', join(folder, 'busybox')]);
  const paths = labPaths(env);
  mkdirSync(paths.run, { recursive: true });
  const chosen = new Proxy(basicHandlers, {
    get: (basic, name: keyof ServedHandlers) => handlers[name] ?? basic[name],
  });
  server = new ApiServer({
    socketPath: paths.daemonSocket,
    handlers: chosen,
    snapshot: () => ({ nodes: [], images: [], lab: LAB }),
    version: '1.2.3',
    log: () => {},
  });
  await server.start();
});
afterAll(async () => {
  await server.close();
  execFileSync('chmod', ['-R', 'u+rwX', folder]);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  host = mkdtempSync(join(folder, 'host-'));
  guest = mkdtempSync(join(folder, 'guest-'));
  handlers = { 'node.list': booted, 'node.shellCommand': ({ command = '' }) => ({ argv: gnu(command) }) };
});
afterEach(() => {
  // Whatever a test did, nothing of the work is left beside what was copied.
  const left = [host, guest].flatMap((place) => readdirSync(place, { recursive: true, encoding: 'latin1' }));
  const work = left.find((path) => path.includes('.bootyard-cp-'));
  if (work !== undefined) throw new Error(`left behind: ${work}`);
});

const booted: ServedHandlers['node.list'] = (params) =>
  (params.nodes ?? [])
    .flatMap((set) => set.split(','))
    .map((name) => ({ ...node(name), state: 'booted' as const }));
const gnu = (command: string) => ['sh', '-c', command];
const busybox = (command: string) => [
  'env',
  `PATH=${join(folder, 'busybox')}`,
  join(folder, 'busybox/sh'),
  '-c',
  command,
];

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}
function startCopy(from: string, to: string) {
  const child = spawn(process.execPath, [program, 'node', 'cp', '--', from, to], { env, cwd: host });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (outcome.stdout += String(data)));
  child.stderr.on('data', (data) => (outcome.stderr += String(data)));
  const ended = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ ...outcome, code })));
  return { child, ended };
}
const copy = (from: string, to: string): Promise<Outcome> => startCopy(from, to).ended;
const done: Outcome = { code: 0, stdout: '', stderr: '' };

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
    handlers['node.shellCommand'] = ({ command = '' }) => ({ argv: choose()(command) });
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

describe('a node that is not to be trusted', () => {
  /** The node sends this when it is asked for `what`. */
  function sends(bytes: Buffer): void {
    const evil = join(guest, 'evil.tar');
    writeFileSync(evil, bytes);
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(SENDS) ? `cat ${quoted(evil)}` : command),
    });
  }
  function tarOf(...entries: (Partial<TarEntry> & { path: string })[]): Buffer {
    const headers = entries.map((entry) => entryHeader({ ...plain, ...entry }, 0));
    return Buffer.concat([...headers, END_OF_TAR]);
  }
  const plain = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0 } as const;

  beforeEach(() => {
    mkdirSync(join(guest, 'd'));
    writeFileSync(join(guest, 'f'), 'x');
    mkdirSync(join(host, 'here'));
  });

  test.each([
    ['names above', [{ path: '../escaped' }]],
    ['names above, deep', [{ path: './a', type: 'directory' as const }, { path: './a/../../../escaped' }]],
    [
      'a link and a file behind it',
      [{ path: './l', type: 'symlink' as const, target: '../..' }, { path: './l/escaped' }],
    ],
    [
      'a hard link to a file outside',
      [{ path: './h', type: 'hardlink' as const, target: '../../../secret' }],
    ],
  ])('%s do not get out', async (_, entries) => {
    writeFileSync(join(host, 'secret'), 'x');
    sends(tarOf(...entries));
    const { code, stderr } = await copy(`vnode1:${guest}/d`, 'here');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Could not write here: /);
    expect(readdirSync(host, { recursive: true }).toSorted()).toEqual(['here', 'secret']);
    expect(statSync(join(host, 'secret')).nlink).toBe(1);
  });

  test('absolute names are below the destination', async () => {
    sends(tarOf({ path: `${host}/absolute` }));
    await copy(`vnode1:${guest}/d`, 'here');
    expect(existsSync(join(host, 'absolute'))).toBe(false);
  });

  test('a link that the destination has is not a way out', async () => {
    mkdirSync(join(host, 'private'));
    symlinkSync('../private', join(host, 'here/l'));
    sends(tarOf({ path: './l', type: 'directory', mode: 0o755 }, { path: './l/escaped' }));
    const { code, stderr } = await copy(`vnode1:${guest}/d/.`, 'here');
    expect(code).toBe(1);
    expect(stderr).toContain('Overwriting regular file');
    expect(readdirSync(join(host, 'private'))).toEqual([]);
  });

  test.each([
    ['another file', [{ path: './other' }]],
    ['one more', [{ path: './f' }, { path: './other' }]],
    ['a folder', [{ path: './f', type: 'directory' as const }]],
    ['nothing', []],
  ])('%s instead of a file is refused', async (_, entries) => {
    sends(tarOf(...entries));
    expect(await copy(`vnode1:${guest}/f`, 'here')).toMatchObject({
      code: 1,
      stderr: `The node sent something else than vnode1:${guest}/f.\n`,
    });
    expect(readdirSync(join(host, 'here'))).toEqual([]);
  });

  test('set-user-ID bits are not given to programs here', async () => {
    chmodSync(join(guest, 'f'), 0o6755);
    expect(await copy(`vnode1:${guest}/f`, 'here')).toEqual(done);
    expect(statSync(join(host, 'here/f')).mode & 0o7777).toBe(0o755);
  });

  test.skipIf(!isRoot)('device files are left out, and it says so', async () => {
    execFileSync('mknod', [join(guest, 'd/null'), 'c', '1', '3']);
    writeFileSync(join(guest, 'd/f'), '');
    expect(await copy(`vnode1:${guest}/d`, 'here')).toMatchObject({
      code: 0,
      stderr: 'Device files of the node are not made on this host: 1 left out.\n',
    });
    expect(readdirSync(join(host, 'here/d'))).toEqual(['f']);
  });

  test('its words do not reach the terminal as they are', async () => {
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(SENDS) ? String.raw`printf 'bad\033[2J\n' >&2; exit 2` : command),
    });
    expect(await copy(`vnode1:${guest}/d`, 'here')).toMatchObject({
      code: 1,
      stderr: `Could not read vnode1:${guest}/d: bad [2J\n`,
    });
  });

  test('answers that make no sense', async () => {
    handlers['node.shellCommand'] = () => ({ argv: ['yes'] });
    expect(await copy(`vnode1:/x`, 'here').catch(() => undefined)).toMatchObject({ code: 1 });
  });
});

describe('breaks', () => {
  beforeEach(() => {
    mkdirSync(join(host, 'd'));
    writeFileSync(join(host, 'd/f'), 'x');
    mkdirSync(join(guest, 'd'));
    writeFileSync(join(guest, 'd/f'), 'x');
  });

  test('a node that cannot be reached', async () => {
    handlers['node.shellCommand'] = () => ({ argv: gnu('echo Connection refused >&2; exit 255') });
    const unreachable = { code: 1, stdout: '', stderr: 'Could not reach this node. Try again later.\n' };
    expect(await copy('d', 'vnode1:/tmp')).toEqual(unreachable);
    expect(await copy('vnode1:/tmp/x', '.')).toEqual(unreachable);
  });

  test.each([
    ['on the way here', SENDS, () => [`vnode1:${guest}/d`, 'new'], () => join(host, 'new')],
    ['on the way there', RECEIVES, () => ['d', `vnode1:${guest}/new`], () => join(guest, 'new')],
  ])('the connection breaks %s', async (_, mark, words, target) => {
    // At the border between two members tar itself does not notice.
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(mark) ? `(${command}\n) | head -c 512; exit 255` : command),
    });
    const [from = '', to = ''] = words();
    expect(await copy(from, to)).toMatchObject({
      code: 1,
      stderr: 'Could not reach this node. Try again later.\n',
    });
    expect(existsSync(target())).toBe(false);
  });

  test.each([
    ['SIGINT', 'here', SENDS, () => [`vnode1:${guest}/d`, 'new'], () => [host, 'new']],
    ['SIGINT', 'there', RECEIVES, () => ['d', `vnode1:${guest}/new`], () => [guest, 'new']],
    ['SIGTERM', 'there', RECEIVES, () => ['d', `vnode1:${guest}/new`], () => [guest, 'new']],
    ['SIGHUP', 'here', SENDS, () => [`vnode1:${guest}/d`, 'new'], () => [host, 'new']],
  ] as const)('%s while bytes go %s', async (signal, _, mark, words, place) => {
    const pid = join(folder, 'pid');
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(mark) ? `${command}\necho $$ >${pid}; sleep 1000` : command),
    });
    const [from = '', to = ''] = words();
    const { child, ended } = startCopy(from, to);
    const process = await until(
      'the transfer',
      () => (existsSync(pid) ? readFileSync(pid, 'utf8').trim() : ''),
      (text) => text !== '',
    );
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 130, stdout: '' });
    const [where = '', name = ''] = place();
    expect(readdirSync(where)).not.toContain(name);
    expect(existsSync(`/proc/${process}`)).toBe(false);
    rmSync(pid);
  });

  test('progress on a terminal, where ctrl-C ends a node that sends without end', async () => {
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(SENDS) ? `${command}\nexec cat /dev/zero` : command),
    });
    const args = [program, 'node', 'cp', `vnode1:${guest}/d`, 'new'];
    const pty = spawnPty(process.execPath, args, { env, cwd: host, cols: 200, rows: 50 });
    let text = '';
    pty.onData((data) => (text += data));
    const exit = new Promise((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    await until(
      'progress',
      () => text,
      (shown) => /Copying: [\d.]+ [kMG]B, [\d.]+ [kMG]B\/s/.test(shown),
    );
    pty.write('\u0003');
    expect(await exit).toBe(130);
    expect(readdirSync(host)).toEqual(['d']);
  });

  test('a sender that cannot read all copies nothing', async () => {
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(
        command.includes(SENDS)
          ? `${command}\necho 'tar: ./g: Cannot open: Permission denied' >&2; exit 2`
          : command,
      ),
    });
    expect(await copy(`vnode1:${guest}/d`, 'new')).toMatchObject({
      code: 1,
      stderr: `Could not read vnode1:${guest}/d: g: Cannot open: Permission denied\n`,
    });
    expect(existsSync(join(host, 'new'))).toBe(false);
  });

  test('a receiver that cannot write says why', async () => {
    handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(
        command.includes(RECEIVES)
          ? "echo 'tar: ./f: Cannot write: No space left on device' >&2; exit 2"
          : command,
      ),
    });
    truncateSync(join(host, 'd/f'), 10_000_000);
    expect((await copy('d', `vnode1:${guest}/new`)).stderr).toBe(
      `Could not write vnode1:${guest}/new: f: Cannot write: No space left on device\n`,
    );
  });

  test('sockets are left out, and it says so', async () => {
    const listen = 'require("net").createServer().listen("d/s", () => process.kill(process.pid, "SIGKILL"))';
    spawn(process.execPath, ['-e', listen], { cwd: host });
    await until(
      'the socket',
      () => existsSync(join(host, 'd/s')),
      (is) => is,
    );
    expect(await copy('d', `vnode1:${guest}/new`)).toMatchObject({
      code: 0,
      stderr: 'Warning: s: socket ignored\n',
    });
    expect(readdirSync(join(guest, 'new'))).toEqual(['f']);
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
    handlers['node.list'] = () => [node('vnode1')];
    const complete = (...words: string[]) =>
      new Promise((resolve) => {
        let text = '';
        const child = spawn(process.execPath, [program, '__complete', '--', 'node', 'cp', ...words], { env });
        child.stdout.on('data', (data) => (text += String(data)));
        child.on('close', () => resolve(text));
      });
    expect(await complete('v')).toBe('vnode1:\n');
    expect(await complete('a', 'v')).toBe('vnode1:\n');
    expect(await complete('./f')).toBe('');
  });
});
