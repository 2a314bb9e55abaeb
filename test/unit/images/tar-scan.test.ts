import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { scanTarSync } from '../../../backend/images/tar/tar-scan.ts';
import { entryHeader } from '../../../backend/images/tar/tar-writer.ts';
import {
  file,
  folder,
  hardlink,
  isRoot,
  link,
  listFolder,
  listTree,
  run,
  tarOf,
  testFolder,
  treeOf,
} from './support.ts';

// Makes archives with Python's tarfile, an implementation that has nothing to do with ours.
const MAKE_TAR = `
import tarfile, io, sys
formats = {'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT, 'ustar': tarfile.USTAR_FORMAT}
out = tarfile.open(sys.argv[2], 'w', format=formats[sys.argv[1]], encoding='latin1' if sys.argv[1] != 'pax' else 'utf8')
def add(name, type=tarfile.REGTYPE, data=b'', **fields):
    entry = tarfile.TarInfo(name)
    entry.type = type
    entry.size = len(data)
    entry.mtime = 1700000000
    for key, value in fields.items(): setattr(entry, key, value)
    out.addfile(entry, io.BytesIO(data))
add('dir', tarfile.DIRTYPE, mode=0o1777, uid=5, gid=6)
add('dir/plain', data=b'content', mode=0o4755, uid=1000, gid=1001)
add('dir/empty')
add('dir/records', data=b'x' * 1024)
add('link', tarfile.SYMTYPE, linkname='dir/plain')
add('hard', tarfile.LNKTYPE, linkname='dir/plain', mode=0o4755, uid=1000, gid=1001)
add('null', tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
add('disk', tarfile.BLKTYPE, devmajor=254, devminor=70000)
add('pipe', tarfile.FIFOTYPE)
add('d/' * 30 + 'deep', data=b'deep')
if sys.argv[1] != 'ustar':
    add('n' * 200, data=b'long name')
    add('l', tarfile.SYMTYPE, linkname='t' * 300)
    add('big-owner', data=b'o', uid=3000000000, gid=2097152)
    add('p/' * 200 + 'end', data=b'long path')
    add('p/h', tarfile.LNKTYPE, linkname='p/' * 200 + 'end')
    add('caf\\xe9', data=b'name that is not ASCII')
out.close()
`;

describe.each(['gnu', 'pax', 'ustar'])('a tar in %s format', (format) => {
  const make = (): { path: string; home: string } => {
    const home = testFolder();
    const path = join(home, 'made.tar');
    run('python3', ['-c', MAKE_TAR, format, path]);
    return { path, home };
  };

  test('gives what was put in', () => {
    const tree = treeOf([readFileSync(make().path)]);
    const list = listTree(tree);
    expect(list['/dir']).toBe('directory 1777 5:6 - - - - 1700000000 -');
    expect(list['/dir/plain']).toMatch(/^file 4755 1000:1001 2 - 7:/);
    expect(list['/hard']).toBe(`${(list['/dir/plain'] ?? '').slice(0, -1)}= /dir/plain`);
    expect(list['/link']).toBe('symlink - 0:0 1 - - dir/plain 1700000000 -');
    expect(list['/null']).toBe('char 666 0:0 1 1,3 - - 1700000000 -');
    expect(list['/disk']).toBe('block 644 0:0 1 254,70000 - - 1700000000 -');
    expect(list['/pipe']).toBe('fifo 644 0:0 1 - - - 1700000000 -');
    expect(tree.readFile(tree.lookupPath('d/'.repeat(30) + 'deep')).toString()).toBe('deep');
    if (format === 'ustar') return;
    expect(tree.readFile(tree.lookupPath('n'.repeat(200))).toString()).toBe('long name');
    expect(Buffer.from(tree.linkTarget(tree.lookupPath('l', { follow: false }))).toString()).toBe(
      't'.repeat(300),
    );
    expect(list['/big-owner']).toMatch(/^file 644 3000000000:2097152 /);
    expect(tree.readFile(tree.lookupPath('p/h')).toString()).toBe('long path');
    const name = Buffer.from('café', format === 'pax' ? 'utf8' : 'latin1');
    expect(tree.readFile(tree.lookupPath(name)).toString()).toBe('name that is not ASCII');
  });

  test.runIf(isRoot)('equals what tar unpacks', () => {
    const { path, home } = make();
    mkdirSync(join(home, 'out'));
    run('tar', ['--numeric-owner', '--same-owner', '-p', '-C', join(home, 'out'), '-xf', path]);
    const ours = listTree(treeOf([readFileSync(path)]));
    const theirs = listFolder(join(home, 'out'));
    for (const list of [ours, theirs]) {
      // Directories that the tar does not name get the time of unpacking.
      delete list['/'];
      for (const name of Object.keys(list)) if (/^\/[dp](\/[dp])*$/.test(name)) delete list[name];
    }
    expect(ours).toEqual(theirs);
  });
});

