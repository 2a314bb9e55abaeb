import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { appletsOf } from '../../../backend/boot/lint/applets.ts';
import { elfNeeds } from '../../../backend/boot/initrd-elf.ts';
import { link } from '../images/support.ts';
import { appletsWithout, busybox, bytes, expectCase, type LintCase } from './support.ts';

const PATH = '/bin/busybox';
const put = (content: Buffer, mode = 0o755) => ({ put: [{ ...bytes('bin/busybox', content), mode }] });
// The loader and library of the host, which the image has not: sbin/init is the same file.
const dynamic = readFileSync('/bin/busybox');
const { interpreter = '' } = elfNeeds(dynamic) ?? {};

const cases: LintCase[] = [
  [
    'none',
    {
      remove: ['bin/busybox', 'bin/sh', 'sbin/init'],
      put: [bytes('sbin/init', Buffer.from('x'), { mode: 0o755 }), bytes('bin/sh', Buffer.from('x'))],
    },
    [['busybox.missing', PATH, 'runs all scripts of a boot']],
  ],
  [
    'no program',
    put(busybox(), 0o644),
    [
      ['busybox.missing', PATH, 'is not executable'],
      ['init.missing', '/sbin/init', 'no program'],
    ],
  ],
  [
    'of another processor',
    put(busybox(undefined, 183)),
    [['busybox.architecture', PATH, 'a program for arm64']],
  ],
  ['of 32 bits, which runs', put(busybox(undefined, 3)), []],
  [
    'without what a boot needs',
    put(busybox(appletsWithout('mkfifo', 'setsid'))),
    [['busybox.applets', PATH, 'has no mkfifo, no setsid: the scripts of a boot stop there']],
  ],
  [
    'without what hybrid boot needs',
    put(busybox(appletsWithout('xxd'))),
    [['busybox.applets-more', PATH, 'no xxd']],
  ],
  ['that says nothing', put(busybox(['one', 'two'])), [['busybox.unknown', PATH, 'could not be told']]],
  [
    'behind a link',
    {
      put: [
        link('bin/busybox', '../usr/sbin/busybox'),
        bytes('usr/sbin/busybox', busybox(), { mode: 0o755 }),
      ],
    },
    [],
  ],
];

test.each(cases)('busybox: %s', async (...row) => expectCase(row));

test('a busybox of the host is read as it describes itself', () => {
  const listed = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  expect([...(appletsOf(dynamic) ?? [])]).toEqual(listed);
});

test.skipIf(interpreter === '')('one with libraries needs them, and ldd', async () => {
  const put = [{ ...bytes('bin/busybox', dynamic), mode: 0o755 }];
  await expectCase([
    '',
    { put },
    [
      ['busybox.libraries', PATH, interpreter],
      ['init.loader', interpreter, 'needs the loader'],
    ],
  ]);
  const names = elfNeeds(dynamic)?.libraries ?? [];
  const libraries = [interpreter.slice(1), ...names.map((name) => `lib/${name}`)];
  const withLibraries = [...put, ...libraries.map((path) => bytes(path, Buffer.from('x')))];
  await expectCase(['', { put: withLibraries }, [['busybox.libraries', PATH, 'no ldd']]]);
  await expectCase(['', { put: [...withLibraries, bytes('bin/ldd', Buffer.from('x'))] }, []]);
});

test('words before the table are not of it', () => {
  const applets = appletsOf(busybox(['zcat', 'wc', ...appletsWithout('wc')]));
  expect([applets?.has('xargs'), applets?.has('wc')]).toEqual([true, false]);
});

test('files without a table of applets take no longer for it', () => {
  const size = 8 << 20;
  for (const content of ['a', 'ab\0', 'ba\0ab\0', '\0']) {
    expect(appletsOf(Buffer.alloc(size, content))).toBeUndefined();
  }
});
