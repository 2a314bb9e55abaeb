import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { CopyingNode, CopyServer } from '../support/hybrid-copy.ts';
import { generator } from '../support/generator.ts';
import { CAP_CHOWN, setXattr, xattrsIn } from '../support/xattrs.ts';

const ADDRESS = '127.0.48.2';
const scratch = mkdtempSync(join(tmpdir(), 'hybrid-xattrs-'));
const server = new CopyServer(scratch, ADDRESS);
const random = generator(3);
const noise = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random(256)));

const mtime = 1_500_000_000;
const file = (path: string, content: Buffer, more: Partial<TarEntry> = {}): TarEntry => ({
  ...{ path, type: 'file', mode: 0o755, mtime, content, ...more },
});
const ping = noise(20_000);
const tool = noise(30_000);
const long = noise(1500);
const capability = new Map([['security.capability', CAP_CHOWN]]);
const common: TarEntry[] = [
  {
    path: './',
    type: 'directory',
    mode: 0o755,
    mtime,
    xattrs: new Map([['trusted.root', Buffer.from('/')]]),
  },
  { path: 'bin', type: 'directory', mode: 0o755, mtime },
  file('bin/ping', ping, { uid: 5, gid: 6, xattrs: capability }),
  { path: 'bin/ping6', type: 'hardlink', mode: 0o755, target: 'bin/ping' },
  file('bin/long\nname', Buffer.from('x'), { xattrs: new Map([['trusted.long', long]]) }),
  file('bin/plain', noise(100_000)),
  {
    ...{ path: 'dir', type: 'directory', mode: 0o700, mtime },
    xattrs: new Map([
      ['trusted.overlay.opaque', Buffer.from('y')],
      ['security.selinux', Buffer.from('of another machine')],
      ['trusted.own', Buffer.from([0, 10, 255])],
    ]),
  },
  { path: 'link', type: 'symlink', mode: 0o777, target: 'nowhere', xattrs: new Map([['trusted.l', long]]) },
  { path: 'null', type: 'char', mode: 0o666, mtime, major: 1, minor: 3, xattrs: capability },
];
const cap = { 'security.capability': CAP_CHOWN.toString('hex') };
const expected = {
  '.': { 'trusted.root': '2f' },
  './bin/ping': cap,
  './bin/ping6': cap,
  './bin/long\nname': { 'trusted.long': long.toString('hex') },
  './dir': { 'trusted.own': '000aff' },
  './link': { 'trusted.l': long.toString('hex') },
  './null': cap,
};
let disks = 0;
let node: CopyingNode;
let first: string;
let second: string;

beforeAll(async () => {
  await server.start();
  first = await server.add('first', [...common, file('bin/tool', tool)]);
  second = await server.add('second', [...common, file('bin/tool', tool, { xattrs: capability })]);
});
afterAll(async () => {
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
});

