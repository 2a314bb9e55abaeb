import { test } from 'vitest';
import { brokenLab, type Broken } from '../support/explain.ts';
import { isLong } from '../support/long.ts';

const { lab, expectCause, awaited, booted, cut } = brokenLab();
const HYBRID = 'disks=1G[template=hybrid-boot-v]';
/** Its copy of the image is on its way. */
const copying = (node: string) => awaited(node, ({ reason }) => reason?.startsWith('Copying image') ?? false);
/** Disks of nodes, and what is written over the image. */
const cases: Broken[] = [
  {
    cause: 'hybrid.no-room',
    settings: [HYBRID, 'boot.mode=network-volatile'],
    meanwhile: async (node) => {
      await booted(node);
      const fill = 'mount -t ext4 /dev/sda1 /mnt && fallocate -l 900M /mnt/filler && umount /mnt';
      await lab.inNode(node, `modprobe -a crc32c ext4; ${fill}`);
      await lab.bootyard('node', 'config', node, 'boot.mode=auto');
      await lab.bootyard('node', 'reboot', node);
      await booted(node);
    },
    boot: 2,
    words: ['is booted: the image was not copied to its disk', 'not enough room on sda1', 'a larger disk'],
  },
  {
    cause: 'hybrid.copy-failed',
    settings: [HYBRID],
    meanwhile: async (node) => {
      await copying(node);
      await cut(node, 12347, 'reject with tcp reset');
    },
    words: ['at walt-init: the copy of the image to its disk broke off 6 times', 'setting networks'],
  },
  {
    cause: 'hybrid.copy-failed',
    settings: [HYBRID],
    meanwhile: async (node) => {
      await copying(node);
      await cut(node, 12347);
    },
    words: ['Stopped at walt-init: the copy of the image to its disk stands still', 'setting networks'],
  },
  {
    cause: 'hybrid.not-possible',
    settings: ['disks=1G[template=ext4]', 'boot.mode=hybrid-volatile'],
    words: [
      'boot.mode=hybrid-volatile is not possible (sda1: not configured for hybrid mode',
      'boot.mode=auto',
    ],
  },
  {
    cause: 'disk.full',
    make: (files) => files.atInit('fallocate -l 2G /srv/data || exec sleep 100000'),
    settings: [HYBRID],
    words: [
      'Stopped at init',
      'its disk, to which changes of the image are written, is full',
      'node disk show',
    ],
  },
  {
    cause: 'overlay.full',
    make: (files) => files.atInit('fallocate -l 2G /srv/data || exec sleep 100000'),
    words: ['Stopped at init', 'fills half of its 512M of memory', 'ram=2G'],
  },
];
test.runIf(isLong).each(cases)('$cause', expectCause);
