import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootMode, waitFor } from '../support/hybrid-node.ts';
import { join } from 'node:path';
import { ADDRESSES, TestInternet } from '../support/internet.ts';
import { repository, until } from '../support/lab.ts';
import { SnapshotLab } from '../support/snapshots.ts';
import { importVariant, programOfHost } from '../support/variant.ts';

const isLong = process.env.BOOTYARD_TEST_ALL !== undefined;
const SWAPS = 'grep /dev/nbd0 /proc/swaps || :';

describe.runIf(isLong)('snapshots of less common nodes', () => {
  const lab = new SnapshotLab();
  beforeAll(async () => {
    await lab.importDefault('pc-x86-64-tiny');
    await importVariant(lab, 'with-nbd', { copy: programOfHost('/sbin/nbd-client') });
  }, 300_000);
  afterAll(() => lab.remove());

  test('swap space of the server is given back while a node is saved, and a node that needs it is not', async () => {
    const settings = ['ram=256M', 'networks=walt-net,other'];
    await lab.bootyard('node', 'create', 'small', '--image', 'with-nbd', ...settings);
    await waitFor(lab, 'small');
    const hasSwap = () =>
      until(
        'swap space',
        () => lab.inNode('small', SWAPS),
        (line) => line !== '',
      );
    await hasSwap();
    await lab.bootyard('node', 'snapshot', 'save', 'small', 'empty');
    await hasSwap();
    await lab.bootyard('node', 'snapshot', 'restore', 'small', 'empty');
    await hasSwap();
    await lab.inNode('small', 'dd if=/dev/urandom of=/root/data bs=1M count=240 2>/dev/null');
    const refused = await lab.refusal('node', 'snapshot', 'save', 'small', 'full');
    expect(refused).toMatch(/^Node small cannot be saved, because \d+ MB of its memory are in swap space/);
    expect((await lab.snapshots('small')).map(({ name }) => name)).toEqual(['empty']);
    expect((await lab.node('small')).state).toBe('booted');
    await hasSwap();
  });

  test('a node in other networks is not copied', async () => {
    const refused = await lab.refusal('node', 'create', 'copy', '--from', 'small@empty');
    expect(refused).toContain('its node has cards in other networks');
    expect((await lab.nodes()).map(({ name }) => name)).toEqual(['small']);
    await lab.bootyard('node', 'remove', '--force', 'small');
  });

  test('a node in hybrid boot is restored and copied with its root, which is on its disk', async () => {
    const disks = 'disks=2G[template=hybrid-boot-v]';
    await lab.bootyard('node', 'create', 'h1', '--image', 'pc-x86-64-tiny', disks);
    await waitFor(lab, 'h1');
    await lab.inNode('h1', 'echo then >/root/file');
    await lab.bootyard('node', 'snapshot', 'save', 'h1', 's1');
    await lab.inNode('h1', 'echo later >/root/file; sync');
    await lab.bootyard('node', 'snapshot', 'restore', 'h1', 's1', '--force');
    await lab.bootyard('node', 'create', 'h2', '--from', 'h1@s1');
    for (const name of ['h1', 'h2']) {
      expect(await lab.inNode(name, 'cat /root/file; hostname')).toBe(`then\n${name}\n`);
      expect(await bootMode(lab, name)).toBe('hybrid-volatile');
    }
    await lab.bootyard('node', 'reboot', 'h2');
    await waitFor(lab, 'h2');
    expect(await bootMode(lab, 'h2')).toBe('hybrid-volatile');
  });
});

describe.runIf(isLong)('snapshots of a node with NAT', () => {
  const internet = new TestInternet();
  const lab = new SnapshotLab({ command: [...internet.prefix, join(repository, 'bin/bootyard')] });
  const fetched = (node: string) =>
    lab.inNode(node, `timeout 8 wget -q -O - http://${ADDRESSES.name}/ 2>/dev/null; true`);
  beforeAll(async () => {
    await internet.start();
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('node', 'create', 'out', '--image', 'pc-x86-64-tiny', 'netsetup=NAT');
    await waitFor(lab, 'out');
  }, 300_000);
  afterAll(async () => {
    await lab.remove();
    internet.stop();
  });

  test('restored with other settings by now, and copied: both reach the internet', async () => {
    expect(await fetched('out')).toBe('internet');
    await lab.bootyard('node', 'snapshot', 'save', 'out', 's1');
    await lab.bootyard('node', 'config', 'out', 'netsetup=LAN');
    await lab.bootyard('node', 'reboot', '--hard', 'out');
    await waitFor(lab, 'out');
    expect(await fetched('out')).toBe('');
    await lab.bootyard('node', 'snapshot', 'restore', 'out', 's1');
    expect(await fetched('out')).toBe('internet');
    expect((await lab.node('out')).settings.netsetup).toBe('NAT');
    await lab.bootyard('node', 'create', 'twin', '--from', 'out@s1');
    expect(await fetched('twin')).toBe('internet');
    expect(await fetched('out')).toBe('internet');
  });
});
