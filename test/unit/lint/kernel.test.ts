import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unpackBlock } from '../../../backend/boot/lint/lz4.ts';
import { readInitrd } from '../../../backend/boot/lint/initrd-contents.ts';
import { file, link } from '../images/support.ts';
import {
  ARM,
  armImage,
  busybox,
  bytes,
  bzImage,
  expectCase,
  GOOD_INITRD,
  initrd,
  type LintCase,
  MODULES,
  PC,
  RELEASE,
} from './support.ts';

const KERNEL = `/${PC}/kernel`;
const INITRD = `/${PC}/initrd`;
const put = (path: string, content: Buffer) => ({ put: [bytes(path, content)] });
const elf = busybox().subarray(0, 64);
const arm = {
  labels: { 'walt.node.models': 'qemu-arm-64' },
  architecture: 'arm64',
  remove: [PC],
  put: [
    bytes(`${ARM}/start.uboot`, Buffer.from([0x27, 0x05, 0x19, 0x56])),
    bytes(`${ARM}/initrd`, initrd(...GOOD_INITRD)),
    { ...bytes('bin/busybox', busybox(undefined, 183)), mode: 0o755 },
  ],
};
const withoutModule = (name: string) => ({
  put: [bytes(`${PC}/initrd`, initrd('init'))],
  remove: [`${MODULES}/${name}`],
});

/** Its header counts 16 bytes more than there are. */
function cutOff(): Buffer {
  const kernel = bzImage();
  kernel.writeUInt32LE(Math.ceil(kernel.length / 16), 0x1f4);
  return kernel;
}

const cases: LintCase[] = [
  ['none', { remove: [`${PC}/kernel`] }, [['kernel.missing', KERNEL, 'no kernel at']]],
  ['a text', put(`${PC}/kernel`, Buffer.from('hello')), [['kernel.format', KERNEL, 'is no kernel']]],
  ['an empty file', put(`${PC}/kernel`, Buffer.alloc(0)), [['kernel.format', KERNEL, 'is no kernel']]],
  ['an ELF file', put(`${PC}/kernel`, elf), [['kernel.format', KERNEL, 'is packed as ELF']]],
  ['a gzip file', put(`${PC}/kernel`, gzipSync('x')), [['kernel.format', KERNEL, 'is packed as gzip']]],
  ['of arm64', put(`${PC}/kernel`, armImage()), [['kernel.architecture', KERNEL, 'a kernel for arm64']]],
  [
    'of 32 bits',
    put(`${PC}/kernel`, bzImage(RELEASE, 0)),
    [['kernel.architecture', KERNEL, 'a kernel for 386']],
  ],
  ['that is cut off', put(`${PC}/kernel`, cutOff()), [['kernel.truncated', KERNEL, 'by its own header']]],
  ['right for an Arm node', { ...arm, put: [...arm.put, bytes(`${ARM}/kernel`, armImage())] }, []],
  [
    'of a PC for an Arm node',
    { ...arm, put: [...arm.put, bytes(`${ARM}/kernel`, bzImage())] },
    [['kernel.architecture', `/${ARM}/kernel`, 'a kernel for amd64']],
  ],
  [
    'compressed for an Arm node',
    { ...arm, put: [...arm.put, bytes(`${ARM}/kernel`, gzipSync(armImage()))] },
    [['kernel.format', `/${ARM}/kernel`, 'packed as gzip: U-Boot']],
  ],
  [
    'of an Arm node, without its modules',
    { ...arm, put: [...arm.put, bytes(`${ARM}/kernel`, armImage('9.9.9'))] },
    [['kernel.no-modules', '/lib/modules/9.9.9', `there is '${RELEASE}'`]],
  ],
  [
    'of another release than the modules',
    put(`${PC}/kernel`, bzImage('9.9.9')),
    [['kernel.no-modules', '/lib/modules/9.9.9', 'what is not built in']],
  ],
  ['whose release leads out of the folder', put(`${PC}/kernel`, bzImage('../../etc')), []],
  [
    'without a list of dependencies',
    { remove: [`${MODULES}/modules.dep`] },
    [
      ['kernel.no-depmod', `/${MODULES}/modules.dep`, 'modprobe finds none'],
      ['kernel.no-overlay', KERNEL, 'no overlay'],
    ],
  ],
  [
    'without overlay',
    { remove: [`${MODULES}/kernel/fs/overlayfs/overlay.ko`] },
    [['kernel.no-overlay', KERNEL, `${RELEASE} has no overlay`]],
  ],
  [
    'without NFS',
    withoutModule('kernel/fs/nfs'),
    [
      ['kernel.no-nfs', KERNEL, 'no nfs, no nfsv3'],
      ['initrd.modules', INITRD, 'virtio_net'],
    ],
  ],
  [
    'without a network card',
    withoutModule('kernel/drivers/net'),
    [
      ['kernel.no-network', KERNEL, 'no virtio_net'],
      ['initrd.modules', INITRD, 'nfs'],
    ],
  ],
  [
    'with all built in, and an initrd of nothing',
    {
      put: [
        bytes(`${PC}/initrd`, initrd('init')),
        file(
          `${MODULES}/modules.builtin`,
          'a/nfs.ko\na/nfsv3.ko\na/virtio_net.ko\na/virtio_pci.ko\na/overlay.ko\n',
        ),
      ],
      remove: [`${MODULES}/kernel`],
    },
    [],
  ],
  [
    'with modules in the initrd alone',
    {
      remove: [`${MODULES}/kernel/fs/nfs`, `${MODULES}/kernel/drivers`],
    },
    [],
  ],
  [
    'with an initrd that lacks what the image has',
    put(`${PC}/initrd`, gzipSync(initrd('init', `${MODULES}/nfs.ko`))),
    [['initrd.modules', INITRD, 'no nfsv3, no virtio_net']],
  ],
  [
    "with an initrd of initramfs-tools that has no WalT's script",
    put(`${PC}/initrd`, initrd(...GOOD_INITRD, 'scripts/functions', 'scripts/nfs')),
    [['initrd.no-walt', INITRD, 'boot=walt']],
  ],
  ['with the script', put(`${PC}/initrd`, initrd(...GOOD_INITRD, 'scripts/functions', 'scripts/walt')), []],
  [
    'with an initrd that is cut off',
    put(`${PC}/initrd`, initrd(...GOOD_INITRD).subarray(0, 700)),
    [['initrd.unreadable', INITRD, 'damaged or cut off']],
  ],
  [
    'without overlay, unless it is in an initrd that cannot be read',
    { ...put(`${PC}/initrd`, Buffer.from('noise')), remove: [`${MODULES}/kernel`] },
    [['initrd.unreadable', INITRD, 'not compressed in a way']],
  ],
  [
    'without overlay, and no initrd that could have it',
    { remove: [`${PC}/initrd`, `${MODULES}/kernel/fs/overlayfs`] },
    [
      ['kernel.no-overlay', KERNEL, 'no overlay'],
      ['initrd.missing', INITRD, 'Bootyard makes one'],
    ],
  ],
  [
    'with an initrd of noise',
    put(`${PC}/initrd`, Buffer.from('noise')),
    [['initrd.unreadable', INITRD, 'not compressed in a way']],
  ],
  [
    'with an initrd behind links',
    { put: [link(`${PC}/initrd`, '../i'), bytes('boot/i', initrd(...GOOD_INITRD))] },
    [],
  ],
  ['without initrd', { remove: [`${PC}/initrd`] }, [['initrd.missing', INITRD, 'Bootyard makes one']]],
];

