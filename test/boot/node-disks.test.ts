import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DiskInfo } from '../../backend/api/node.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

/** The lab's files are on a small disk of their own, which a node can fill. */
const home = mkdtempSync(join(tmpdir(), 'by-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=600m', 'by-small', home]);
const lab = new TestLab({ home });
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', '--wait', 'n1', 'disks=1G[template=ext4]');
}, 120_000);
afterAll(async () => {
  await lab.run('lab', 'stop');
  execFileSync('umount', [home]);
  rmSync(home, { recursive: true });
});

const disks = async (): Promise<DiskInfo[]> =>
  DiskInfo.array().parse(JSON.parse(await lab.bootyard('node', 'disk', 'show', 'n1', '--json')));
const reboot = async (): Promise<void> => {
  await lab.bootyard('node', 'reboot', '--hard', 'n1');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
};
const mounted = 'mkdir -p /mnt/a && mount /dev/sda1 /mnt/a && cd /mnt/a && ';

describe('disks of a node', () => {
  test('are there at the first boot, and keep what is written across reboots', async () => {
    expect(await disks()).toMatchObject([
      { name: 'disk_0', state: 'attached', template: 'ext4', bytes: 1e9 },
    ]);
    await lab.inNode('n1', `${mounted} echo kept > note && sync`);
    await reboot();
    expect(await lab.inNode('n1', `${mounted} cat note`)).toBe('kept\n');
  });

  test('a larger size grows the file system with what it holds', async () => {
    expect(await lab.bootyard('node', 'config', 'n1', 'disks=2G[template=ext4]')).toContain(
      'Done. Reboot node(s) to see new settings in effect.',
    );
    await reboot();
    expect(
      await lab.inNode('n1', `${mounted} cat note && df -m . | tail -1 | awk '{print ($2 > 1500)}'`),
    ).toBe('kept\n1\n');
  });

  test('another template is refused without consent; with it, the old disk is kept until the next boot', async () => {
    const refused = await lab.run('node', 'config', 'n1', 'disks=2G[template=fat32]');
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('holds data') });
    expect(refused.stderr).toContain('--force');
    expect((await lab.node('n1')).settings.disks).toBe('2G[template=ext4]');
    await lab.bootyard('node', 'config', 'n1', 'disks=2G[template=fat32]', '--force');
    await lab.bootyard('node', 'reboot', '--hard', 'n1');
    expect((await disks()).map(({ state }) => state)).toEqual(['attached', 'replaced']);
    await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
    await until('the old disk is gone', disks, (all) => all.length === 1);
    expect(await lab.inNode('n1', 'head -c 90 /dev/sda1 | tail -c 8')).toBe('FAT32   ');
  });

  test.runIf(isLong)(
    'a full disk of the host pauses the node, which goes on when there is space',
    async () => {
      await lab.bootyard('node', 'config', 'n1', 'disks=2G[template=none]', '--force');
      await reboot();
      const filler = join(home, 'filler');
      const free = Number(execFileSync('stat', ['-f', '-c', '%a', home]).toString()) * 4096;
      writeFileSync(filler, Buffer.alloc(Math.max(0, free - 6e6)));
      const written = lab.inNode(
        'n1',
        'seq 1 2000000 | head -c 12000000 > /dev/sda; sync; md5sum < /dev/null; echo written',
      );
      const paused = await until(
        'the pause',
        () => lab.node('n1'),
        ({ reason }) => reason !== null,
        120_000,
      );
      expect(paused).toMatchObject({
        state: 'unreachable',
        reason: expect.stringMatching(/^Paused: the host's disk is full/),
      });
      rmSync(filler);
      expect(await written).toContain('written');
      await until(
        'the node goes on',
        () => lab.node('n1'),
        ({ state, reason }) => state === 'booted' && reason === null,
      );
      const sum = 'seq 1 2000000 | head -c 12000000 | md5sum';
      expect(await lab.inNode('n1', `head -c 12000000 /dev/sda | md5sum`)).toBe(await lab.inNode('n1', sum));
    },
  );

  test('a disk that is no longer in the setting is an orphan, which only consent removes', async () => {
    await lab.bootyard('node', 'config', 'n1', 'disks=none');
    expect((await lab.run('node', 'disk', 'remove', 'n1', 'disk_0')).stderr).toContain('n1 is running');
    await lab.bootyard('node', 'stop', 'n1');
    expect(await disks()).toMatchObject([{ name: 'disk_0', state: 'orphan', holdsData: true }]);
    expect(await lab.run('node', 'disk', 'remove', 'n1', 'disk_0')).toMatchObject({
      status: 1,
      stderr: 'Disk disk_0 of node n1 holds data. Use --force to go on.\n',
    });
    await lab.bootyard('node', 'disk', 'remove', 'n1', 'disk_0', '--force');
    expect(await disks()).toEqual([]);
    const folder = join(lab.paths.nodes, readdirSync(lab.paths.nodes)[0] ?? '', 'disks');
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('boot.delay waits before the boot, and a stop ends the wait', async () => {
  await lab.bootyard('node', 'config', 'n1', 'boot.delay=3000');
  const booting = lab.run('node', 'boot', 'n1');
  await until(
    'the wait',
    () => lab.node('n1'),
    ({ reason }) => reason?.startsWith('Waits 3000 s') ?? false,
  );
  await lab.bootyard('node', 'stop', 'n1');
  await booting;
  expect(await lab.node('n1')).toMatchObject({ state: 'off', reason: null });
});
