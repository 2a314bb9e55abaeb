import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { imagePackages } from '../../backend/boot/image-packages.ts';
import { rpmPackages } from '../../backend/boot/rpm-packages.ts';
import { file, folder, link, treeOf } from './images/support.ts';

const SPEC = `Name: NAME
Version: 1
Release: 1
Summary: test
License: none
BuildArch: noarch
%description
test
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/NAME
for i in $(seq 1 COUNT); do echo "$i" >%{buildroot}/usr/share/NAME/$i; done
echo NAME >%{buildroot}/usr/bin/NAME
%files
/usr/bin/NAME
/usr/share/NAME
`;

/** What rpm itself makes of two packages that it built. */
let database: Buffer;
beforeAll(() => {
  const top = mkdtempSync(join(tmpdir(), 'bootyard-rpms-'));
  const rpm = join(top, 'db');
  for (const [name, count] of [
    ['tool', 3],
    ['large', 500],
  ] as const) {
    const spec = join(top, `${name}.spec`);
    writeFileSync(spec, SPEC.replaceAll('NAME', name).replace('COUNT', String(count)));
    execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${top}`, spec], { stdio: 'pipe' });
  }
  const built = readdirSync(join(top, 'RPMS/noarch')).map((name) => join(top, 'RPMS/noarch', name));
  const define = ['--define', '_db_backend sqlite'];
  execFileSync('rpm', ['--dbpath', rpm, ...define, '--justdb', '--nodeps', '-i', ...built], {
    stdio: 'pipe',
  });
  database = readFileSync(join(rpm, 'rpmdb.sqlite'));
  rmSync(top, { recursive: true });
});

test('packages of an RPM database, with their files and directories', () => {
  const packages = rpmPackages(database).toSorted((one, other) => (one.name < other.name ? -1 : 1));
  expect(packages.map(({ name, paths }) => [name, paths.length])).toEqual([
    ['large', 502],
    ['tool', 5],
  ]);
  expect(packages[1]?.paths.toSorted()).toEqual([
    '/usr/bin/tool',
    '/usr/share/tool',
    '/usr/share/tool/1',
    '/usr/share/tool/2',
    '/usr/share/tool/3',
  ]);
});

test('those of an image are found where a link says that the database is, as far as their files are there', () => {
  const tree = treeOf([
    [
      folder('usr/bin'),
      file('usr/bin/tool', 't'),
      folder('usr/share/tool'),
      file('usr/share/tool/2', '2'),
      folder('usr/lib/sysimage/rpm'),
      file('usr/lib/sysimage/rpm/rpmdb.sqlite', '', { content: database }),
      folder('var/lib'),
      link('var/lib/rpm', '../../usr/lib/sysimage/rpm'),
    ],
  ]);
  const inodes = ['usr/bin/tool', 'usr/share/tool/2'].map((path) => tree.lookupPath(path));
  const [only, ...others] = imagePackages(tree);
  expect([only?.name, only?.inodes.toSorted(), others]).toEqual(['tool', inodes.toSorted(), []]);
});

test('a database that is none, or damaged, has no packages and does no harm', () => {
  expect(rpmPackages(Buffer.from('no database'))).toEqual([]);
  expect(rpmPackages(Buffer.alloc(0))).toEqual([]);
  expect(rpmPackages(database.subarray(0, 5000))).toEqual([]);
  for (let at = 100; at < database.length; at += 997) {
    const damaged = Buffer.from(database);
    damaged.fill(0xff, at, at + 8);
    expect(rpmPackages(damaged).length).toBeLessThanOrEqual(2);
  }
});
