import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { beforeEach, describe, expect, test } from 'vitest';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { entryHeader, END_OF_TAR, type TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { program } from '../support/cli.ts';
import { cli, copy, copyHooks, done, gnu, guest, host, startCopy } from '../support/copy.ts';
import { until } from '../support/lab.ts';

const isRoot = process.getuid?.() === 0;
/** A mark in the scripts that send. */
const SENDS = ' -cf - ';
const RECEIVES = ' -xf -';
copyHooks();

describe('a node that is not to be trusted', () => {
  /** The node sends this when it is asked for `what`. */
  function sends(bytes: Buffer): void {
    const evil = join(guest, 'evil.tar');
    writeFileSync(evil, bytes);
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
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
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(SENDS) ? String.raw`printf 'bad\033[2J\n' >&2; exit 2` : command),
    });
    expect(await copy(`vnode1:${guest}/d`, 'here')).toMatchObject({
      code: 1,
      stderr: `Could not read vnode1:${guest}/d: bad [2J\n`,
    });
  });

  test('answers that make no sense', async () => {
    cli.handlers['node.shellCommand'] = () => ({ argv: ['yes'] });
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
    cli.handlers['node.shellCommand'] = () => ({ argv: gnu('echo Connection refused >&2; exit 255') });
    const unreachable = { code: 1, stdout: '', stderr: 'Could not reach this node. Try again later.\n' };
    expect(await copy('d', 'vnode1:/tmp')).toEqual(unreachable);
    expect(await copy('vnode1:/tmp/x', '.')).toEqual(unreachable);
  });

  test.each([
    ['on the way here', SENDS, () => [`vnode1:${guest}/d`, 'new'], () => join(host, 'new')],
    ['on the way there', RECEIVES, () => ['d', `vnode1:${guest}/new`], () => join(guest, 'new')],
  ])('the connection breaks %s', async (_, mark, words, target) => {
    // At the border between two members tar itself does not notice.
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
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
    const pid = join(cli.folder, 'pid');
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
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
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
      argv: gnu(command.includes(SENDS) ? `${command}\nexec cat /dev/zero` : command),
    });
    const args = [program, 'node', 'cp', `vnode1:${guest}/d`, 'new'];
    const pty = spawnPty(process.execPath, args, { env: cli.env, cwd: host, cols: 200, rows: 50 });
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
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
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
    cli.handlers['node.shellCommand'] = ({ command = '' }) => ({
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