describe('sparse files', () => {
  const formats: Record<string, string[]> = {
    'old GNU': ['--format=gnu'],
    'pax 0.0': ['--format=posix', '--sparse-version=0.0'],
    'pax 0.1': ['--format=posix', '--sparse-version=0.1'],
    'pax 1.0': ['--format=posix', '--sparse-version=1.0'],
  };
  // A hole first, many pieces (more than one record of a map), an odd end, and a file that is one hole.
  const MAKE_FILES = `
import sys, os
with open(sys.argv[1] + '/many', 'wb') as f:
    for n in range(150):
        f.seek(n * 65536 + 8192); f.write(bytes([n + 1]) * 5000)
    f.truncate(150 * 65536 + 77)
with open(sys.argv[1] + '/hole', 'wb') as f: f.truncate(3000000)
with open(sys.argv[1] + '/end', 'wb') as f: f.seek(1000000); f.write(b'end')
with open(sys.argv[1] + '/dense', 'wb') as f: f.write(b'dense' * 1000)
`;
  test.each(Object.entries(formats))('%s: holes read as zeros', (_name, options) => {
    const home = testFolder();
    mkdirSync(join(home, 'in'));
    run('python3', ['-c', MAKE_FILES, join(home, 'in')]);
    run('tar', ['--sparse', ...options, '-C', join(home, 'in'), '-cf', join(home, 't.tar'), '.']);
    const tar = readFileSync(join(home, 't.tar'));
    expect(tar.length).toBeLessThan(3_000_000);
    const tree = treeOf([tar]);
    for (const name of ['many', 'hole', 'end', 'dense']) {
      const expected = readFileSync(join(home, 'in', name));
      const inode = tree.lookupPath(name);
      expect(tree.stat(inode).size).toBe(expected.length);
      expect(tree.readFile(inode).equals(expected)).toBe(true);
    }
    expect([...tree.children(1)].map(({ name }) => name.toString())).toEqual([
      'dense',
      'end',
      'hole',
      'many',
    ]);
    const part = Buffer.alloc(100_000, 0xff);
    const many = tree.lookupPath('many');
    expect(tree.read(many, 60_000, part, 10, 80_000)).toBe(80_000);
    expect(
      part.subarray(10, 80_010).equals(readFileSync(join(home, 'in/many')).subarray(60_000, 140_000)),
    ).toBe(true);
    expect([part[9], part[80_010]]).toEqual([0xff, 0xff]);
    expect(tree.read(many, 150 * 65536, part, 0, 1000)).toBe(77);
  });

  test('cold reads give the same, and make the range warm', async () => {
    const home = testFolder();
    run('python3', ['-c', MAKE_FILES, home]);
    run('tar', ['--sparse', '-C', home, '-cf', join(home, 't.tar'), 'many', 'hole']);
    const tree = treeOf([readFileSync(join(home, 't.tar'))]);
    const many = tree.lookupPath('many');
    expect(tree.isWarm(many, 0, 8192)).toBe(true);
    expect(tree.isWarm(many, 8192, 100)).toBe(false);
    expect(tree.isWarm(tree.lookupPath('hole'), 0, 100_000)).toBe(true);
    const source = tree.source(many);
    expect(source.isWarm?.(8192, 100)).toBe(false);
    const part = Buffer.alloc(100, 0xff);
    expect(await source.readLater?.(part, 8192)).toBe(100);
    expect(part.equals(readFileSync(join(home, 'many')).subarray(8192, 8292))).toBe(true);
    const whole = Buffer.alloc(tree.stat(many).size, 0xff);
    expect(await tree.readCold(many, 0, whole, 0, whole.length)).toBe(whole.length);
    expect(whole.equals(readFileSync(join(home, 'many')))).toBe(true);
    expect(tree.isWarm(many, 0, whole.length)).toBe(true);
  });
});