test.each(cases)('kernel: %s', async (...row) => expectCase(row));

/** Compresses with a program of the host. */
const by =
  (command: string, ...words: string[]) =>
  (input: Buffer) =>
    execFileSync(command, words, { input, maxBuffer: 1 << 28, stdio: 'pipe' });
async function* inPieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 999) yield content.subarray(at, at + 999);
}

test.each([
  ['plain', (input: Buffer) => input],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['xz', by('xz', '-c')],
  ['bzip2', by('bzip2', '-c')],
  ['lz4', by('lz4', '-l', '-c', '-9')],
])('an initrd is read: microcode first, then %s', async (_, pack) => {
  // Names of all lengths, and content that repeats and that does not.
  const names = Array.from({ length: 300 }, (_, at) => `lib/${'n'.repeat(at % 50)}${at}.ko`);
  const big = Buffer.concat([initrd(...names), Buffer.alloc(300), initrd('last')]);
  const whole = Buffer.concat([initrd('kernel/x86/microcode'), Buffer.alloc(1024), Buffer.from(pack(big))]);
  const { names: found, problem } = await readInitrd(inPieces(whole));
  expect(problem).toBeUndefined();
  expect([...found].toSorted()).toEqual(['kernel/x86/microcode', ...names, 'last'].toSorted());
});

test('lz4 blocks that lie are refused', () => {
  const packed = by('lz4', '-l', '-c')(initrd(...GOOD_INITRD)).subarray(8);
  expect(unpackBlock(packed).subarray(0, 6).toString()).toBe('070701');
  let refused = 0;
  for (let seed = 1; seed < 2000; seed++) {
    const bad = Buffer.from(packed);
    for (let change = 0; change < 4; change++)
      bad[(seed * 7919 + change * 104729) % bad.length] = seed * 31 + change;
    try {
      unpackBlock(bad);
    } catch (error) {
      expect(error).toMatchObject({ code: 'image.badCompression' });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

test('an initrd that unpacks to very much is given up', async () => {
  const zeros = gzipSync(Buffer.concat([initrd('init'), Buffer.alloc(40 << 20)]));
  expect((await readInitrd(inPieces(zeros))).problem).toContain('too many zeros');
  const huge = Buffer.from(initrd('init'));
  huge.write('7fffffff', 54, 'latin1');
  expect((await readInitrd(inPieces(huge))).problem).toContain('more than 256 MB');
});
