import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { renameSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { CopyingNode, CopyServer } from '../support/hybrid-copy.ts';
import { generator } from '../support/generator.ts';

const ADDRESS = '127.0.48.1';
const scratch = mkdtempSync(join(tmpdir(), 'hybrid-copy-'));
const server = new CopyServer(scratch, ADDRESS);
const random = generator(7);
let disks = 0;
let node: CopyingNode;
let first: string;
let second: string;

const noise = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random(256)));
const file = (path: string, content: string | Buffer, more: Partial<TarEntry> = {}): TarEntry => ({
  ...{ path, type: 'file', mode: 0o644, mtime: 1_500_000_000 },
  ...{ content: Buffer.from(content) },
  ...more,
});
const folder = (path: string, more: Partial<TarEntry> = {}): TarEntry => ({
  ...{ path, type: 'directory', mode: 0o755, mtime: 1_400_000_000, ...more },
});

const big = noise(300_000);
const shared = [
  folder('./', { mode: 0o751 }),
  folder('usr', { mtime: 1_300_000_000 }),
  folder('usr/bin'),
  { path: 'bin', type: 'symlink', mode: 0o777, target: 'usr/bin' },
  { path: 'absolute', type: 'symlink', mode: 0o777, target: '/usr/bin/../x', uid: 1000, gid: 100 },
  folder('etc'),
  folder('root', { mode: 0o700 }),
  folder('tmp', { mode: 0o1777 }),
  file('usr/bin/su', noise(5000), { mode: 0o4755 }),
  file('usr/bin/owned', 'x', { uid: 1000, gid: 3_000_000, mode: 0o640 }),
  file("usr/bin/odd 'name' -> \\ é", 'odd'),
  file('usr/bin/new\nline', 'newline'),
  file('usr/empty', ''),
  ...Array.from({ length: 30 }, (_, i) => folder(`usr${'/long'.repeat(i + 1)}`)),
  file(`usr${'/long'.repeat(30)}/${'n'.repeat(120)}`, 'long'),
  file('usr/big', big),
  { path: 'usr/same', type: 'hardlink', mode: 0o644, target: 'usr/big' },
  { path: 'null', type: 'char', mode: 0o666, major: 1, minor: 3 },
  { path: 'pipe', type: 'fifo', mode: 0o600 },
  ...Array.from({ length: 300 }, (_, i) => file(`usr/file${i}`, noise(6000))),
] as TarEntry[];
const injected = [
  folder('etc'),
  file('bin/walt-env', 'export walt_server_ip="192.168.152.1"\n'),
  file('etc/hosts', 'injected'),
  file('etc/.wh.hostname', ''),
];
/** Folders before what they hold, as tar writes them: GNU tar gives a folder its time when it leaves it. */
const sorted = (entries: TarEntry[]): TarEntry[] => entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
const images = {
  first: sorted([
    ...shared,
    file('etc/hosts', 'first'),
    file('etc/hostname', 'first'),
    file('usr/only1', noise(9000)),
  ]),
  second: sorted([
    ...shared,
    file('etc/hosts', 'second'),
    file('usr/only2', noise(9000)),
    folder('usr/file7x'),
  ]),
};

/** An image as GNU tar unpacks it. */
function unpacked(name: string): string {
  const target = join(scratch, `expected-${name}`);
  if (existsSync(target)) return target;
  mkdirSync(target);
  execFileSync('tar', ['-xpf', join(scratch, `${name}.tar`), '--numeric-owner', '-C', target]);
  return target;
}
/** The injected files that the image lacks are in a copy, so that WalT can boot it; they change the times of two folders. */
const ADDED = ['usr/bin/walt-env', 'usr/bin'];
const right = (name: string, id: string): void =>
  expect(CopyingNode.describe(node.image(id), ADDED)).toBe(CopyingNode.describe(unpacked(name), ADDED));

beforeAll(async () => {
  await server.start();
  first = await server.add('first', images.first);
  second = await server.add('second', images.second);
});
afterAll(async () => {
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
});

