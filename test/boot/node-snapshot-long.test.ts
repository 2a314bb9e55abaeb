import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootMode, waitFor } from '../support/hybrid-node.ts';
import { until } from '../support/lab.ts';
import { SnapshotLab } from '../support/snapshots.ts';
import { importVariant, programOfHost } from '../support/variant.ts';

const SWAPS = 'grep /dev/nbd0 /proc/swaps || :';

describe.runIf(process.env.BOOTYARD_TEST_ALL)('snapshots of less common nodes', () => {
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