test('extended attributes are kept', () => {
  const xattrs = new Map([
    ['security.capability', Buffer.from([1, 0, 0, 2, 10, 61, 0])],
    ['user.empty', Buffer.alloc(0)],
  ]);
  const tree = treeOf([[file('ping', 'x', { xattrs }), file('plain')]]);
  expect(tree.xattrs(tree.lookupPath('ping'))).toEqual(xattrs);
  expect(tree.xattrs(tree.lookupPath('plain')).size).toBe(0);
});

test('names and values of any bytes are kept, and a later layer decides', () => {
  const value = Buffer.from([0, 10, 61, 255]);
  const odd = new Map([['user.a=b%3D\n\xe9', value]]);
  const tree = treeOf([
    [file('x', 'x', { xattrs: odd }), file('y', 'y', { xattrs: odd }), hardlink('z', 'x')],
    [file('y', 'y')],
  ]);
  expect(tree.xattrs(tree.lookupPath('x'))).toEqual(odd);
  expect(tree.xattrs(tree.lookupPath('z'))).toEqual(odd);
  expect(tree.xattrs(tree.lookupPath('y')).size).toBe(0);
});

test('many files with attributes: each has its own', () => {
  const numbers = Array.from({ length: 50 }, (_, i) => i);
  const entries = numbers.map((i) => {
    const xattrs = new Map([['user.n', Buffer.from(String(i))]]);
    return file(`f${i}`, '', i % 3 === 0 ? {} : { xattrs });
  });
  const tree = treeOf([entries]);
  const found = numbers.map((i) =>
    tree
      .xattrs(tree.lookupPath(`f${i}`))
      .get('user.n')
      ?.toString(),
  );
  expect(found).toEqual(numbers.map((i) => (i % 3 === 0 ? undefined : String(i))));
});

test.each([
  ['a value of more than 64 KiB', [['user.x', Buffer.alloc(65537)]], 'larger than Linux allows'],
  [
    'a name of more than 255 bytes',
    [[`user.${'x'.repeat(251)}`, Buffer.alloc(1)]],
    'larger than Linux allows',
  ],
  ['no name', [['', Buffer.alloc(1)]], 'has no name'],
  [
    'too many names',
    Array.from({ length: 300 }, (_, i): [string, Buffer] => [`user.${i}${'x'.repeat(220)}`, Buffer.alloc(1)]),
    'more extended attributes than Linux allows',
  ],
] as [string, [string, Buffer][], string][])('an extended attribute with %s is refused', (_, xattrs, why) => {
  expect(() => treeOf([[file('x', '', { xattrs: new Map(xattrs) })]])).toThrow(why);
});

test('times before 1970 and with fractions', () => {
  const tree = treeOf([[file('old', '', { mtime: -1.5 }), file('exact', '', { mtime: 1700000000.25 })]]);
  expect(tree.stat(tree.lookupPath('old')).mtimeMs).toBeGreaterThanOrEqual(0);
  expect(tree.stat(tree.lookupPath('exact')).mtimeMs).toBe(1700000000250);
});