// Owners and devices are root's to make.
describe.skipIf(process.getuid?.() !== 0)('copies of images on disks of nodes', () => {
  beforeEach(async () => {
    node = new CopyingNode(join(scratch, `disk${disks++}`), ADDRESS);
    await server.boot(first, injected);
    server.takeSent();
  });
  test('a first copy has all that the image has, and counts once it was checked', async () => {
    const { status, text } = await node.copy(first);
    expect([status, text]).toEqual([0, expect.stringContaining('*** Copying image to local disk...')]);
    right('first', first);
    expect(execFileSync('cat', [join(node.image(first), 'bin/walt-env')], { encoding: 'utf8' })).toContain(
      'walt_server_ip',
    );
    expect(statSync(join(node.folder, 'injected/etc/hostname')).isCharacterDevice()).toBe(true);
    expect(existsSync(join(node.hybrid, first, 'image.part'))).toBe(false);
    const again = await node.copy(first);
    expect(again).toEqual({ status: 0, text: '' });
  });

  test('a second image that is much like the first moves less than 15 % of the bytes', async () => {
    await node.copy(first);
    const whole = server.takeSent();
    await server.boot(second, injected);
    expect(await node.copy(second)).toMatchObject({ status: 0 });
    expect(server.takeSent() / whole).toBeLessThan(0.15);
    right('second', second);
    right('first', first);
    const [one, other] = [first, second].map((id) => statSync(join(node.image(id), 'usr/big')).ino);
    expect(one).toBe(other);
  });

  test('a copy that was cut off anywhere goes on, and is right', async () => {
    for (let round = 0; round < 5; round++) {
      rmSync(node.hybrid, { recursive: true });
      mkdirSync(node.hybrid);
      for (let cut = 0; cut < 3; cut++) {
        await node.cutAfter(first, random(400));
        // What was not synced may be lost or zero after a power cut.
        const part = join(node.hybrid, first, 'image.part/usr/big');
        if (existsSync(part) && random(2) === 1) truncateSync(part, statSync(part).size >> 1);
      }
      expect(await node.copy(first)).toMatchObject({ status: 0 });
      right('first', first);
    }
  });

  test('what lies there from a part is used, checked, and repaired', async () => {
    await node.copy(first);
    server.takeSent();
    const image = node.image(first);
    rmSync(join(node.hybrid, first, '.verified'));
    writeFileSync(join(image, 'usr/file3'), 'other content');
    execFileSync(
      'sh',
      [
        '-c',
        'stat=$(stat -c %y usr/big); printf x | dd of=usr/big conv=notrunc bs=1 seek=99 2>/dev/null; touch -d "$stat" usr/big; rm usr/file4; chown 5 usr/file5; chmod 700 usr/file6; ln -sfn wrong absolute; rm pipe; mkdir pipe; touch pipe/x; mkdir extra; touch extra/y "new\nextra"',
      ],
      { cwd: image },
    );
    renameSync(join(image, 'usr/file8'), join(image, 'usr/file8-away'));
    const { status, text } = await node.copy(first);
    expect([status, text]).toEqual([0, expect.stringContaining('no record of a check')]);
    right('first', first);
    expect(server.takeSent()).toBeLessThan(450_000);
  });

  test('a copy that WalT made, with its stale injected files, is checked once and kept', async () => {
    const image = node.image(first);
    mkdirSync(join(node.hybrid, first), { recursive: true });
    execFileSync('cp', ['-a', unpacked('first'), image]);
    writeFileSync(join(image, 'etc/hosts'), "WalT's");
    rmSync(join(image, 'etc/hostname'));
    writeFileSync(join(image, 'usr/bin/walt-env'), "WalT's");
    mkdirSync(join(image, 'usr/bin/_walt_internal_'));
    writeFileSync(join(image, 'usr/bin/_walt_internal_/walt-rpc'), "WalT's");
    expect(await node.copy(first)).toMatchObject({ status: 0 });
    expect(server.takeSent()).toBeLessThan(20_000);
    const kept = [...ADDED, 'usr/bin/_walt_internal_', 'usr/bin/_walt_internal_/walt-rpc'];
    expect(CopyingNode.describe(image, kept)).toBe(CopyingNode.describe(unpacked('first'), kept));
    expect(await node.copy(first)).toEqual({ status: 0, text: '' });
  });

  test('a disk that keeps giving back something else ends it with a sentence', async () => {
    // A name that is a mount point of its own cannot be replaced.
    const part = join(node.hybrid, first, 'image.part');
    mkdirSync(join(part, 'usr'), { recursive: true });
    writeFileSync(join(part, 'usr/big'), 'stuck');
    execFileSync('chattr', ['+i', join(part, 'usr/big')]);
    try {
      const { status, text } = await node.copy(first);
      expect([status, text]).toEqual([
        1,
        expect.stringMatching(/>>> The copy of the image (on sda1 is wrong|broke off)/),
      ]);
    } finally {
      execFileSync('chattr', ['-i', join(part, 'usr/big')]);
    }
  });
});

describe('requests for copies', () => {
  async function answer(text: string): Promise<string> {
    const socket = connect(12347, ADDRESS);
    await once(socket, 'connect');
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    let all = '';
    socket.on('data', (chunk) => (all += chunk.toString('latin1')));
    socket.write(text);
    await ended;
    return all;
  }
  const id = 'ab'.repeat(32);

  test.each([
    ['an image that the node does not boot', `${id}\nfull\n\n\nEND\n`],
    ['no image id', '../../etc/passwd\nfull\n\n\nEND\n'],
    ['a copy that is a path', `${id}\nfull\n../x\n\nEND\n`],
    ['too many copies', `${id}\nfull\n${`${id} `.repeat(65)}\n\nEND\n`],
    ['a record that is none', `${id}\nfull\n\nffffffffff 1 2 3 4 5 6 ./x\x01\n\nEND\n`],
  ])('%s: nothing is sent', async (_, request) => {
    expect(await answer(`REQ_BOOTYARD_COPY\n${request}`)).toBe('');
    expect(server.logged.at(-1)).toMatch(/^hybrid boot of 127\.0\.0\.1: /);
  });

  test('a request without end is cut off', async () => {
    const line = `81a4 0 0 1 1 0 0 ./${'x'.repeat(4000)}\x01\n`;
    expect(await answer(`REQ_BOOTYARD_COPY\n${id}\nfull\n\n${line.repeat(13_000)}`)).toBe('');
    expect(server.logged.at(-1)).toContain('longer than 48 MiB');
  });
});
