import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { guestFolder } from '../../backend/guest/injected.ts';
import { applyDisks } from '../../backend/nodes/disks/apply.ts';
import { diskArguments } from '../../backend/nodes/disks/arguments.ts';
import { markAttached } from '../../backend/nodes/disks/files.ts';
import { parseDisks } from '../../backend/nodes/disks/setting.ts';
import { QmpClient, type QmpEvent } from '../../backend/nodes/qmp.ts';
import { until } from '../support/lab.ts';
import { folderEntries, initramfs, Machine, unpackTiny } from './guest-machine.ts';

/** The first process of the guest: the disks by the node script of the product, then /test, then off. */
const INIT = `#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
modprobe -a ext4 vfat nls_cp437 nls_ascii
sh /order-disks
mkdir -p /mnt; echo
. /test
echo "$$ is done"
sync
poweroff -f
`;

const scratch = mkdtempSync(join(tmpdir(), 'disks-boot-'));
const root = join(scratch, 'root');
const kernel = join(root, 'boot/pc-x86-64/kernel');
let machine: Machine | undefined;
let entries: ReturnType<typeof folderEntries>;

beforeAll(async () => {
  await unpackTiny(root);
  entries = folderEntries(root).filter(({ path }) => !path.startsWith('boot/'));
});
afterEach(() => machine?.stop());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function initrdFor(script: string, count: number): string {
  const order = readFileSync(join(guestFolder(), 'bin/_walt_internal_/walt-order-disks'), 'latin1');
  const files = { init: INIT, test: script, 'order-disks': order };
  const more = Object.entries(files).map(([path, text]) => {
    return { type: 'file' as const, path, mode: 0o755, content: Buffer.from(text) };
  });
  const path = join(scratch, `initrd-${count}`);
  writeFileSync(path, initramfs([...entries, ...more]));
  return path;
}

function checkExt4(path: string): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  return execFileSync('e2fsck', ['-fn', `${path}?offset=1048576`], { env, encoding: 'utf8', stdio: 'pipe' });
}

