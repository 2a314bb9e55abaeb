import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiffEntry } from '../../backend/api/save.ts';
import type { DiskInfo, ImageCopyInfo } from '../../backend/api/node.ts';
import { bootMode, waitFor } from '../support/hybrid-node.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { generator } from '../support/generator.ts';
import { until } from '../support/lab.ts';
import { SnapshotLab } from '../support/snapshots.ts';
import { importVariant } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

const lab = new SnapshotLab();
const TINY = 'pc-x86-64-tiny';
const MODE = 'boot.mode=network-persistent';
beforeAll(async () => {
  await lab.importDefault(TINY);
  await importVariant(lab, 'other', { add: { 'etc/motd': 'another image\n' } });
}, 120_000);
afterAll(() => lab.remove());

async function boot(node: string, ...image: string[]): Promise<void> {
  await lab.bootyard('node', 'boot', node, ...image);
  await waitFor(lab, node);
}
async function kept(node: string): Promise<ImageCopyInfo[]> {
  const disks = JSON.parse(await lab.bootyard('node', 'disk', 'show', node, '--json')) as (DiskInfo & {
    imageCopies: ImageCopyInfo[];
  })[];
  return disks.find(({ name }) => name === 'network-persistent')?.imageCopies ?? [];
}

/** Files that are written one after the other, each counted when it and its checksum are synced. */
const WRITER = `mkdir -p /root/w; i=0; while :; do i=$((i+1)); head -c 20000 /dev/urandom >/root/w/$i
  sha256sum /root/w/$i >/root/w/$i.sum; sync; echo $i; done`;

/** Lets a node write until `isEnough` files count, then ends its machine as it is by `cut`. How many counted. */
async function writeUntil(node: string, enough: number, cut: () => Promise<unknown>): Promise<number> {
  const writer = lab.spawn('node', 'run', node, WRITER);
  let output = '';
  writer.stdout?.on('data', (chunk) => (output += String(chunk)));
  const counted = () => Number(output.match(/\d+(?=\n)/g)?.at(-1) ?? 0);
  const ended = new Promise((resolve) => writer.once('close', resolve));
  await until('files', counted, (count) => count >= enough);
  await cut();
  const count = counted();
  writer.kill();
  await ended;
  return count;
}
/** Names of the first `count` of those files that are not as they were written. */
const wrongFiles = (node: string, count: number): Promise<string> =>
  lab.inNode(node, `cd /root/w; for i in $(seq ${count}); do sha256sum -sc $i.sum || echo $i; done`);

/** What of the files that the test wrote is there. */
const LOOK = `cat /root/note /root/synced; ls -d /etc/shells /etc/profile.d/own /tmp/gone; tail -n1 /etc/profile
  grep -c 'k1.walt' /etc/hosts; grep -c bootyard /root/.ssh/authorized_keys; ls /bin/_walt_internal_ | grep -c walt-init`;

