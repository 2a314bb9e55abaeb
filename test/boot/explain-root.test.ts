import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { BOOT, brokenLab, type Broken } from '../support/explain.ts';
import { until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const { lab, expectCause, explained, awaited, booted, cut } = brokenLab();
const SCRIPT_2 = `${BOOT}/start-generic-2.ipxe`;
const SCRIPT = `${BOOT}/start-generic.ipxe`;
/** The initrd tries for 180 s to mount the root: too long to wait for. */
const SOON = ['boot.timeout=15'];
const PREINIT = 'bin/walt-preinit';

/** The daemon is killed, and another one is there. */
async function newDaemon(): Promise<void> {
  const { daemon } = await lab.status();
  process.kill(daemon?.pid ?? 0, 'SIGKILL');
  const isNew = ({ status, stdout }: { status: number | null; stdout: string }) =>
    status === 0 && !stdout.includes(`"pid": ${daemon?.pid},`);
  await until('a new daemon', () => lab.run('lab', 'status', '--json'), isNew);
}

/** The mount of the root, and what walt-init does on it. */
const cases: Broken[] = [
  {
    cause: 'nfs.refused',
    make: (files) => files.edited(SCRIPT, '${mac}/fs', '${mac}/root'),
    words: ['Stopped at kernel', '/root is not exported to', 'nfsroot= in the boot script of image'],
  },
  {
    cause: 'nfs.no-mount',
    make: (files) => files.edited(SCRIPT, 'set nfs_root ${next-server}:', 'set nfs_root 192.168.152.99:'),
    settings: SOON,
    words: ['Stopped at kernel', 'its root 192.168.152.99:/var/lib/walt/nodes/', 'nfsroot='],
  },
  {
    cause: 'nfs.silent',
    // The kernel complains of a server that is silent after 10 s, not after 180.
    make: (files) => files.edited(SCRIPT, 'set nfs_opts ro,', 'set nfs_opts ro,timeo=50,retrans=1,'),
    meanwhile: async (node) => {
      await awaited(node, ({ stage }) => stage === 'root' || stage === 'walt-init');
      await cut(node, 2049);
    },
    words: ['the NFS server 192.168.152.1 does not answer it', 'bootyard lab status'],
  },
  {
    cause: 'nfs.stale',
    meanwhile: async (node) => {
      const { mac } = await booted(node);
      rmSync(join(lab.paths.nodes, mac.replaceAll(':', '-'), 'plan.json'));
      await newDaemon();
      const isTold = ({ explanation }: { explanation: { sentence: string } | null }) =>
        explanation?.sentence.includes('(its boot plan is gone)') ?? false;
      await until('what the daemon says', () => explained(node), isTold);
      // What the node itself notices.
      await awaited(node, ({ state }) => state === 'booting');
    },
    words: ['Rebooted by itself', '(stale file handle), so nothing of it can be read', 'node reboot --hard'],
  },
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
  {
    cause: 'root.no-init',
    change: { remove: ['sbin/init'] },
    words: ['at init', '/sbin/init of image', 'not found', 'install an init system'],
  },
  {
    cause: 'clock',
    // A machine that is not known to be virtual, as that is why clocks are set.
    change: {
      add: {
        [PREINIT]: `#!/bin/busybox sh
echo Hardware >/run/vendor
exec /bin/busybox mount -o bind /run/vendor /sys/class/dmi/id/sys_vendor
`,
      },
    },
    meanwhile: (node) => cut(node, 12345),
    words: ['at walt-init', 'its clock could not be set', 'keeps TCP port 12345 from the node'],
  },
  {
    cause: 'preinit.failed',
    change: { add: { [PREINIT]: '#!/bin/busybox sh\nexit 3\n' } },
    words: ['at walt-init', '/bin/walt-preinit of image', 'ended with exit code 3', 'let it end with exit 0'],
  },
  {
    cause: 'root.no-folder',
    change: { remove: ['sys/'] },
    words: ['at root', 'has no folder /sys', 'RUN mkdir -p /sys'],
  },
  {
    cause: 'step.failed',
    make: (files) => files.edited(SCRIPT_2, 'init=/bin/walt-init', 'init=/bin/walt-start'),
    words: [
      'at root',
      'the initrd gave up: /bin/walt-start (init=) is not an executable file',
      'node console',
    ],
  },
  {
    cause: 'step.failed',
    settings: ['disks=1G[template=ext4]'],
    meanwhile: (node) => cut(node, 12347, 'reject with tcp reset'),
    words: ['at walt-init', 'the step "Detecting boot-mode..."', 'exit code 1', 'node console'],
  },
];
test.runIf(isLong).each(cases)('$cause', expectCause);
