import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, test } from 'vitest';
import { ByteReader } from '../../backend/boot/lint/byte-reader.ts';
import { unpackLz4 } from '../../backend/boot/lint/lz4.ts';
import { BOOT, brokenLab, type Broken, type ImageFiles } from '../support/explain.ts';
import { isLong } from '../support/long.ts';

const { expectCause } = brokenLab();
const KERNEL = `${BOOT}/kernel`;
const INITRD = `${BOOT}/initrd`;
/** Of Bootyard's own, as most others are packed. */
const packed = async (files: ImageFiles): Promise<Buffer> => gzipSync(await files.read(INITRD));

/** With junk in the middle, and of the same length. */
function damaged(bytes: Buffer): Buffer {
  const junk = Buffer.alloc(64 << 10, 0x5a);
  const copy = Buffer.from(bytes);
  junk.copy(copy, copy.length >> 1);
  return copy;
}

/** Debian's own initrd, of initramfs-tools, with WalT's script under another name. */
async function withoutWalt(files: ImageFiles): Promise<Buffer> {
  const initrd = await files.read('boot/initrd.img-*', 'pc-x86-64-default');
  const plain = await buffer(unpackLz4(new ByteReader(Readable.from([initrd]))));
  const text = plain.toString('latin1');
  if (!text.includes('scripts/walt\0')) throw new Error('its names are not plain to see');
  return gzipSync(Buffer.from(text.replaceAll('scripts/walt\0', 'scripts/wolt\0'), 'latin1'));
}

const cases: Broken[] = [
  {
    cause: 'kernel.truncated',
    make: async (files) => {
      const kernel = await files.read(KERNEL);
      return files.put(KERNEL, kernel.subarray(0, kernel.length >> 1));
    },
    words: [
      'boot files',
      `/${KERNEL} is cut off`,
      'by its own header',
      'copy the kernel into the image anew',
    ],
  },
  {
    cause: 'kernel.silent',
    make: async (files) => files.put(KERNEL, damaged(await files.read(KERNEL))),
    words: ['boot files', 'does not print a line', `/${KERNEL} of image kernel-silent`, 'install it anew'],
  },
  {
    cause: 'initrd.truncated',
    make: async (files) => {
      const initrd = await packed(files);
      return files.put(INITRD, initrd.subarray(0, initrd.length >> 1));
    },
    words: ['kernel', `could not unpack /${INITRD}`, 'is cut off', 'make it anew'],
  },
  {
    cause: 'initrd.truncated',
    make: async (files) => {
      const initrd = await files.read(INITRD);
      return files.put(INITRD, initrd.subarray(0, initrd.length >> 1));
    },
    words: ['kernel', `only a part of /${INITRD}`, 'is cut off', 'make it anew'],
  },
  {
    cause: 'initrd.corrupt',
    make: async (files) => files.put(INITRD, damaged(await packed(files))),
    words: ['kernel', `could not unpack /${INITRD} of image initrd-corrupt`, 'is damaged', 'make it anew'],
  },
  {
    cause: 'initrd.no-walt',
    make: async (files) => files.put(INITRD, await withoutWalt(files)),
    words: ['kernel', `/${INITRD}`, 'has no scripts/walt', 'boot=walt', 'from pc-x86-64-default'],
  },
  {
    cause: 'cmdline.no-nfsroot',
    make: (files) => files.edited(`${BOOT}/start-generic.ipxe`, ' nfsroot=${nfs_root},${nfs_opts}', ''),
    words: ['kernel', 'hold no nfsroot=', 'give nfsroot=${next-server}:/var/lib/walt/nodes/'],
  },
  {
    cause: 'cmdline.no-ip',
    make: (files) => files.edited(`${BOOT}/start-generic-2.ipxe`, ' ${ip_bootargs}', ''),
    words: ['kernel', 'hold no ip=', 'give ip=${ip}:${next-server}'],
  },
];

describe.runIf(isLong)('a boot that stops at its kernel or initrd', () => {
  test.each(cases)('$cause', expectCause);
});
