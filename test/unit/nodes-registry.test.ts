import { describe, expect, test } from 'vitest';
import { checkName, resolveSet } from '../../backend/nodes/names.ts';
import { NodeRegistry } from '../../backend/nodes/registry.ts';
import {
  checkSettings,
  describeSettings,
  megabytes,
  nodeDefaults,
  settingsMessage,
  withDefaults,
} from '../../backend/nodes/settings.ts';
import { openDatabase } from '../../backend/state/database.ts';

const make = (registry: NodeRegistry, name: string) =>
  registry.add({ name, model: 'pc-x86-64', image: 'tiny', settings: {} });

describe('names', () => {
  test.each(['n1', 'rpi-D327', 'A-', 'a'.repeat(63)])('%s is one', (name) => checkName(name));
  test.each([
    ['1a', 'the 1st character must be an alphabet letter'],
    ['', 'the 1st character must be an alphabet letter'],
    ['n', 'a name has at least 2 characters'],
    ['n_1', "only alphanumeric characters and '-' are allowed"],
    ['n1\n', "only alphanumeric characters and '-' are allowed"],
    ['né', "only alphanumeric characters and '-' are allowed"],
    ['a'.repeat(64), 'a name has at most 63 characters'],
    ['all-nodes', 'this word is reserved'],
    ['server', 'this word is reserved'],
    ['registry', 'this word is reserved'],
  ])('%j is none', (name, problem) => {
    expect(() => checkName(name)).toThrow(`Failed: invalid node name`);
    expect(() => checkName(name)).toThrow(problem);
  });
});

describe('sets', () => {
  const nodes = ['n1', 'n2', 'n10'].map((name) => ({ name }));
  const names = (...set: string[]) => resolveSet(set, nodes).map((node) => node.name);

  test('names, lists, keywords; each node once, in the order given', () => {
    expect(names('n2,n1')).toEqual(['n2', 'n1']);
    expect(names('n2', ' n10 , n2', 'N1')).toEqual(['n2', 'n10', 'n1']);
    expect(names('all-nodes')).toEqual(['n1', 'n2', 'n10']);
    expect(names('n10,my-nodes')).toEqual(['n10', 'n1', 'n2']);
  });

  test('what is not there is named, all of it', () => {
    expect(() => names('n1,n3')).toThrow("Sorry, no node is named 'n3'.");
    expect(() => names('n3,n1,n4')).toThrow("Sorry, no nodes are named 'n3', 'n4'.");
    expect(() => names('free-nodes')).toThrow("Sorry, 'free-nodes' means nothing");
    expect(() => names(',')).toThrow('Sorry, there are no nodes');
    expect(() => resolveSet(['all-nodes'], [])).toThrow('Sorry, there are no nodes yet');
  });
});

