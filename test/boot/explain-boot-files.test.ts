import { describe, test } from 'vitest';
import { BOOT, brokenLab, type Broken } from '../support/explain.ts';
import { until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const { lab, expectCause } = brokenLab();
const START = `${BOOT}/start.ipxe`;
const LAST = `${BOOT}/start-generic-2.ipxe`;
const KERNEL = `${BOOT}/kernel`;

/** On a link slow enough to be cut off in the middle, and not so slow that it would be the cause. */
const cutOff = (path: string): Pick<Broken, 'settings' | 'meanwhile'> => ({
  settings: ['networks=walt-net[bw=4Mbps]'],
  meanwhile: async (node) => {
    const isOnItsWay = async () => (await lab.timeline(node)).steps.some((step) => step.path === path);
    await until(`${path} is on its way`, isOnItsWay, Boolean, 120_000);
    await lab.inside('ss', '--kill', 'state', 'established', 'sport', '=', ':80');
  },
});

const cases: Broken[] = [
  {
    cause: 'script.missing',
    change: { remove: [START] },
    words: [
      'boot files',
      `has no /${START} (there is`,
      `put start.ipxe into /${BOOT} of image script-missing`,
    ],
  },
  {
    cause: 'kernel.missing',
    change: { remove: [KERNEL] },
    words: ['boot files', `has no /${KERNEL} (there is`, 'install a kernel in image kernel-missing'],
  },
  {
    cause: 'initrd.missing',
    make: (files) => files.edited(LAST, '/initrd ', '/initrd-6.1 '),
    words: ['Kernel panic at kernel', `has no /${BOOT}/initrd-6.1`, 'without one', `ask for /${BOOT}/initrd`],
  },
  {
    cause: 'ipxe.unknown-command',
    make: (files) => files.edited(LAST, '#!ipxe\n', '#!ipxe\nfrobnicate --all\n'),
    words: [
      'boot files',
      `the command frobnicate of /${LAST} is none that iPXE knows`,
      "write it without 'frobnicate'",
    ],
  },
  {
    cause: 'script.no-shebang',
    make: (files) => files.edited(START, '#!ipxe\n', ''),
    words: ['boot files', `/${START}`, 'was fetched and not run as a script', 'make #!ipxe the first line'],
  },
  {
    cause: 'script.no-shebang',
    make: (files) => files.edited(LAST, '#!ipxe\n', ''),
    words: ['boot files', `/${LAST}`, 'was fetched and not run as a script', 'make #!ipxe the first line'],
  },
  {
    cause: 'kernel.architecture',
    make: async (files) => files.put(KERNEL, await files.read('boot/qemu-arm-64/kernel', 'qemu-arm-64-tiny')),
    words: ['boot files', `/${KERNEL} is a kernel for arm64`, 'install the kernel of amd64'],
  },
  {
    cause: 'boot.file-missing',
    make: (files) => files.edited(START, '/start-generic.ipxe', '/start-special.ipxe'),
    words: ['boot files', '/start-special.ipxe was asked for by TFTP and refused', 'correct the path'],
  },
  {
    cause: 'boot.memory',
    make: (files) => files.put(`${BOOT}/initrd`, Buffer.alloc(192 << 20)),
    settings: ['ram=128M'],
    words: ['Kernel panic at kernel', 'do not fit into its 128M of memory', 'without an initrd', 'ram=1G'],
  },
  {
    cause: 'boot.transfer-broke',
    ...cutOff('/boot/kernel'),
    words: ['boot files', 'the transfer of /boot/kernel by HTTP broke off after', 'boot it again'],
  },
  {
    cause: 'boot.transfer-broke',
    ...cutOff('/boot/initrd'),
    words: ['kernel', 'the transfer of /boot/initrd by HTTP broke off', 'without it; boot it again'],
  },
  {
    cause: 'script.failed',
    change: {
      add: { [START]: '#!ipxe\necho >>> Boot failed: this node is not on the list.\nsleep 3\nreboot\n' },
    },
    words: [
      'boot files',
      'the boot script gave up: this node is not on the list',
      `see the scripts in /${BOOT}`,
    ],
  },
];

describe.runIf(isLong)('a boot that stops at its files', () => {
  test.each(cases)('$cause', expectCause);
});
