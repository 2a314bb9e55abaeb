import { type Case, finding, noRoom, panicked, refusedStart, sent, settings, stopped } from './support.ts';

const step = (name: string, script: string, code: number): string =>
  `>>> The step "${name}" of ${script} failed (exit code ${code}).`;
const KERNEL = { events: [sent('/boot/kernel')] };
const IN_INIT = { stage: 'init', console: ['*** Starting walt image init... ***'] };

/** From the kernel on. */
export const lateCases: Case[] = [
  [
    'kernel.truncated',
    {
      ...stopped('boot files'),
      ...KERNEL,
      findings: [
        finding(
          'kernel.truncated',
          '/boot/pc-x86-64/kernel is cut off: it has 9 bytes, and 99 by its own header.',
          'Copy the kernel into the image anew.',
          '/boot/pc-x86-64/kernel',
        ),
      ],
    },
    'Stopped at boot files: /boot/pc-x86-64/kernel is cut off',
    'copy the kernel into the image anew',
  ],
  [
    'kernel.silent',
    {
      ...stopped(
        'boot files',
        'http://192.168.152.1/boot/kernel... ok',
        'Probing EDD (edd=off to disable)... o',
      ),
      ...KERNEL,
    },
    'sent whole (8000000 bytes) and started, and does not print a line',
    'compare its checksum',
  ],
  [
    'initrd.memory',
    {
      ...stopped('kernel', '[    2.0] Initramfs unpacking failed: write error'),
      settings: settings({ ram: '128M' }),
    },
    'does not fit into its 128M',
    'ram=1G',
  ],
  [
    'initrd.truncated',
    panicked(
      'kernel',
      '[    0.937397] Initramfs unpacking failed: read error',
      '[    1.558768] Failed to execute /init (error -26)',
      '[    1.559714] Kernel panic - not syncing: Requested init /bin/walt-init failed (error -2).',
    ),
    'could not unpack /boot/pc-x86-64/initrd of image img: it is cut off',
    'update-initramfs',
  ],
  [
    'initrd.truncated',
    {
      ...stopped(
        'kernel',
        "modprobe: can't open 'modules.dep': No such file or directory",
        '>>> initrd: a kernel module could not be loaded (of: virtio_pci virtio_net nfs nfsv3 overlay)',
      ),
      findings: [
        finding(
          'initrd.unreadable',
          'What the initrd /boot/pc-x86-64/initrd holds was not checked: it is damaged or cut off.',
          'Make it anew.',
          '/boot/pc-x86-64/initrd',
        ),
      ],
    },
    'the kernel unpacked only a part of /boot/pc-x86-64/initrd of image img: it is cut off',
    'update-initramfs',
  ],
  [
    'initrd.corrupt',
    panicked(
      'kernel',
      '[    1.166784] Initramfs unpacking failed: junk within compressed archive',
      '[    2.133514] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b',
    ),
    'Kernel panic at kernel: the kernel could not unpack',
    'it is damaged',
    'update-initramfs',
  ],
  [
    'initrd.no-nic',
    stopped(
      'kernel',
      '>>> initrd: no network interface with address 52-54-00-00-00-01; is its driver among these modules: nfs?',
    ),
    'Stopped at kernel: /boot/pc-x86-64/initrd of image img has not the driver of the network card (virtio_net',
    'leave it out of the image',
  ],
  [
    'initrd.no-nic',
    refusedStart(
      'Kernel 6.1 of the image has no virtio_net, neither as a module in /lib/modules/6.1 nor built in: a node could not mount its root.',
      'initrd.missingModule',
    ),
    'no initrd can be made for image img',
    'run depmod',
  ],
  [
    'initrd.no-nfs',
    stopped(
      'kernel',
      'mount: mounting 192.168.152.1:/var/lib/walt/nodes/52:54/fs on /root failed: No such device',
    ),
    'has not NFS version 3 (nfs, nfsv3)',
    'leave it out of the image',
  ],
  [
    'initrd.no-walt',
    panicked(
      'kernel',
      "Begin: Mounting root file system ... /init: .: line 246: can't open '/scripts/walt': No such file or directory",
      '[    5.400010] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200',
    ),
    'has no scripts/walt',
    'initramfs-tools/scripts/walt',
  ],
  [
    'kernel.no-modules',
    refusedStart(
      "The image has kernel 6.1 but no /lib/modules/6.1: install the kernel's modules, or an initrd, in the image.",
      'initrd.noModules',
    ),
    'The image has kernel 6.1 but no /lib/modules/6.1',
    'run depmod',
  ],
  [
    'cmdline.no-nfsroot',
    stopped('kernel', '>>> initrd: the kernel arguments hold no nfsroot='),
    'hold no nfsroot=',
    'start-generic.ipxe of the default images',
  ],
  [
    'cmdline.no-ip',
    stopped('kernel', '>>> initrd: the kernel arguments hold no ip=<address>:…'),
    'hold no ip=',
    'start-generic-2.ipxe',
  ],
  [
    'panic.no-root',
    panicked(
      'kernel',
      '[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    ),
    'found no root file system (VFS: Unable to mount root fs on unknown-block(0,0))',
    'initrd=initrd',
  ],
  [
    'kernel.stands-still',
    stopped('kernel', '[   22.7] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]'),
    'a processor stands still',
    'cpu.cores=1',
  ],
  [
    'nfs.refused',
    {
      ...stopped('kernel'),
      events: [
        { kind: 'mount', time: 0, path: '/srv/x', ok: false, cause: '/srv/x is not exported to n1' },
        { kind: 'mount', time: 0, path: '/var/lib/walt/nodes/n1/persist', ok: false, cause: 'no' },
      ],
    },
    'the mount of /srv/x was refused: /srv/x is not exported to n1',
    'nfsroot=',
  ],
  [
    'nfs.stale',
    {
      ...IN_INIT,
      end: { kind: 'stalled', text: 'Its boot plan is gone, so its root is not served: reboot it' },
    },
    'no longer knows its root file system (its boot plan is gone)',
    'reboot --hard n1',
  ],
  [
    'nfs.stale',
    {
      stage: 'booted',
      end: { kind: 'rebooted', text: 'booted', times: 0 },
      console: [
        "[   79.847397] walt-fs-watchdog: the root file system is gone for good (stat: can't read file system information for '/mnt/nfsroot': Stale file handle): rebooting.",
      ],
    },
    'Rebooted by itself: the server no longer knows its root file system (stale file handle)',
    'reboot --hard n1',
  ],
  [
    'nfs.silent',
    stopped('init', '[   50.897005] nfs: server 192.168.152.1 not responding, still trying'),
    'the NFS server 192.168.152.1 does not answer it',
    'bootyard lab status',
  ],
  [
    'nfs.no-mount',
    stopped('kernel', 'mount: mounting 192.168.152.1:/x on /root failed: Connection refused'),
    'its root 192.168.152.1:/x could not be mounted (Connection refused)',
    'vers=3',
  ],
  [
    'busybox.missing',
    {
      ...panicked(
        'root',
        "switch_root: can't execute '/bin/walt-init': No such file or directory",
        '[    3.5] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100',
      ),
      findings: [
        finding(
          'busybox.missing',
          'The image has no /bin/busybox, which runs all scripts of a boot.',
          'Install it.',
        ),
      ],
    },
    'walt-init could not be run: the image has no /bin/busybox',
    'install it',
  ],
  [
    'busybox.applet',
    stopped('walt-init', 'pivot_root: applet not found', step('Switching to rootfs...', 'walt-init', 127)),
    'has no pivot_root, which the boot needs, in the step "Switching to rootfs"',
    'busybox-static',
  ],
  [
    'root.no-overlay',
    stopped(
      'walt-init',
      'mount: mounting union on /mnt/finalfs failed: No such device',
      step('Mounting a RAM overlay on top of remote image...', 'walt-init-rootfs-main', 255),
    ),
    'has no overlay file system',
    'overlay.ko',
  ],
  [
    'root.no-init',
    stopped('init', '/bin/_walt_internal_/walt-init-finalfs: exec: line 36: /sbin/init: not found'),
    '/sbin/init of image img could not be started (not found)',
    'systemd-sysv',
  ],
  [
    'clock',
    stopped('walt-init', "The server's clock could not be read (attempt 5 of 5)."),
    'its clock could not be set',
    'TCP port 12345',
  ],
  [
    'preinit.failed',
    stopped('walt-init', step('Calling /bin/walt-preinit...', 'walt-init', 3)),
    '/bin/walt-preinit of image img ended with exit code 3',
    'exit 0',
  ],
  [
    'root.no-folder',
    stopped('kernel', '>>> initrd: the root file system has no folder /sys'),
    'has no folder /sys',
    'mkdir -p /sys',
  ],
  [
    'hybrid.no-room',
    noRoom,
    'Gave up at walt-init: no room on sda1 for the image (99 MiB needed',
    "holds data; let it go with 'bootyard node disk remove n1 0123456789ab --force'",
  ],
  [
    'hybrid.no-room',
    {
      stage: 'booted',
      end: { kind: 'booted', text: 'it is booted' },
      console: ['sda1: not enough room for copying new image!', 'Note: sda1 is not used.'],
    },
    'n1 is booted: the image was not copied to its disk',
    'larger disk',
  ],
  [
    'hybrid.copy-failed',
    stopped('walt-init', '>>> The copy of the image broke off 6 times.'),
    'the copy of the image to its disk broke off 6 times',
    'bootyard lab status',
  ],
  [
    'hybrid.copy-failed',
    stopped(
      'walt-init',
      '*** Copying image to local disk...                 ***',
      '812 files, 20 MiB are copied to sda1.',
    ),
    'the copy of the image to its disk stands still',
    'bootyard lab status',
  ],
  [
    'hybrid.not-possible',
    {
      stage: 'booted',
      end: { kind: 'booted', text: 'it is booted' },
      settings: settings({ 'boot.mode': 'hybrid-volatile' }),
      console: [
        'sda1: not configured for hybrid mode (no walt_hybrid directory)',
        'Falling back to default boot mode: network-volatile.',
      ],
    },
    'boot.mode=hybrid-volatile is not possible (sda1: not configured for hybrid mode',
    'template=hybrid-boot-v',
  ],
  [
    'disk.full',
    stopped(
      'init',
      'Detected boot-mode: hybrid (volatile) on sda1',
      "dd: error writing '/x': No space left on device",
    ),
    'its disk, to which changes of the image are written, is full',
    'bootyard node disk show n1',
  ],
  [
    'overlay.full',
    stopped('init', 'Using boot-mode: network', "dd: error writing '/x': No space left on device"),
    'fills half of its 512M of memory',
    'ram=2G',
  ],
  [
    'memory.out',
    stopped('init', '[   12.5] Out of memory: Killed process 123 (eater) total-vm:1kB'),
    'its 512M of memory were used up, and the kernel killed the program eater',
    'ram=1G',
  ],
  [
    'init.crash',
    panicked('init', '[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b'),
    'Kernel panic at init: /sbin/init of image img was killed by SIGSEGV',
    'bootyard node console n1',
  ],
  [
    'init.crash',
    panicked('init', '[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300'),
    '/sbin/init of image img ended with exit code 3',
  ],
  [
    'panic.no-init',
    panicked('kernel', '[    9.1] Kernel panic - not syncing: Requested init /x failed (error -2).'),
    'no program to start as init (/x: error -2)',
    'init=/bin/walt-init',
  ],
  [
    'panic.no-init',
    panicked(
      'kernel',
      '[    1.912429] Run /init as init process',
      '[    1.916663] Failed to execute /init (error -2)',
      '[    1.916986] Run /bin/walt-init as init process',
      '[    1.917789] Kernel panic - not syncing: Requested init /bin/walt-init failed (error -2).',
    ),
    'could not run /init of /boot/pc-x86-64/initrd of image img (error -2: it, or the program that runs it, is not there)',
    'leave it out of the image',
  ],
  [
    'memory.panic',
    panicked(
      'init',
      '[   20.239910] Out of memory: Killed process 140 (busybox) total-vm:2260kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:28kB oom_score_adj:0',
      '[   20.331124] Out of memory and no killable processes...',
      '[   20.332184] Kernel panic - not syncing: System is deadlocked on memory',
    ),
    'its 512M of memory were used up, and nothing was left to be killed',
    'ram=1G',
  ],
  [
    'panic.timer',
    panicked(
      'kernel',
      "[    0.068000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug and send a report.",
    ),
    'no timer interrupt reached its kernel in time',
    'fewer nodes at the same time',
  ],
  [
    'panic.sysrq',
    panicked('init', '[    9.1] Kernel panic - not syncing: sysrq triggered crash'),
    'asked for a crash',
    'see what in the image does so',
  ],
  [
    'panic.exception',
    panicked(
      'init',
      '[    9.0] BUG: kernel NULL pointer dereference, address: 0000000000000000',
      '[    9.0] RIP: 0010:bad_probe+0x1/0x10 [bad]',
      '[    9.1] Kernel panic - not syncing: Fatal exception in interrupt',
    ),
    'its kernel crashed (BUG: kernel NULL pointer dereference',
    'in bad_probe+0x1/0x10 of its module bad',
    'try another kernel',
  ],
  [
    'panic.exception',
    panicked(
      'init',
      '[    4.441460] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI',
      '[    4.442978] RIP: 0010:init_nls_ascii+0x5/0x1000 [nls_ascii]',
      '[    4.444238] RIP: 0033:0x47fbe9',
      '[    4.475515] RIP: 0010:init_nls_ascii+0x5/0x1000 [nls_ascii]',
      '[    4.484866] Kernel panic - not syncing: Fatal exception',
    ),
    'its kernel crashed (invalid opcode: 0000 [#1] PREEMPT SMP NOPTI) in init_nls_ascii+0x5/0x1000 of its module nls_ascii',
    'do without that module',
  ],
  [
    'panic.other',
    panicked('kernel', '[    9.1] Kernel panic - not syncing: the moon is full'),
    'the kernel gave up: the moon is full',
    'bootyard node console n1',
  ],
  [
    'init.emergency',
    stopped(
      'init',
      '[DEPEND] Dependency failed for /data.',
      '[DEPEND] Dependency failed for Local File Systems.',
      '[DEPEND] Dependency failed for ssh.service - OpenBSD Secure Shell server.',
      'You are in emergency mode. After logging in, type "journalctl -xb" to view',
    ),
    'stopped in emergency mode, as /data failed',
    '/etc/fstab',
  ],
  [
    'network.cut-by-init',
    { ...IN_INIT, ssh: 'silent' },
    'stopped to answer on the network',
    'NetworkManager',
  ],
  [
    'ssh.not-up',
    {
      ...IN_INIT,
      ssh: 'closed',
      findings: [
        finding('ssh.missing', 'The image has no ssh server.', 'Install dropbear.', '/usr/sbin/sshd'),
      ],
    },
    'Stopped at init: the init of image img runs, and no ssh server listens on port 22: the image has no ssh server',
    'install dropbear',
  ],
  ['agent.silent', { ...IN_INIT, ssh: 'open' }, 'has not said that it is booted', 'walt-notify-bootup'],
  [
    'ssh.key-refused',
    { stage: 'booted', end: { kind: 'booted', text: 'it is booted' }, ssh: 'refused' },
    "refuses the lab's key for root",
    'PermitRootLogin prohibit-password',
  ],
  [
    'agent.lost',
    {
      stage: 'booted',
      end: { kind: 'unreachable', text: 'it runs, but has not been heard of for 25 s' },
      ssh: 'silent',
    },
    'Unreachable: it runs, but has not been heard of for 25 s, and its ssh server does not answer either',
    'reboot --hard n1',
  ],
  [
    'step.failed',
    stopped('walt-init', step('Initializing...', 'walt-init', 1)),
    'the step "Initializing..." of walt-init failed with exit code 1',
    'bootyard node console n1',
  ],
  [
    'step.failed',
    stopped('root', '>>> initrd: /bin/walt-start (init=) is not an executable file of the root file system'),
    'Stopped at root: the initrd gave up: /bin/walt-start (init=) is not an executable file',
    'bootyard node console n1',
  ],
  [
    'init.crash',
    {
      ...panicked(
        'init',
        '[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300',
      ),
      end: { kind: 'rebooted', text: 'init (Starting walt image init)', times: 1 },
    },
    'Kernel panic at init: /sbin/init of image img ended with exit code 3',
    'bootyard node console n1',
  ],
  [
    'reboot.own',
    {
      stage: 'booted',
      end: { kind: 'rebooted', text: 'booted', times: 0 },
      console: ['[   50.0] reboot: Restarting system'],
    },
    'Rebooted by itself: after it was booted, its own system restarted it',
    'nothing needs to be done',
  ],
  [
    'boot.loop',
    { ...stopped('init', 'I reboot now'), end: { kind: 'rebooted', text: 'init (x)', times: 3 } },
    'Rebooted by itself at init: each boot ends in a reboot at init (x)',
    'bootyard node console n1',
  ],
];
