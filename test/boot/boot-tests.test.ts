import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bootTestLab } from '../support/boot-test-lab.ts';
import { isLong } from '../support/long.ts';
import { type Change, importVariant } from '../support/variant.ts';

const { lab, folder, write, nothingLeft, failuresIn } = bootTestLab();
const report = join(lab.home, 'report.xml');

const GOOD = `image: pc-x86-64-tiny
settings: {ram: 256M}
faults: {latency: 2ms, serverDown: {at: root, seconds: 3}}
expect:
  console:
    - '^\\*\\*\\* .* \\*\\*\\*$'
    - never: Kernel panic
  logs: [{seen: ., stream: walt-init}, {never: Kernel panic}]
  commands:
    - {run: uname -s, output: ^Linux$}
    - {run: ls /nowhere, exit: 1, output: No such file}
  filesRead: [^/bin/busybox$, {never: ^/nowhere}]
`;

test('a good image passes, and what does not come fails at its line; the report is valid', async () => {
  write('good', GOOD);
  const wrong = write(
    'wrong',
    'image: pc-x86-64-tiny\nexpect:\n  stage: dhcp\n  settle: 1\n  console: [no such words]\n',
  );
  const { status, stdout, stderr } = await lab.run('test', folder, '--tap', '--junit', report);
  expect(stdout).toMatch(/^TAP version 14\n1\.\.2\nok 1 - good\n/);
  expect(stdout).toContain('not ok 2 - wrong');
  expect(stdout).toContain(
    'No line of the console matches /no such words/ within 1 s of dhcp; the last line is',
  );
  expect(stdout).toContain(`at: ${JSON.stringify(`${wrong}:5:13`)}`);
  expect([status, stderr]).toEqual([1, '']);
  const schema = join(import.meta.dirname, '../support/junit.xsd');
  execFileSync('xmllint', ['--noout', '--schema', schema, report], { stdio: 'pipe' });
  expect(readFileSync(report, 'utf8')).toContain('tests="2" failures="1"');
  await nothingLeft();
});

test.runIf(isLong)(
  'a disk that is full, in memory and on the host: nothing more can be written',
  async () => {
    const file = write(
      'full',
      `image: pc-x86-64-tiny
faults: {fullDisk: /}
expect:
  commands:
    - {run: echo more >/root/file, exit: 1, output: No space left on device}
    - {run: df / | tail -n 1, output: ' 0 100% /$'}
matrix:
  boot.mode: [network-volatile, network-persistent]
`,
    );
    const { status, stdout } = await lab.run('test', file);
    expect(stdout).toMatch(
      /^ok {4}full \(boot.mode=network-volatile\).*\nok {4}full \(.*\n2 passed, 0 failed\n$/,
    );
    expect(status).toBe(0);
    await nothingLeft();
  },
);

/** What the file that passes on a good image says of one that is broken. */
async function failuresOf(name: string, change: Change): Promise<string[]> {
  await importVariant(lab, name, change);
  const file = write(
    `x-${name}`,
    GOOD.replace('pc-x86-64-tiny', name).replace('ram', 'boot.timeout: 30, ram'),
  );
  return (await failuresIn(file, 1))[`x-${name}`] ?? [];
}

test.runIf(isLong).each<[string, Change, RegExp]>([
  ['no-kernel', { remove: ['boot/pc-x86-64/kernel'] }, /image no-kernel has no \/boot\/pc-x86-64\/kernel/],
  ['no-init', { remove: ['sbin/init'] }, /\/sbin\/init/],
  ['no-script', { remove: ['boot/pc-x86-64/start.ipxe'] }, /has no \/boot\/pc-x86-64\/start\.ipxe/],
  [
    'bad-initrd',
    { add: { 'boot/pc-x86-64/initrd': 'no archive\n' } },
    /(?:Kernel panic|rebooted by itself) at kernel: .*\/boot\/pc-x86-64\/initrd of image bad-initrd: it is damaged; make it anew/,
  ],
  [
    'no-ssh',
    { remove: ['usr/sbin/dropbear'] },
    /no ssh server listens on port 22: .*; install openssh-server or dropbear, and let it start at boot\.$/,
  ],
])('a broken image fails, and the sentence says so: %s', async (name, change, sentence) => {
  const [first] = await failuresOf(name, change);
  expect(first).toMatch(sentence);
});
