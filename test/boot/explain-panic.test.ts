import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'vitest';
import { writeCpio } from '../../backend/boot/initrd-cpio.ts';
import { BOOT, brokenLab, type Broken, type ImageFiles } from '../support/explain.ts';
import { isLong } from '../support/long.ts';
import type { Change } from '../support/variant.ts';

const { expectCause } = brokenLab();
const init = (...lines: string[]): Change => ({
  remove: ['sbin/init'],
  add: { 'sbin/init': ['#!/bin/busybox sh', ...lines, ''].join('\n') },
});

/** An init that touches memory at address 0. */
function crashingInit({ folder }: ImageFiles): Change {
  const program = join(folder, 'crash');
  const source = 'void _start(void) { *(volatile int *)0 = 1; }';
  execFileSync('gcc', ['-static', '-nostdlib', '-w', '-x', 'c', '-o', program, '-'], { input: source });
  return { remove: ['sbin/init'], copy: { 'sbin/init': program } };
}

/** The image's initrd, whose /init is a script for a program that is not there. */
async function unrunnableInitrd(files: ImageFiles): Promise<Change> {
  const name = `${BOOT}/initrd`;
  const initrd = await files.read(name);
  const content = Buffer.from('#!/bin/bash\nexec /sbin/init\n');
  // Of two archives one after the other, the second one counts.
  const more = writeCpio([{ type: 'file', path: 'init', mode: 0o755, content }]);
  return files.put(name, Buffer.concat([initrd, Buffer.alloc(-initrd.length & 3), more]));
}

/** A driver that runs into an instruction which no processor knows, as after a BUG() of the kernel. */
async function brokenDriver(files: ImageFiles): Promise<Change> {
  const [name = ''] = await files.names(/\/nls_ascii\.ko$/);
  const driver = await files.read(name);
  // Its init: a call, which is 5 bytes, then a move.
  const at = driver.indexOf(Buffer.from('e80000000048c7', 'hex'));
  if (at < 0) throw new Error(`${name} has another init`);
  driver.set([0x0f, 0x0b], at + 5);
  const unsigned = driver.subarray(0, driver.lastIndexOf('~Module signature appended~'));
  const change = await files.atInit('echo 1 >/proc/sys/kernel/panic_on_oops', 'modprobe nls_ascii');
  return { ...change, ...files.put(name, unsigned) };
}

/** What makes the kernel of a node give up, and memory that is used up. */
const cases: Broken[] = [
  {
    cause: 'panic.no-root',
    make: (files) =>
      files.edited(`${BOOT}/start-generic-2.ipxe`, 'initrd ${urlprefix}/initrd ||', '# no initrd:'),
    words: ['Kernel panic at kernel', 'found no root file system (VFS: ', 'the boot script loads /boot/'],
  },
  {
    cause: 'panic.no-init',
    make: unrunnableInitrd,
    words: [
      'Kernel panic at kernel',
      'could not run /init of /boot/pc-x86-64/initrd of image',
      'Bootyard then makes one',
    ],
  },
  {
    cause: 'init.crash',
    change: init('echo I end', 'exit 3'),
    words: ['Kernel panic at init', '/sbin/init of image', 'ended with exit code 3', 'node console'],
  },
  {
    cause: 'init.crash',
    make: crashingInit,
    words: ['Kernel panic at init', 'was killed by SIGSEGV: it touched memory that is not its own'],
  },
  {
    cause: 'memory.out',
    make: (files) =>
      files.atInit(
        'dd if=/dev/zero of=/dev/null bs=140M &',
        'dd if=/dev/zero of=/dev/null bs=140M',
        'exec sleep 100000',
      ),
    settings: ['ram=256M'],
    words: ['Stopped at init', 'its 256M of memory were used up', 'killed the program dd', 'ram=1G'],
  },
  {
    cause: 'memory.panic',
    // What else runs there would be killed first, for a while.
    change: init(
      'for p in /proc/[0-9]*; do echo -1000 >$p/oom_score_adj; done 2>/dev/null',
      'a=0123456789abcdef',
      'while :; do a=$a$a; done',
    ),
    settings: ['ram=256M'],
    words: ['Kernel panic at init', 'its 256M of memory were used up, and nothing was left to be killed'],
  },
  {
    cause: 'panic.sysrq',
    make: (files) => files.atInit('echo c >/proc/sysrq-trigger'),
    words: ['Kernel panic at init', 'asked for a crash', 'see what in the image does so'],
  },
  {
    cause: 'panic.exception',
    make: brokenDriver,
    words: [
      // The kernel's words may be faster than walt-init's last ones, which then are lost: walt-init, or init.
      'Kernel panic at ',
      'init: its kernel crashed (invalid opcode',
      ' in init_nls_ascii+',
      'another kernel',
    ],
  },
];
test.runIf(isLong).each(cases)('$cause', expectCause);