describe('disks in a virtual machine', () => {
  it('come in order, with their sizes; each kind can be used, and host space is not', async () => {
    const node = join(scratch, 'node,1');
    // The last was made with an MBR, and has grown over what that can hold.
    const before =
      '2G[template=ext4],1G[template=hybrid-boot-v],1G[template=hybrid-boot-p],2G[template=fat32]';
    const text = (last: string) =>
      `${before},1G[template=swap],3G,10T[template=ext4],2T[template=fat32],${last}[template=ext4]`;
    await applyDisks(node, parseDisks(text('1G')));
    await markAttached(node, 9);
    const disks = await applyDisks(node, parseDisks(text('3T')));
    const used = () => disks.map(({ path }) => statSync(path).blocks * 512);
    const usedBefore = used();

    // Names as bad as they may come: the last disk first.
    const script = `
cd /sys/bus/scsi/drivers/sd
backwards=
for disk in 0:0:*; do backwards="$disk $backwards"; done
for disk in $backwards; do echo $disk >unbind; done
for disk in $backwards; do echo $disk >bind; done
cd /
[ -d /sys/bus/scsi/drivers/sd/0:0:8:0/block/sda ] && echo "backwards"
sh /order-disks
for disk in /sys/block/sd*; do
  target=$(readlink -f $disk/device)
  serial=$(tail -c +5 $disk/device/vpd_pg80)
  echo "disk \${disk##*/} \${target##*/} $serial $(cat $disk/size) $(cat $disk/device/model)"
done
for name in sda1 sdb1 sdc1 sdd1 sdg1 sdh1 sdi1; do
  case $name in sdd1 | sdh1) kind=vfat ;; *) kind=ext4 ;; esac
  mount -t $kind /dev/$name /mnt || continue
  echo "mounted $name $kind $(df -k /mnt | tail -n1 | awk '{ print $2 }') $(cd /mnt; find . | sort | tr '\\n' ' ')"
  dd if=/dev/zero of=/mnt/zeros bs=1M count=20 2>/dev/null
  echo content >/mnt/file
  umount /mnt
  mount -t $kind /dev/$name /mnt
  echo "again $name $(cat /mnt/file) $(ls -n /mnt | grep file)"
  rm /mnt/zeros
  umount /mnt
done
swapon /dev/sde1
tail -n +2 /proc/swaps
head -c 512 /dev/sdf | tr -d '\\0' | wc -c
`;
    machine = new Machine({
      kernel,
      initrd: initrdFor(script, disks.length),
      arguments: 'quiet',
      devices: diskArguments(disks),
    });
    await machine.shows('is done');
    const lines = machine.console.split('\n');
    expect(lines).toContain('backwards');
    const sizes = [2e9, 1e9, 1e9, 2e9, 1e9, 3e9, 1e13, 2e12, 3e12].map((bytes) => bytes / 512);
    expect(lines.filter((line) => line.startsWith('disk ')).map((line) => line.trim())).toEqual(
      sizes.map(
        (size, index) => `disk sd${'abcdefghi'[index]} 0:0:${index}:0 disk${index} ${size} QEMU-DISK`,
      ),
    );
    const mounted = lines.filter((line) => line.startsWith('mounted ')).map((line) => line.split(' '));
    const kib = Object.fromEntries(mounted.map(([, name, , size]) => [name, Number(size)]));
    expect(Object.keys(kib)).toEqual(['sda1', 'sdb1', 'sdc1', 'sdd1', 'sdg1', 'sdh1', 'sdi1']);
    for (const [name, bytes] of [
      ['sda1', 2e9],
      ['sdd1', 2e9],
      ['sdg1', 1e13],
      ['sdh1', 2e12],
      ['sdi1', 3e12],
    ] as const) {
      expect([name, (kib[name] ?? 0) * 1024 > bytes * 0.93]).toEqual([name, true]);
    }
    const contents = Object.fromEntries(
      mounted.map(([, name, , , ...files]) => [name, files.join(' ').trim()]),
    );
    expect(contents.sda1).toBe('. ./lost+found');
    expect(contents.sdb1).toBe('. ./lost+found ./walt_hybrid');
    expect(contents.sdc1).toBe('. ./lost+found ./walt_hybrid ./walt_hybrid/.persistent');
    expect(contents.sdd1).toBe('.');
    expect(lines.filter((line) => line.startsWith('again ') && line.includes('content')).length).toBe(7);
    expect(machine.console).toMatch(/^\/dev\/sde1 +partition\s+975532\s/m);
    expect(machine.console).not.toMatch(/EXT4-fs error|FAT-fs error|Alternate GPT|corrupt/);
    await machine.exited;

    for (const index of [0, 1, 2, 6, 8])
      expect(checkExt4(disks[index]?.path ?? '')).not.toMatch(/error|FIXED/i);
    for (const [index, bytes] of used().entries()) {
      expect([index, bytes - (usedBefore[index] ?? 0) < 4e6]).toEqual([index, true]);
    }
  });

  it('pause the machine when the host is full, and go on unharmed when there is room again', async () => {
    const small = join(scratch, 'small');
    const disksPlace = await smallDisk(small, '60M');
    try {
      const [disk] = await applyDisks(join(disksPlace.path, 'node'), parseDisks('1G[template=ext4]'));
      const filler = join(disksPlace.path, 'filler');
      writeFileSync(filler, Buffer.alloc(30 << 20, 'x'));
      const qmpSocket = join(scratch, 'qmp');
      const script = `
mount -t ext4 /dev/sda1 /mnt
dd if=/dev/urandom of=/file bs=1M count=40 2>/dev/null
echo "want $(sha256sum </file)"
dd if=/file of=/mnt/file bs=1M conv=fsync 2>/dev/null && echo "written"
umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 /dev/sda1 /mnt
echo "have $(sha256sum </mnt/file)"
umount /mnt
`;
      machine = new Machine({
        kernel,
        initrd: initrdFor(script, 1),
        arguments: 'quiet',
        devices: [...diskArguments(disk ? [disk] : []), '-qmp', `unix:${qmpSocket},server=on,wait=off`],
      });
      const events: QmpEvent[] = [];
      const qmp = await QmpClient.connect(qmpSocket, { onEvent: (event) => events.push(event) });
      const status = async () => (await qmp.execute('query-status')) as { status: string };
      const isFull = ({ status }: { status: string }) => status === 'io-error';
      await machine.during(until('a pause', status, isFull, 200_000));
      expect(events.find(({ event }) => event === 'BLOCK_IO_ERROR')?.data).toMatchObject({
        action: 'stop',
        nospace: true,
        operation: 'write',
      });
      expect(events.map(({ event }) => event)).toContain('STOP');
      expect(machine.console).not.toContain('written');

      const stops = () => events.filter(({ event }) => event === 'STOP').length;
      const before = stops();
      await qmp.execute('cont');
      await until('still no room: another pause', stops, (count) => count > before);

      rmSync(filler);
      await qmp.execute('cont');
      await machine.shows('is done');
      qmp.close();
      const [, want] = /want (\w{64})/.exec(machine.console) ?? [];
      expect(want).toBeDefined();
      expect(machine.console).toContain(`have ${want}`);
      expect(machine.console).not.toMatch(/I\/O error|EXT4-fs error/);
      await machine.exited;
      expect(checkExt4(disk?.path ?? '')).toMatch(/12\/\d+ files/);
    } finally {
      await machine?.stop();
      await disksPlace.remove();
    }
  });
});

/** A tmpfs of `size`, without any right: in a mount namespace that a process of ours keeps. */
async function smallDisk(
  folder: string,
  size: string,
): Promise<{ path: string; remove: () => Promise<void> }> {
  mkdirSync(folder);
  const script = 'mount -t tmpfs -o "size=$1" small "$0" && echo ready && exec sleep infinity';
  const wrapper = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, folder, size];
  const keeper = spawn('unshare', wrapper, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(keeper, 'close');
  await Promise.race([once(keeper.stdout, 'data'), ended]);
  const path = `/proc/${keeper.pid}/root${folder}`;
  expect(readdirSync(path)).toEqual([]);
  return {
    path,
    async remove() {
      keeper.kill('SIGKILL');
      await ended;
    },
  };
}