describe('registry', () => {
  test('addresses: 52:54:00 and three bytes; the lowest free IP; both come back after a restart', () => {
    const database = openDatabase(':memory:');
    const registry = new NodeRegistry(database, (ip) => ip === '192.168.152.3');
    const [first, second, third] = ['n1', 'n2', 'n3'].map((name) => make(registry, name));
    expect(first?.mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    expect([first?.ip, second?.ip, third?.ip]).toEqual(['192.168.152.2', '192.168.152.4', '192.168.152.5']);
    registry.remove(second?.mac ?? '');
    expect(registry.byAddress('192.168.152.4')).toBeUndefined();
    expect(make(registry, 'n4').ip).toBe('192.168.152.4');
    expect(new NodeRegistry(database).all()).toEqual(registry.all());
  });

  test('names are unique whatever their case; a node may change the case of its own', () => {
    const registry = new NodeRegistry(openDatabase(':memory:'));
    const node = make(registry, 'Box');
    expect(() => make(registry, 'box')).toThrow("Failed: a device with name 'Box' already exists.");
    make(registry, 'other');
    expect(() => registry.rename(node.mac, 'OTHER')).toThrow("'other' already exists");
    registry.rename(node.mac, 'box');
    expect(registry.byMac(node.mac)?.name).toBe('box');
  });

  test('the addresses run out with a sentence', () => {
    const registry = new NodeRegistry(openDatabase(':memory:'), (ip) => ip !== '192.168.152.199');
    expect(make(registry, 'n1').ip).toBe('192.168.152.199');
    expect(() => make(registry, 'n2')).toThrow(
      'Sorry, all addresses from 192.168.152.2 to 192.168.152.199 are taken',
    );
  });

  test('settings, image, running and ended state last', () => {
    const database = openDatabase(':memory:');
    const registry = new NodeRegistry(database);
    const node = make(registry, 'n1');
    const other = make(registry, 'n2');
    registry.mergeSettings([node.mac, other.mac], { ram: '1G' });
    registry.mergeSettings([node.mac], { 'cpu.cores': 1 });
    registry.setImage(node.mac, 'big');
    const running = { boot: 'b', startedAt: 1, bootedAt: null, selfReboots: 2, retriesLeft: 3, failed: null };
    registry.setRunning(node.mac, running);
    registry.setEnded(other.mac, { state: 'failed', reason: 'why', startedAt: 1, bootedAt: null });
    const again = new NodeRegistry(database);
    expect(again.byMac(node.mac)).toMatchObject({
      image: 'big',
      settings: { ram: '1G', 'cpu.cores': 1 },
      running,
      ended: undefined,
    });
    expect(again.byMac(other.mac)).toMatchObject({ settings: { ram: '1G' }, ended: { reason: 'why' } });
  });
});

describe('settings', () => {
  test('defaults are WalT’s', () => {
    expect(withDefaults({ ram: undefined })).toEqual(nodeDefaults);
    expect(nodeDefaults).toMatchObject({ ram: '512M', 'boot.timeout': 180, 'boot.retries': 9 });
    expect(nodeDefaults['cpu.cores']).toBeLessThanOrEqual(4);
  });

  test('text becomes values', () => {
    expect(
      checkSettings({ ram: '2G', 'cpu.cores': '2', 'boot.timeout': 'none', 'boot.retries': '0' }),
    ).toEqual({
      ram: '2G',
      'cpu.cores': 2,
      'boot.timeout': 'none',
      'boot.retries': 0,
    });
    expect(megabytes('2G')).toBe(2048);
    expect(megabytes('300M')).toBe(300);
  });

  test.each([
    [{ ram: '512' }, "Failed: ram value should be a number and M or G, such as 512M, not '512'."],
    [{ ram: '1M' }, 'between 128M and 1024G'],
    [{ 'cpu.cores': '0' }, "cpu.cores value should be a whole number from 1 to 64, not '0'"],
    [{ 'cpu.cores': '' }, 'a whole number from 1 to 64'],
    [{ 'cpu.cores': '0x2' }, 'a whole number from 1 to 64'],
    [{ 'cpu.cores': '1.5' }, 'a whole number from 1 to 64'],
    [{ 'boot.timeout': '9' }, 'none or a whole number from 10'],
    [{ 'boot.retries': '-1' }, 'a whole number from 0'],
    [{ firmware: 'bios' }, 'ipxe, pxe or uefi'],
    [
      { 'boot.delay': 'soon' },
      "boot.delay value should be random or a whole number from 0 to 3600, not 'soon'.",
    ],
    [{ disks: '32' }, "Could not parse disks value '32'. See 'bootyard node config --help'."],
    [{ disks: '32G[template=zfs]' }, 'Disk template must be one of: none, ext4,'],
    [{ disks: '32G[size=1]' }, "'size=1' is not a valid disk option."],
    [{ accel: 'hvf' }, 'auto, kvm or tcg'],
    [{ rma: '1G' }, "Unknown setting 'rma'."],
    [{ ['__proto__x']: '1' }, 'Unknown setting'],
    [{ toString: '1' }, "Unknown setting 'toString'."],
  ])('%j is refused', (settings, sentence) => {
    expect(() => checkSettings(settings)).toThrow(sentence);
  });

  test('answers', () => {
    expect(settingsMessage(['boot.timeout'])).toBe('Done.');
    expect(settingsMessage(['boot.timeout', 'ram'])).toBe(
      'Done. Reboot node(s) to see new settings in effect.',
    );
    const lines = describeSettings('n1', { ...nodeDefaults, 'cpu.cores': 3 }).split('\n');
    expect(lines[0]).toBe('Node n1 has the following config applied:');
    expect(lines.slice(1)).toEqual([
      'accel=auto',
      'boot.delay=0',
      'boot.mode=auto',
      'boot.retries=9',
      'boot.timeout=180',
      'cpu.cores=3',
      'disks=none',
      'expose=none',
      'firmware=ipxe',
      'kexec.allow=true',
      'mount.persist=true',
      'netsetup=LAN',
      'networks=walt-net',
      'ram=512M',
    ]);
  });
});
