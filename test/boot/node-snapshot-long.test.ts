import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootMode, waitFor } from '../support/hybrid-node.ts';
import { join } from 'node:path';
import { ADDRESSES, TestInternet } from '../support/internet.ts';
import { repository, until } from '../support/lab.ts';
import { SnapshotLab } from '../support/snapshots.ts';
import { importVariant, programOfHost } from '../support/variant.ts';
import { isLong } from '../support/long.ts';

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

  test('a node in persistent hybrid boot has what it wrote before the snapshot, and nothing of later', async () => {
    await lab.bootyard(
      'node',
      'create',
      'p1',
      '--image',
      'pc-x86-64-tiny',
      'disks=2G[template=hybrid-boot-p]',
    );
    await waitFor(lab, 'p1');
    await lab.inNode('p1', 'echo before >/root/before; sync');
    await lab.bootyard('node', 'snapshot', 'save', 'p1', 's1');
    await lab.inNode('p1', 'echo after >/root/after; echo after >/root/before; sync');
    await lab.bootyard('node', 'snapshot', 'restore', 'p1', 's1', '--force');
    const look = () => lab.inNode('p1', 'cat /root/before; ls /root');
    expect(await look()).toBe('before\nbefore\n');
    await lab.inNode('p1', 'echo then >/root/then; sync');
    await lab.bootyard('node', 'reboot', 'p1');
    await waitFor(lab, 'p1');
    expect(await bootMode(lab, 'p1')).toBe('hybrid-persistent');
    expect(await look()).toBe('before\nbefore\nthen\n');
    await lab.bootyard('node', 'remove', '--force', 'p1');
  });

  test('a node of UEFI firmware is restored, copied, and boots after that', async () => {
    await lab.bootyard('node', 'create', 'u1', '--image', 'pc-x86-64-tiny', 'firmware=uefi');
    await waitFor(lab, 'u1');
    await lab.inNode('u1', 'echo then >/tmp/file');
    await lab.bootyard('node', 'snapshot', 'save', 'u1', 's1');
    await lab.inNode('u1', 'echo later >/tmp/file');
    await lab.bootyard('node', 'snapshot', 'restore', 'u1', 's1');
    await lab.bootyard('node', 'create', 'u2', '--from', 'u1@s1');
    const look = '[ -d /sys/firmware/efi ] && cat /tmp/file; hostname';
    for (const name of ['u1', 'u2']) expect(await lab.inNode(name, look)).toBe(`then\n${name}\n`);
    await lab.bootyard('node', 'remove', '--force', 'u1');
    await lab.bootyard('node', 'reboot', '--hard', 'u2');
    await waitFor(lab, 'u2');
    expect(await lab.inNode('u2', look)).toBe('u2\n');
    await lab.bootyard('node', 'remove', '--force', 'u2');
  });

  test('a node with shaped networks is restored with their addresses, and with their shaping', async () => {
    const card = (node: string) => `ifconfig eth1 10.1.0.${node.slice(1)} netmask 255.255.255.0 up`;
    const latency = 'networks=walt-net,far-net[lat=50ms]';
    await lab.bootyard('node', 'create', 'w1', '--image', 'pc-x86-64-tiny', latency);
    await lab.bootyard('node', 'create', 'w2', '--image', 'pc-x86-64-tiny', 'networks=walt-net,far-net');
    for (const name of ['w1', 'w2']) {
      await waitFor(lab, name);
      await lab.inNode(name, card(name));
    }
    const fastest = async () => {
      const said = await lab.inNode('w2', 'ping -i 0.2 -W 2 -c 20 10.1.0.1; true');
      return Math.min(...[...said.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms)));
    };
    await lab.bootyard('node', 'snapshot', 'save', 'w1', 's1');
    await lab.bootyard('node', 'config', 'w1', 'networks=walt-net,far-net');
    await lab.bootyard('node', 'reboot', 'w1');
    await waitFor(lab, 'w1');
    await lab.inNode('w1', card('w1'));
    expect(await fastest()).toBeLessThan(50);
    await lab.bootyard('node', 'snapshot', 'restore', 'w1', 's1', '--force');
    expect(await fastest()).toBeGreaterThanOrEqual(50);
    expect((await lab.node('w1')).settings.networks).toContain('lat=50ms');
    for (const name of ['w1', 'w2']) await lab.bootyard('node', 'remove', '--force', name);
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

test.runIf(isLong)(
  'a copy of a node with systemd has a machine id of its own, which its programs read',
  async () => {
    const lab = new SnapshotLab();
    try {
      await lab.importDefault('pc-x86-64-default');
      await lab.bootyard('node', 'create', 'd1', '--image', 'pc-x86-64-default', 'ram=768M');
      await lab.bootyard('node', 'wait', '--timeout', '280', 'd1');
      await lab.bootyard('node', 'snapshot', 'save', 'd1', 's1');
      await lab.bootyard('node', 'create', 'd2', '--from', 'd1@s1');
      const ids = new Set<string>();
      for (const name of ['d1', 'd2']) {
        const said = await lab.inNode(name, 'systemd-id128 machine-id; cat /etc/machine-id; hostname');
        const [id = '', ...others] = said.split('\n');
        expect(id).toMatch(/^[0-9a-f]{32}$/);
        expect(others).toEqual([id, name, '']);
        ids.add(id);
      }
      expect(ids.size).toBe(2);
    } finally {
      await lab.remove();
    }
  },
  500_000,
);
