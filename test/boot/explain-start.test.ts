import { test } from 'vitest';
import { BOOT, brokenLab, type Broken } from '../support/explain.ts';

const { expectCause } = brokenLab();
const INITRD = `${BOOT}/initrd`;
/** What is found before QEMU runs a guest. */
const cases: Broken[] = [
  {
    cause: 'qemu.memory',
    settings: ['ram=1024G'],
    words: ['Not started', 'this host has not 1024G of memory', 'ram=512M'],
  },
  {
    cause: 'kernel.no-modules',
    change: { remove: [INITRD, 'lib/modules/'] },
    words: ['Not started', 'no /lib/modules/', 'install the modules of this very kernel'],
  },
  {
    cause: 'initrd.no-nic',
    make: (files) => files.without(/initrd$|\/virtio_net\.ko$/),
    words: ['Not started', 'virtio_net.ko is in modules.dep but not in the image', 'run depmod'],
  },
  {
    cause: 'initrd.no-nfs',
    make: (files) => files.without(/initrd$|\/nfs\.ko$/),
    words: ['Not started', 'nfs.ko is in modules.dep but not in the image', 'run depmod'],
  },
  {
    cause: 'busybox.missing',
    change: { remove: [INITRD, 'bin/busybox'] },
    words: ['Not started', 'no /bin/busybox', 'busybox-static'],
  },
];

test.each(cases)('$cause', expectCause);