/** A sound header with one change that keeps its checksum right. */
function changed(header: Buffer, at: number, bytes: string): Buffer {
  const copy = Buffer.from(header);
  copy.write(bytes, at, 'latin1');
  copy.fill(' ', 148, 156);
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}
const END = Buffer.alloc(1024);
const header = (path: string, size = 0): Buffer => entryHeader(file(path), size);

/** A pax header with a record as it stands. */
function paxHeader(record: string): Buffer {
  const data = Buffer.alloc(Math.ceil(record.length / 512) * 512);
  data.write(record, 'latin1');
  return Buffer.concat([changed(header('pax', record.length), 156, 'x'), data]);
}
const sized = (record: string): string => `${String(record.length + 4).padStart(2, '0')} ${record}\n`;

describe('a hostile tar is refused with a sentence', () => {
  const tarball = tarOf([folder('etc'), file('etc/passwd', 'x'.repeat(3000)), file('last', 'y')]);
  const cases: Record<string, [Buffer, RegExp]> = {
    'cut off in a header': [tarball.subarray(0, 700), /cut off/],
    'cut off in data': [tarball.subarray(0, 2000), /larger than the archive/],
    'cut off between entries': [tarball.subarray(0, 512), /without its end mark/],
    'wrong checksum': [Buffer.concat([Buffer.from(tarball).fill('z', 0, 1), END]), /checksum/],
    'size beyond the end': [Buffer.concat([header('f', 10_000_000), END]), /larger than the archive/],
    'negative size': [Buffer.concat([changed(header('f'), 124, '\xff'.repeat(12)), END]), /negative size/],
    'huge base-256 size': [
      Buffer.concat([changed(header('f'), 124, `\x80${'\xff'.repeat(11)}`), END]),
      /size/,
    ],
    'size that is no number': [Buffer.concat([changed(header('f'), 124, 'abcdefgh    '), END]), /size/],
    'parent in a path': [Buffer.concat([header('a/../../etc/passwd'), END]), /'\.\.' in it/],
    'parent as a path': [Buffer.concat([header('..'), END]), /'\.\.' in it/],
    'parent in a hard link': [tarOf([file('a'), hardlink('b', '../../etc/shadow')]), /'\.\.' in it/],
    'hard link to nothing': [tarOf([hardlink('b', '/etc/shadow')]), /does not exist/],
    'hard link to a directory': [tarOf([folder('d'), hardlink('b', 'd')]), /directory/],
    'entry below a file': [tarOf([file('f'), file('f/g')]), /not a directory/],
    'loop of links on the way': [tarOf([link('a', 'b'), link('b', 'a'), file('a/f')]), /not a directory/],
    'name too long': [tarOf([file('n'.repeat(256))]), /more than 255 bytes/],
    'path too long': [tarOf([file('ab/'.repeat(1500) + 'f')]), /longer than 4095/],
    'NUL in a pax path': [Buffer.concat([paxHeader(sized('path=a\0b')), header('f'), END]), /NUL/],
    'pax record that lies about its length': [
      Buffer.concat([paxHeader('99 path=a\n'), header('f'), END]),
      /malformed/,
    ],
    'pax size that is no number': [
      Buffer.concat([paxHeader(sized('size=-1')), header('f'), END]),
      /readable size/,
    ],
    'pax header without its entry': [Buffer.concat([paxHeader(sized('path=abc')), END]), /between an entry/],
    'sparse map outside the file': [
      Buffer.concat([
        paxHeader(sized('GNU.sparse.major=1') + sized('GNU.sparse.realsize=1000')),
        header('f', 512),
        Buffer.from('1\n5000\n10\n'.padEnd(512, '\0')),
        END,
      ]),
      /sparse map/,
    ],
    'sparse map that asks for too much': [
      Buffer.concat([
        paxHeader(sized('GNU.sparse.major=1') + sized('GNU.sparse.realsize=1000')),
        header('f', 512),
        Buffer.from('99999999\n'.padEnd(512, '0')),
        END,
      ]),
      /sparse map/,
    ],
    'root that is a file': [Buffer.concat([header('.'), END]), /root/],
    'link to nothing': [Buffer.concat([changed(header('f'), 156, '2'), END]), /is not a path/],
    nothing: [Buffer.alloc(0), /end mark/],
  };
  test.each(Object.entries(cases))('%s', (_name, [tar, sentence]) => {
    let thrown: unknown;
    try {
      treeOf([tar]);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      name: 'BootyardError',
      message: expect.stringMatching(sentence) as string,
    });
    expect((thrown as Error).message).toMatch(/\.$/);
  });

  test('more entries than the limit', () => {
    const many = tarOf(Array.from({ length: 50 }, (_, at) => file(`f${at}`)));
    expect(() => treeOf([many], { limits: { entries: 49, names: 1 << 20 } })).toThrow(/more than 49 entries/);
    expect(treeOf([many], { limits: { entries: 50, names: 1 << 20 } }).count).toBe(51);
    expect(() => treeOf([many], { limits: { entries: 50, names: 100 } })).toThrow(/names take more than/);
  });
});