test.runIf(isLong)(
  'what is written is kept through reboots and a power cut, per image; injected files are fresh',
  async () => {
    await lab.bootyard('node', 'create', 'k1', MODE);
    await waitFor(lab, 'k1');
    expect(await bootMode(lab, 'k1')).toBe('network-persistent');
    await lab.inNode(
      'k1',
      `echo x >/root/note; mkdir -p /etc/profile.d/own /tmp/gone; rm /etc/shells; echo '# mine' >>/etc/profile
     echo stale >/etc/hosts; rm -r /root/.ssh; mkdir -m 700 /root/.ssh; echo stale >/root/.ssh/authorized_keys
     rm -r /bin/_walt_internal_/walt-init*`,
    );
    // Nothing was synced: the system is shut down first.
    await lab.bootyard('node', 'reboot', 'k1');
    await waitFor(lab, 'k1');
    expect(await bootMode(lab, 'k1')).toBe('network-persistent');
    expect(await lab.inNode('k1', `{ ${LOOK}; } 2>/dev/null || :`)).toBe(
      'x\n/etc/profile.d/own\n# mine\n1\n1\n4\n',
    );
    const diff = JSON.parse(await lab.bootyard('node', 'diff', 'k1', '--json')) as DiffEntry[];
    expect(diff.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      'A /etc/profile.d',
      'A /etc/profile.d/own',
      'A /root/note',
      'D /etc/shells',
      'M /etc/profile',
    ]);

    await lab.inNode('k1', 'echo y >/root/synced; sync');
    // Ends QEMU as it is.
    const written = await writeUntil('k1', 5, () => lab.bootyard('node', 'boot', 'k1', 'other'));
    await waitFor(lab, 'k1');
    expect(await lab.inNode('k1', 'cat /etc/motd; ls /etc/shells; ls /root')).toBe(
      'another image\n/etc/shells\n',
    );
    await lab.inNode('k1', 'echo z >/root/note; sync');
    await boot('k1', TINY);
    expect(await lab.inNode('k1', `{ ${LOOK}; } 2>/dev/null || :`)).toBe(
      'x\ny\n/etc/profile.d/own\n# mine\n1\n1\n4\n',
    );
    expect([written >= 5, await wrongFiles('k1', written)]).toEqual([true, '']);
    const copies = await until(
      'a report',
      () => kept('k1'),
      (found) => found.length === 2,
    );
    expect(copies.map(({ image, diffBytes }) => [image, diffBytes > 0]).sort()).toEqual([
      ['other', true],
      [TINY, true],
    ]);
    expect(await lab.bootyard('node', 'disk', 'show', 'k1')).toMatch(
      /^network-[0-9a-f]{12} +other +network +kept /m,
    );
  },
  400_000,
);

