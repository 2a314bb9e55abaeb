import { test } from 'vitest';
import { brokenLab, type Broken } from '../support/explain.ts';
import { isLong } from '../support/long.ts';

const { expectCause } = brokenLab();

/** What walt-init does on the root. */
const cases: Broken[] = [
  {
    cause: 'busybox.applet',
    make: (files) => files.renamed('bin/busybox', ['\0pivot_root\0', '\0pivot_roox\0']),
    words: ['at walt-init', 'has no pivot_root', 'in the step "Switching to rootfs"', 'busybox-static'],
  },
  {
    cause: 'root.no-overlay',
    make: async (files) => {
      const [dependencies = ''] = await files.names(/\/modules\.dep$/);
      const change = await files.edited(dependencies, 'kernel/fs/overlayfs/overlay.ko:\n', '');
      return { ...change, ...(await files.without(/\/initrd$|\/overlay\.ko$/)) };
    },
    words: ['at walt-init', 'no overlay file system (module overlay)', 'in the step "Mounting a RAM overlay'],
  },
];
test.runIf(isLong).each(cases)('$cause', expectCause);
