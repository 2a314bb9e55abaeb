import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { diskVerdict } from '../../backend/lab/check-machine.ts';
import { installCommand } from '../../backend/lab/host-packages.ts';
import { LogMark } from '../../backend/lab/log-mark.ts';
import { findProgram, toolPath } from '../../backend/lab/program.ts';

const GIB = 1024 ** 3;

describe('the fix', () => {
  test.each([
    ['ID=debian\n', 'apt-get install -y qemu-system-x86 ipxe iproute2'],
    [
      'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n',
      'apt-get install -y qemu-system-x86 ipxe iproute2',
    ],
    ['ID=fedora\n', 'dnf install -y qemu-system-x86-core ipxe-bootimgs-x86 iproute'],
    [
      'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
      'dnf install -y qemu-system-x86-core ipxe-bootimgs-x86 iproute',
    ],
    ['ID=arch\n', 'pacman -S --needed qemu-system-x86 ipxe iproute2'],
    ['', 'apt-get install -y qemu-system-x86 ipxe iproute2'],
  ])('is in the words of the distribution (%j)', (osRelease, command) => {
    const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
    expect(installCommand(['qemu', 'ipxe', 'network', 'qemu'], osRelease)).toBe(sudo + command);
  });
});

test.each([
  [0.5, 'fail'],
  [3, 'warn'],
  [50, 'ok'],
])('%d GiB of room are: %s', (gib, level) => {
  expect(diskVerdict('/data', gib * GIB)).toMatchObject({
    level,
    message: `${gib.toFixed(1)} GiB free for /data`,
  });
});

test('programs are found in the folders of administrators too', () => {
  expect(toolPath('/usr/bin')).toBe('/usr/bin:/usr/sbin:/sbin');
  expect(findProgram('sh')).toMatch(/\/sh$/);
  expect(findProgram('/bin/sh')).toBe('/bin/sh');
  expect(findProgram('no-such-program')).toBeUndefined();
  expect(findProgram('')).toBeUndefined();
});

test('a mark in a log quotes what comes after it, also when the log was moved aside', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootyard-log-'));
  const file = join(folder, 'daemon.log');
  try {
    expect(new LogMark(file).lastLines(3)).toBe('');
    writeFileSync(file, 'before\n');
    const mark = new LogMark(file);
    expect(mark.lastLines(3)).toBe('');
    appendFileSync(file, 'one\n\ntwo \nthree\nfour\n');
    expect(mark.lastLines(3)).toBe('two / three / four');
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'new\n');
    expect(mark.lastLines(3)).toBe('new');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
