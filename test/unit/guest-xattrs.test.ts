import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { guestFolder } from '../../backend/guest/injected.ts';
import { generator } from '../support/generator.ts';
import { CAP_CHOWN, setXattr, xattrsIn } from '../support/xattrs.ts';

const source = join(guestFolder(), 'xattrs');
const scratch = mkdtempSync(join(tmpdir(), 'by-xattrs-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const compile = (architecture: string): string => {
  const program = join(scratch, `compiled-${architecture}`);
  execFileSync(join(source, 'build'), [architecture, program], { stdio: 'pipe' });
  return program;
};
const kept = (architecture: string): string => join(source, `walt-xattrs-${architecture}`);
/** What the programs that are kept were compiled with. */
const COMPILER = /\(Debian 12\.2\.0-/;

describe.each([
  ['amd64', 'x86_64'],
  ['arm64', 'aarch64'],
])('walt-xattrs for %s', (architecture, machine) => {
  const compiler = spawnSync(`${machine}-linux-gnu-gcc`, ['--version'], { encoding: 'utf8' });
  test.skipIf(!COMPILER.test(compiler.stdout))('what is kept was compiled from its source', () => {
    expect(readFileSync(kept(architecture)).equals(readFileSync(compile(architecture)))).toBe(true);
  });
  test('is small and needs no library', () => {
    expect(readFileSync(kept(architecture)).length).toBeLessThan(8192);
    expect(execFileSync('file', [kept(architecture)], { encoding: 'utf8' })).toContain('statically linked');
  });
});

// Trusted attributes are root's, and of user ones not every temporary folder has any.
describe.skipIf(process.getuid?.() !== 0)('walt-xattrs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(scratch, 'files-'));
  });
  const run = (verb: string, input: string | Buffer) => {
    const ended = spawnSync(kept('amd64'), verb === '' ? [] : [verb], { cwd: folder, input });
    return [ended.status, ended.stdout.toString('latin1'), ended.stderr.toString('latin1')] as const;
  };
  const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
  const f = (path: string): string => `f ${hex(path)}\n`;
  const n = (name: string): string => `n ${hex(name)}\n`;
  const listAll = (): string => {
    const paths = execFileSync('find', ['.', '-print0'], { cwd: folder });
    const [status, list, errors] = run('list', paths);
    expect([status, errors]).toEqual([0, '']);
    return list;
  };

  test('lists attributes of every kind of file, names and values of any bytes', () => {
    mkdirSync(join(folder, 'dir'));
    writeFileSync(join(folder, 'new\nline'), '');
    writeFileSync(join(folder, 'plain'), '');
    symlinkSync('nowhere', join(folder, 'link'));
    setXattr(join(folder, 'new\nline'), 'security.capability', CAP_CHOWN);
    setXattr(join(folder, 'new\nline'), 'trusted.empty', Buffer.alloc(0));
    setXattr(join(folder, 'link'), 'trusted.a=b\n', Buffer.from('00ff0a', 'hex'));
    setXattr(join(folder, 'dir'), 'trusted.overlay.opaque', Buffer.from('y'));
    expect(
      listAll()
        .split(/^(?=f )/m)
        .sort(),
    ).toEqual([
      `${f('./link')}${n('trusted.a=b\n')}v 00ff0a\n`,
      `${f('./new\nline')}${n('security.capability')}v ${CAP_CHOWN.toString('hex')}\n${n('trusted.empty')}`,
    ]);
    expect(run('list', 'gone\0')).toEqual([0, '', '']);
  });

  test('sets what it has listed, and nothing else stays', () => {
    const random = generator(11);
    const lists: string[] = [];
    for (let i = 0; i < 20; i++) {
      const path = join(folder, `file ${i}`);
      writeFileSync(path, '');
      for (let k = random(4); k > 0; k--)
        setXattr(path, `trusted.n${k}`, Buffer.from(Array.from({ length: random(300) }, () => random(256))));
    }
    setXattr(join(folder, 'file 3'), 'trusted.overlay.origin', Buffer.from('kept'));
    const before = xattrsIn(folder);
    lists.push(listAll());
    for (let i = 0; i < 20; i++) setXattr(join(folder, `file ${i}`), 'trusted.other', Buffer.from('x'));
    const every = Array.from({ length: 20 }, (_, i) => f(`./file ${i}`)).join('');
    expect(run('set', every + lists.join(''))).toEqual([0, '', '']);
    expect(xattrsIn(folder)).toEqual(before);
  });

  test('what cannot be set is said and handed back; the rest is set', () => {
    symlinkSync('x', join(folder, 'link'));
    writeFileSync(join(folder, 'file'), '');
    const bad = `${f('link')}${n('user.x')}v 31\n${n('user.y')}`;
    const many = Array.from({ length: 30 }, (_, i) => f(`gone${i}`) + n('trusted.x')).join('');
    const [status, list, errors] = run('set', `${bad}${f('file')}${n('trusted.x')}v 32\n${many}`);
    expect([status, list]).toEqual([1, bad + many]);
    expect(errors.split('\n')[0]).toBe(
      'Note: the extended attribute user.x of link could not be set: this kind of file cannot have it',
    );
    expect(errors).toMatch(/Note: the same goes for 22 others\.\n$/);
    expect(xattrsIn(folder)).toEqual({ './file': { 'trusted.x': '32' } });
  });

  test('a value of 64 KiB in pieces, where the file system has room for it', () => {
    writeFileSync(join(folder, 'file'), '');
    const pieces = `v ${'5a'.repeat(4096)}\n`.repeat(16);
    const [status, , errors] = run('set', f('file') + n('trusted.big') + pieces);
    if (status === 1) expect(errors).toContain('the file system has no room for it');
    else expect(listAll()).toBe(f('./file') + n('trusted.big') + pieces);
    expect(run('set', `${f('file') + n('trusted.big') + pieces}v 00\n`)[0]).toBe(2);
  });

  test.each([
    ['no verb', '', '', 'use: '],
    ['another verb', 'lists', '', 'use: '],
    ['a path without its end', 'list', 'x', 'no end'],
    ['a path that is too long', 'list', `${'x'.repeat(4096)}\0`, 'longer than 4095'],
    ['a line without its end', 'set', 'f 61', 'no end'],
    ['no hex', 'set', 'f 6x\n', 'not in hex'],
    ['half a byte', 'set', 'f 616\n', 'not in hex'],
    ['an unknown tag', 'set', 'x 61\n', 'not as it should be'],
    ['a name without a file', 'set', n('user.x'), 'before its file'],
    ['a value without a name', 'set', `${f('a')}v 00\n`, 'before its name'],
    ['a name that is too long', 'set', f('a') + n(`user.${'x'.repeat(251)}`), 'longer than it may be'],
    ['a path with a NUL', 'set', f('a\0b'), 'has a NUL'],
    ['an empty path', 'set', f(''), 'empty'],
    ['a line without end', 'set', 'f '.padEnd(20_000, '61'), 'longer than it may be'],
    [
      'an attribute of the overlay',
      'set',
      `${f('a') + n('trusted.overlay.redirect')}v 2f\n`,
      'none that may',
    ],
    ['an attribute of SELinux', 'set', `${f('a') + n('security.selinux')}v 2f\n`, 'none that may'],
    ['one that is no attribute of a file', 'set', `${f('a') + n('system.x')}v 2f\n`, 'none that may'],
  ])('%s is refused', (_, verb, input, why) => {
    writeFileSync(join(folder, 'a'), '');
    const [status, , errors] = run(verb, input);
    expect([status, errors]).toEqual([2, expect.stringContaining(why)]);
    expect(xattrsIn(folder)).toEqual({});
  });

  test('noise never does more than be refused', () => {
    const random = generator(5);
    chmodSync(folder, 0o755);
    for (let i = 0; i < 200; i++) {
      const alphabet = 'fnv  \n0123456789abcdef';
      const noise = Array.from({ length: random(60) }, () => alphabet[random(alphabet.length)]).join('');
      expect([0, 1, 2]).toContain(run('set', noise)[0]);
    }
  });
});