describe.runIf(isLong)('network-persistent', () => {
  test('after disks of the node; other boot modes do not see what is kept; it can be let go', async () => {
    await lab.bootyard('node', 'create', 'k2', MODE, 'disks=1G[template=ext4],1G');
    await waitFor(lab, 'k2');
    const serials = 'for disk in sda sdb sdc; do tail -c +5 /sys/block/$disk/device/vpd_pg80; echo; done';
    expect(await lab.inNode('k2', serials)).toBe('disk0\ndisk1\nnetwork-persistent\n');
    await lab.inNode('k2', 'echo x >/root/note; sync');
    await lab.bootyard('node', 'config', 'k2', 'boot.mode=network-volatile');
    await boot('k2');
    expect(await bootMode(lab, 'k2')).toBe('network');
    expect(await lab.inNode('k2', 'ls /root; ls -d /sys/block/sd*')).toBe('/sys/block/sda\n/sys/block/sdb\n');
    expect(await lab.bootyard('node', 'disk', 'show', 'k2')).toMatch(/^network-persistent +orphan +ext4/m);
    await lab.bootyard('node', 'config', 'k2', MODE);
    await boot('k2');
    expect(await lab.inNode('k2', 'cat /root/note')).toBe('x\n');
    const [changes] = await until(
      'a report',
      () => kept('k2'),
      ([found]) => (found?.diffBytes ?? 0) > 0,
    );
    const remove = ['node', 'disk', 'remove', 'k2', changes?.name ?? ''];
    expect((await lab.run(...remove)).stderr).toContain('holds data');
    await lab.bootyard(...remove, '--force');
    await boot('k2');
    expect(await lab.inNode('k2', 'ls /root')).toBe('');
    await until(
      'a report',
      () => kept('k2'),
      (found) => found.length === 1 && found[0]?.diffBytes === 0,
    );
    await lab.bootyard('node', 'stop', 'k2');
    const whole = ['node', 'disk', 'remove', 'k2', 'network-persistent', '--force'];
    expect((await lab.run(...whole)).stderr).toContain('change `boot.mode` first');
    await lab.bootyard('node', 'config', 'k2', 'boot.mode=auto');
    await lab.bootyard(...whole);
    expect(await lab.bootyard('node', 'disk', 'show', 'k2')).not.toContain('network');
    await lab.bootyard('node', 'remove', '--force', 'k2');
  }, 600_000);

  test('the same name with new content starts afresh', async () => {
    await importVariant(lab, 'changing', { add: { 'etc/motd': 'one\n' } });
    await lab.bootyard('node', 'create', 'k3', MODE, '--image', 'changing');
    await waitFor(lab, 'k3');
    await lab.inNode('k3', 'echo mine >>/etc/motd; sync');
    await importVariant(lab, 'changing', { add: { 'etc/motd': 'two\n' } }, '--force');
    await boot('k3');
    expect(await lab.inNode('k3', 'cat /etc/motd')).toBe('two\n');
    await lab.bootyard('node', 'remove', '--force', 'k3');
  }, 400_000);

  test('where it is not possible the node falls back, and says why', async () => {
    const { tar } = await defaultImageTar(TINY);
    const list = execFileSync('tar', ['-tf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 });
    const driver = /^(?:\.\/)?(.*\/virtio_scsi\.ko.*)$/m.exec(list)?.[1] ?? '';
    await importVariant(lab, 'driverless', { remove: [driver] });
    await lab.bootyard('node', 'create', 'k4', MODE, '--image', 'driverless');
    await waitFor(lab, 'k4');
    const fallsBack = async (why: string) => {
      expect(await bootMode(lab, 'k4')).toBe('network');
      const { stages } = await lab.timeline('k4');
      const details = stages.map(({ detail }) => detail).join();
      expect(details).toContain('Falling back to default boot mode: network-volatile.');
      const { reason, state } = await lab.node('k4');
      expect([state, reason]).toEqual(['booted', expect.stringContaining(why)]);
    };
    await fallsBack('the disk for them is not there');
    await lab.bootyard('node', 'stop', 'k4');
    const folder = join(lab.paths.nodes, (await lab.node('k4')).mac.replaceAll(':', '-'), 'disks');
    const file = openSync(join(folder, 'network-persistent.dd'), 'r+');
    writeSync(file, Buffer.alloc(4096), 0, 4096, 0);
    closeSync(file);
    await boot('k4', TINY);
    await fallsBack('cannot be mounted');
    await lab.bootyard('node', 'config', 'k4', 'boot.mode=auto');
    await boot('k4');
    expect((await lab.node('k4')).reason).toBeNull();
    await lab.bootyard('node', 'remove', '--force', 'k4');
    expect(existsSync(folder)).toBe(false);
  }, 400_000);

  test('a power cut at ten moments of writing loses nothing that was synced', async () => {
    const random = generator(7);
    await lab.bootyard('node', 'create', 'k5', MODE);
    await waitFor(lab, 'k5');
    for (let cut = 0; cut < 10; cut++) {
      const stop = async () => {
        await delay(random(1500));
        await lab.bootyard('node', 'stop', 'k5');
      };
      const written = await writeUntil('k5', 2, stop);
      await boot('k5');
      expect([cut, await bootMode(lab, 'k5')]).toEqual([cut, 'network-persistent']);
      expect([cut, await wrongFiles('k5', written)]).toEqual([cut, '']);
    }
    await lab.bootyard('node', 'remove', '--force', 'k5');
  }, 900_000);

  test('snapshots have what is kept', async () => {
    await lab.bootyard('node', 'create', 'k6', MODE);
    await waitFor(lab, 'k6');
    await lab.inNode('k6', 'echo then >/root/file');
    await lab.bootyard('node', 'snapshot', 'save', 'k6', 's1');
    await lab.inNode('k6', 'echo later >/root/file; sync');
    await lab.bootyard('node', 'config', 'k6', 'boot.mode=auto');
    expect(await lab.refusal('node', 'snapshot', 'restore', 'k6', 's1')).toContain('gets lost');
    await lab.bootyard('node', 'snapshot', 'restore', 'k6', 's1', '--force');
    await lab.bootyard('node', 'create', 'k7', '--from', 'k6@s1');
    for (const name of ['k6', 'k7']) {
      expect(await lab.inNode(name, 'cat /root/file; hostname; sync')).toBe(`then\n${name}\n`);
      await lab.bootyard('node', 'reboot', name);
      await waitFor(lab, name);
      expect([await bootMode(lab, name), await lab.inNode(name, 'cat /root/file')]).toEqual([
        'network-persistent',
        'then\n',
      ]);
    }
  }, 600_000);
});
