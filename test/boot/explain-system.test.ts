import { test } from 'vitest';
import { brokenLab, type Broken } from '../support/explain.ts';
import { isLong } from '../support/long.ts';

const { lab, expectCause, awaited, booted } = brokenLab();

/** The image's own system, from its init to a node that is booted. */
const cases: Broken[] = [
  {
    cause: 'network.cut-by-init',
    make: (files) => files.atInit('ifconfig eth0 10.1.2.3'),
    words: [
      'Stopped at init',
      'stopped to answer on the network after /sbin/init of image',
      'another address',
    ],
  },
  {
    cause: 'ssh.not-up',
    make: (files) => files.edited('etc/inittab', '::respawn:/usr/sbin/dropbear', '# dropbear'),
    words: ['Stopped at init', 'no ssh server listens on port 22', 'let the image start one'],
  },
  {
    cause: 'ssh.key-refused',
    make: (files) => files.edited('etc/inittab', 'dropbear -F', 'dropbear -w -F'),
    words: ['is booted: the ssh server of image', "refuses the lab's key for root", 'dropbear without -w'],
  },
  {
    cause: 'agent.silent',
    change: { add: { 'bin/on-bootup': '#!/bin/busybox sh\nexec busybox sleep 100000\n' } },
    words: ['Stopped at init', 'has not said that it is booted', '/bin/on-bootup ends'],
  },
  {
    cause: 'agent.lost',
    meanwhile: async (node) => {
      await booted(node);
      const kill = 'grep -qs walt-notify-[b]ootup $p/cmdline && kill ${p#/proc/}';
      await lab.inNode(node, `for p in /proc/[0-9]*; do ${kill}; done; true`);
    },
    words: ['Unreachable', 'its ssh server still answers', 'walt-notify-bootup was ended', 'reboot it'],
  },
  {
    cause: 'agent.lost',
    meanwhile: async (node) => {
      await booted(node);
      await lab.inNode(node, 'setsid sh -c "sleep 1; ifconfig eth0 down" >/dev/null 2>&1 </dev/null &');
    },
    words: ['Unreachable', 'has not been heard of for 25 s', 'does not answer either', 'reboot --hard'],
  },
  {
    cause: 'reboot.own',
    meanwhile: async (node) => {
      await booted(node);
      await lab.run('node', 'run', node, 'reboot');
    },
    words: ['Rebooted by itself', 'its own system restarted it', 'nothing needs to be done'],
  },
  {
    cause: 'boot.loop',
    make: (files) => files.atInit('reboot -f'),
    meanwhile: (node) => awaited(node, ({ state }) => state === 'failed'),
    boot: 3,
    words: [
      'Rebooted by itself at init',
      'each boot ends in a reboot at init',
      'see the console of all three',
    ],
  },
  {
    cause: 'init.emergency',
    change: {
      of: 'pc-x86-64-default',
      add: {
        // As in most images, where sshd waits for the file systems.
        'etc/systemd/system/ssh.service.d/late.conf':
          '[Unit]\nRequires=local-fs.target\nAfter=local-fs.target\n',
        // What a line of /etc/fstab is made into: no file system is in that file.
        'etc/systemd/system/data.mount': '[Mount]\nWhat=/etc/hosts\nWhere=/data\nType=ext4\n',
        'etc/systemd/system/local-fs.target.d/data.conf': '[Unit]\nRequires=data.mount\n',
      },
    },
    settings: ['boot.timeout=90'],
    words: ['Stopped at init', 'stopped in emergency mode, as data.mount - /data failed', 'mark it nofail'],
  },
];
test.runIf(isLong).each(cases)('$cause', expectCause);
