import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scriptCommands } from '../../../backend/boot/lint/rules-ipxe.ts';
import { ipxeCommands, servedCommands } from '../../../backend/boot/ipxe-commands.ts';
import { ubootScript } from '../../../backend/images/default/uboot-script.ts';
import { findIpxe } from '../../../backend/lab/firmware-files.ts';
import { file, link } from '../images/support.ts';
import { ARM, armImage, busybox, bytes, expectCase, type LintCase, lintChanged, PC } from './support.ts';

const ARM_SCRIPT =
  'tftpboot ${kernel_addr_r} kernel\nif tftpboot ${a} extra; then\nfi\ntftp ${fdt_addr_r} board.dtb || reset\ntftpboot ${fdt_addr_r} dtb\n';
const both = { 'walt.node.models': 'pc-x86-64,qemu-arm-64' };
const cases: LintCase[] = [
  ['no folder', { remove: [PC] }, [['boot.no-folder', `/${PC}`, 'nothing for such a node to boot']]],
  ['no script', { remove: [`${PC}/start.ipxe`] }, [['boot.no-script', `/${PC}/start.ipxe`, 'ask for first']]],
  [
    'the script of another machine',
    { remove: [`${PC}/start.ipxe`], put: [file(`${PC}/start.uboot`, 'x')] },
    [['boot.no-script', `/${PC}/start.ipxe`, 'ask for first']],
  ],
  [
    'a script without its first line',
    { put: [file(`${PC}/start.ipxe`, 'chain /more.ipxe\n')] },
    [['boot.bad-script', `/${PC}/start.ipxe`, '#!ipxe']],
  ],
  [
    'a chained script without its first line, and an empty one',
    { put: [file(`${PC}/more.ipxe`, 'set a b\n'), file(`${PC}/none.ipxe`, '')] },
    [['boot.bad-script', `/${PC}/more.ipxe`, '#!ipxe']],
  ],
  [
    'a U-Boot script that is plain text',
    {
      labels: both,
      put: [
        file(`${ARM}/start.uboot`, 'booti'),
        bytes(`${ARM}/kernel`, armImage()),
        link(`${ARM}/initrd`, '../pc-x86-64/initrd'),
      ],
    },
    [
      ['boot.bad-script', `/${ARM}/start.uboot`, "not in U-Boot's format"],
      ['labels.architecture', 'walt.node.models', 'qemu-arm-64 nodes are arm64'],
      ['busybox.architecture', '/bin/busybox', 'for amd64'],
    ],
  ],
  [
    'an absolute link that works',
    { put: [link(`${PC}/extra`, '/boot/pc-x86-64/kernel')] },
    [['boot.absolute-link', `/${PC}/extra`, 'is absolute']],
  ],
  [
    'an absolute link that leads nowhere',
    { put: [link(`${PC}/a b'c`, '/boot/gone')] },
    [
      ['boot.absolute-link', `/${PC}/a b'c`, 'is absolute'],
      ['boot.dangling-link', `/${PC}/a b'c`, 'does not exist'],
    ],
  ],
  [
    'a relative link that leads nowhere',
    { put: [link('boot/vmlinuz', 'vmlinuz-1')] },
    [['boot.dangling-link', '/boot/vmlinuz', "'vmlinuz-1', which does not exist"]],
  ],
  [
    'a kernel behind a link that leads nowhere',
    { put: [link(`${PC}/kernel`, '../vmlinuz')] },
    [
      ['boot.dangling-link', `/${PC}/kernel`, 'does not exist'],
      ['kernel.missing', `/${PC}/kernel`, 'no kernel at'],
    ],
  ],
  [
    'files that scripts need and the image lacks',
    {
      commands: null,
      put: [
        file(`${PC}/start.ipxe`, '#!ipxe\nchain --timeout 9 tftp://${next-server}/a.ipxe || reboot\n'),
        file(
          `${PC}/b.ipxe`,
          '#!ipxe\ninitrd -n x ${urlprefix}/deep/b.img\nchain ${urlprefix}/${x} && chain c\n',
        ),
      ],
    },
    [
      ['boot.missing-file', `/${PC}/a.ipxe`, "Line 2 of '/boot/pc-x86-64/start.ipxe' loads 'a.ipxe'"],
      ['boot.missing-file', `/${PC}/deep/b.img`, 'Line 2'],
      ['ipxe.unchecked', `/${PC}`, 'not installed'],
    ],
  ],
  [
    'a device tree that a U-Boot script loads under another name',
    {
      labels: { 'walt.node.models': 'qemu-arm-64', 'walt.server.minversion': '4' },
      architecture: 'arm64',
      put: [
        bytes('bin/busybox', busybox(undefined, 183), { mode: 0o755 }),
        bytes(`${ARM}/kernel`, armImage()),
        bytes(`${ARM}/start.uboot`, ubootScript(Buffer.from(ARM_SCRIPT), 0)),
        link(`${ARM}/initrd`, '../pc-x86-64/initrd'),
      ],
    },
    [['boot.missing-file', `/${ARM}/board.dtb`, "Line 4 of '/boot/qemu-arm-64/start.uboot'"]],
  ],
  [
    'a command that the firmware lacks',
    { put: [file(`${PC}/deep/more.ipxe`, '#!ipxe\necho hello ; imgextract x\n')] },
    [
      [
        'ipxe.unknown-command',
        `/${PC}/deep/more.ipxe`,
        "Line 2 of '/boot/pc-x86-64/deep/more.ipxe' has 'imgextract'",
      ],
    ],
  ],
  [
    'a command that the firmware lacks, with a way out',
    { put: [file(`${PC}/more.ipxe`, '#!ipxe\n\nntp ${ip} || echo no time\n')] },
    [['ipxe.unknown-tried', `/${PC}/more.ipxe`, 'Line 3']],
  ],
  [
    'no firmware to ask',
    { commands: null, put: [file(`${PC}/more.ipxe`, '#!ipxe\nntp\n')] },
    [['ipxe.unchecked', `/${PC}`, 'not installed']],
  ],
];

