import { initrdLine } from './dockerfile.ts';
import { MAX_UNPACKED } from './initrd-contents.ts';
import type { Rule } from './finding.ts';

/** The disk of the example that everybody copies: disks=32G[template=hybrid-boot-v]. Bytes. */
const HYBRID_DISK = 32 * 2 ** 30;
const MB = 1e6;

const bootMemory: Rule = {
  id: 'size.boot-memory',
  severity: 'warning',
  async *check(image) {
    for (const model of image.models) {
      const kernel = image.kernel(model);
      const initrd = await kernel.initrd();
      const unpacked = initrd?.unpackedBytes ?? 0;
      const needed = image.size(kernel.path) + image.size(kernel.initrdPath) + unpacked;
      // The kernel unpacks itself, too, and gives an initrd no more than half of the memory.
      if (needed <= image.settings.ramBytes * 0.6 && unpacked <= image.settings.ramBytes * 0.45) continue;
      const size = unpacked > MAX_UNPACKED ? 'more than ' : '';
      yield {
        path: kernel.initrdPath,
        message: `Kernel and initrd of ${model.name} nodes take ${size}${Math.round(needed / MB)} MB while they start (the unpacked initrd ${Math.round(unpacked / MB)} MB), too much for a node with ${Math.round(image.settings.ramBytes / 2 ** 20)} MB of memory.`,
        fix: 'Make the initrd smaller (MODULES=dep or list in /etc/initramfs-tools/initramfs.conf), or give nodes more memory (bootyard node config NODE ram=1G).',
        dockerfile: initrdLine(image, 'echo MODULES=list > /etc/initramfs-tools/conf.d/walt-size'),
      };
    }
  },
};

const hybridDisk: Rule = {
  id: 'size.hybrid-disk',
  severity: 'warning',
  *check({ source }) {
    // WalT asks for twice the size of the image before it copies it (walt.md §4.4).
    const needed = 2 * source.sizeBytes;
    if (needed <= HYBRID_DISK) return;
    const gigabytes = Math.ceil(needed / 2 ** 30 / 8) * 8 + 8;
    yield {
      path: '/',
      message: `The image has ${(source.sizeBytes / 1e9).toFixed(1)} GB: hybrid boot needs twice that on the node's disk, which the usual 32G do not have.`,
      fix: `Make the image smaller (files that a later layer removes still count: squash it), or give nodes a larger disk (disks=${gigabytes}G[template=hybrid-boot-v]).`,
    };
  },
};

const wholeRam: Rule = {
  id: 'size.ram-root',
  severity: 'info',
  *check({ source, settings }) {
    if (source.sizeBytes <= settings.ramBytes * 8) return;
    yield {
      path: '/',
      message: `The image has ${(source.sizeBytes / 1e9).toFixed(1)} GB, and in network boot a node with ${Math.round(settings.ramBytes / 2 ** 20)} MB of memory keeps what it changes in half of its memory: work that rewrites larger parts of it will not fit.`,
      fix: 'Give nodes more memory (ram=2G), let them borrow swap (nbd-client in the image), or use hybrid boot.',
    };
  },
};

export const sizeRules: readonly Rule[] = [bootMemory, hybridDisk, wholeRam];