// Owners, devices and trusted attributes are root's.
describe.skipIf(process.getuid?.() !== 0)('extended attributes of copies of images', () => {
  beforeEach(async () => {
    node = new CopyingNode(join(scratch, `disk${disks++}`), ADDRESS);
    await server.boot(first, []);
    server.takeSent();
  });
  const copyOf = (id: string): string => node.image(id);
  const verified = (): string => readFileSync(join(node.hybrid, first, '.verified'), 'latin1');

  test('a first copy has those of the image, of every kind of file; a second boot asks for nothing', async () => {
    const { status, text } = await node.copy(first);
    expect([status, text]).toEqual([0, expect.not.stringContaining('Note')]);
    expect(xattrsIn(copyOf(first))).toEqual(expected);
    expect(statSync(join(copyOf(first), 'bin/ping')).uid).toBe(5);
    expect(await node.copy(first)).toEqual({ status: 0, text: '' });
  });

  test('a copy without them, made before they were kept, gets them and nothing else', async () => {
    const { xattrs } = node;
    node.xattrs = '';
    const without = await node.copy(first);
    expect(without).toMatchObject({ status: 0, text: expect.stringContaining('are not copied') as string });
    expect(xattrsIn(copyOf(first))).toEqual({});
    expect((await node.copy(first)).text).toBe('');
    server.takeSent();
    const { ino } = statSync(join(copyOf(first), 'bin/ping'));

    node.xattrs = xattrs;
    const { status, text } = await node.copy(first);
    expect([status, text]).toEqual([0, expect.stringContaining('lacks extended attributes')]);
    expect(xattrsIn(copyOf(first))).toEqual(expected);
    expect(statSync(join(copyOf(first), 'bin/ping')).ino).toBe(ino);
    expect(server.takeSent()).toBeLessThan(20_000);
    expect(await node.copy(first)).toEqual({ status: 0, text: '' });
  });

  test('a copy that WalT made gets them; what is wrong or too much is mended', async () => {
    await node.copy(first);
    server.takeSent();
    const copy = copyOf(first);
    rmSync(join(node.hybrid, first, '.verified'));
    setXattr(join(copy, 'bin/ping'), 'security.capability', undefined);
    setXattr(join(copy, 'bin/plain'), 'trusted.extra', Buffer.from('x'));
    setXattr(join(copy, 'dir'), 'trusted.own', Buffer.from('wrong'));
    setXattr(copy, 'trusted.root', undefined);
    // An attribute that is not the image's matter.
    setXattr(join(copy, 'bin/plain'), 'trusted.overlay.origin', Buffer.from('x'));
    expect(await node.copy(first)).toMatchObject({ status: 0 });
    expect(xattrsIn(copy)).toEqual({ ...expected, './bin/plain': { 'trusted.overlay.origin': '78' } });
    expect(server.takeSent()).toBeLessThan(20_000);
    expect(verified()).toMatch(/^\d+ 1 xattrs\n$/);
  });

  test('another image shares the files that have the same ones, and only these', async () => {
    await node.copy(first);
    await server.boot(second, []);
    server.takeSent();
    expect(await node.copy(second)).toMatchObject({ status: 0 });
    expect(xattrsIn(copyOf(second))).toEqual({ ...expected, './bin/tool': cap });
    expect(xattrsIn(copyOf(first))).toEqual(expected);
    const inode = (id: string, path: string): number => statSync(join(copyOf(id), path)).ino;
    expect(inode(second, 'bin/ping')).toBe(inode(first, 'bin/ping'));
    expect(inode(second, 'bin/tool')).not.toBe(inode(first, 'bin/tool'));
    const sent = server.takeSent();
    expect([sent > tool.length, sent < tool.length + 20_000]).toEqual([true, true]);
  });

  test('one that the file system refuses is a note; the copy counts all the same', async () => {
    // A symbolic link cannot have one of a user.
    const xattrs = new Map([['user.x', Buffer.from('1')], ...capability]);
    const odd = await server.add('odd', [
      ...common,
      { path: 'odd', type: 'symlink', mode: 0o777, target: 'x', xattrs },
    ]);
    await server.boot(odd, []);
    const { status, text } = await node.copy(odd);
    expect(status).toBe(0);
    expect(text).toContain(
      'Note: the extended attribute user.x of odd could not be set: this kind of file cannot have it',
    );
    expect(xattrsIn(copyOf(odd))).toEqual({ ...expected, './odd': cap });
    expect(await node.copy(odd)).toEqual({ status: 0, text: '' });
  });

  test('a copy that was cut off anywhere goes on, and has them in the end', async () => {
    for (let cut = 0; cut < 5; cut++) await node.cutAfter(first, random(400));
    expect(await node.copy(first)).toMatchObject({ status: 0 });
    expect(xattrsIn(copyOf(first))).toEqual(expected);
  });

  test('a copy without the program leaves what is there alone', async () => {
    await node.copy(first);
    rmSync(join(node.hybrid, first, '.verified'));
    node.xattrs = '';
    expect(await node.copy(first)).toMatchObject({ status: 0 });
    // Files with such names are always fetched anew.
    const { './bin/long\nname': _, ...others } = expected;
    expect(xattrsIn(copyOf(first))).toEqual(others);
    expect(verified()).toMatch(/^\d+ 1 \n$/);
  });
});

describe('lists of nodes', () => {
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  const f = `f ${hex('./x')}\n`;
  test.each([
    ['an unknown tag', 'x 00\n'],
    ['no hex', 'f zz\n'],
    ['half a byte', 'f 616\n'],
    ['a name without a file', `n ${hex('user.x')}\n`],
    ['a value without a name', `${f}v 00\n`],
    ['a path with a NUL', 'f 6100\n'],
    ['an attribute of the overlay', `${f}n ${hex('trusted.overlay.redirect')}\n`],
    ['a name that is too long', `${f}n ${hex(`user.${'x'.repeat(255)}`)}\n`],
    ['a value that is too long', `${f}n ${hex('user.x')}\n${`v ${'00'.repeat(4096)}\n`.repeat(17)}`],
    ['a line that is too long', `${f}n ${hex('user.x')}\nv ${'00'.repeat(4097)}\n`],
  ])('%s: nothing is sent', async (_, list) => {
    const socket = connect(12347, ADDRESS);
    await once(socket, 'connect');
    let answer = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (answer += String(chunk)));
    const ended = new Promise((resolve) => socket.once('close', resolve));
    server.logged.splice(0);
    socket.write(`REQ_BOOTYARD_COPY\n${first}\nfull xattrs\n\n\n${list}\nEND\n`);
    await ended;
    expect([answer, server.logged]).toEqual(['', [expect.stringContaining('list of extended attributes')]]);
  });
});