test.each(cases)('boot folder: %s', async (...row) => expectCase(row));

test('quick fixes for links are lines that a shell takes, or none', async () => {
  const found = await lintChanged({
    put: [link(`${PC}/a b'c`, '/boot/gone'), link(`${PC}/new\nRUN rm -rf`, 'gone')],
  });
  const lines = found.flatMap(({ dockerfile }) => dockerfile ?? []);
  expect(lines).toContain(String.raw`RUN rm '/boot/pc-x86-64/a b'\''c'`);
  expect(lines.join()).not.toContain('rm -rf');
});

test('scripts are taken apart as iPXE does', () => {
  const text =
    '#!ipxe\n:label\n  isset ${a} && goto b ||\necho # reboot\n${cmd} x\nset a b ; sync || kernel\n';
  expect(scriptCommands(text)).toEqual([
    { line: 3, name: 'isset', guarded: true },
    { line: 3, name: 'goto', guarded: true },
    { line: 4, name: 'echo', guarded: false },
    { line: 6, name: 'set', guarded: true },
    { line: 6, name: 'sync', guarded: true },
    { line: 6, name: 'kernel', guarded: false },
  ]);
});

test('the commands of the installed iPXE are read from its file', () => {
  const commands = servedCommands();
  const has = (name: string) => commands?.has(name);
  expect(['chain', 'kernel', 'initrd', 'cpuid', 'ifconf', 'set', 'imgfree'].every(has)).toBe(true);
  // findings.md §1: Debian's of 2019 lacks these.
  expect(['imgextract', 'ntp', 'params', 'console', 'poweroff', 'nonsense'].some(has)).toBe(false);
});

test('a file that lies about its command table is no reason to fail', () => {
  const good = readFileSync(findIpxe('snponly.efi') ?? '');
  expect(ipxeCommands(Buffer.from('MZ'))).toBeUndefined();
  for (let cut = 0; cut < 1200; cut += 7) ipxeCommands(good.subarray(0, cut));
  for (let seed = 1; seed < 200; seed++) {
    const bad = Buffer.from(good);
    for (let change = 0; change < 8; change++)
      bad[(seed * 7919 + change * 104729) % 1024] = seed * 31 + change;
    ipxeCommands(bad);
  }
});