test('a million entries are refused with the limits that imports have', () => {
  const one = header('f');
  const home = testFolder();
  const path = join(home, 'bomb.tar');
  const block = Buffer.concat(Array.from({ length: 1000 }, () => one));
  for (let written = 0; written < 1_000_000; written += 1000) appendFileSync(path, block);
  appendFileSync(path, END);
  const opened = openSync(path, 'r');
  onTestFinished(() => closeSync(opened));
  expect(() => scanTarSync(opened, statSync(path).size)).toThrow('it has more than 500,000 entries.');
});

test('what could lead out of the root stays inside', () => {
  const tree = treeOf([
    [
      file('/absolute', 'a'),
      link('out', '/'),
      link('up', '../../..'),
      link('etc', '/real'),
      folder('real'),
      file('etc/f', 'below a link'),
      file('up/g', 'below the root'),
      hardlink('h', '/absolute'),
      hardlink('i', 'etc/f'),
    ],
  ]);
  expect(Object.keys(listTree(tree))).toEqual([
    '/',
    '/absolute',
    '/etc',
    '/g',
    '/h',
    '/i',
    '/out',
    '/real',
    '/real/f',
    '/up',
  ]);
  expect(tree.readFile(tree.lookupPath('/out/up/etc/../real/f')).toString()).toBe('below a link');
  expect(tree.lookupPath('/../../absolute')).toBe(tree.lookupPath('h'));
});

test('the writer is understood by GNU tar and gives the same bytes each time', () => {
  const home = testFolder();
  const entries = [
    folder('/d', 0o1777, { mtime: 5 }),
    file('/d/f', 'hello', { uid: 7, gid: 8, mode: 0o4755 }),
    file(`/d/${'n'.repeat(150)}`, 'long'),
    link('/d/l', 'x'.repeat(200)),
    hardlink('/d/h', '/d/f'),
    file('/d/ü', 'utf8'),
    file('/big', 'x', { uid: 3_000_000_000, mtime: 1.5 }),
  ];
  writeFileSync(join(home, 't.tar'), tarOf(entries));
  expect(tarOf(entries).equals(tarOf(entries))).toBe(true);
  const listed = run('tar', ['--numeric-owner', '--quoting-style=literal', '-tvf', join(home, 't.tar')]);
  expect(listed).toMatch(/drwxrwxrwt 0\/0 .* d\/\n-rwsr-xr-x 7\/8 +5 .* d\/f\n/);
  expect(listed).toMatch(/ d\/n{150}\n.* d\/l -> x{200}\n.* d\/h link to d\/f\n.* d\/ü\n/);
  expect(listed).toMatch(/ 3000000000\/0 +1 .* big\n$/);
});
