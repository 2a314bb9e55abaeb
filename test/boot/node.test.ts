import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageUsage, NodeReads } from '../../backend/api/reads.ts';
import { enterArgv } from '../../backend/lab/launch.ts';
import { NETWORK } from '../../backend/lab/network.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(() => lab.importDefault('pc-x86-64-tiny'));
afterAll(() => lab.remove());

const waitFor = (name: string): Promise<string> => lab.bootyard('node', 'wait', '--timeout', '280', name);

describe('a node on the tiny image', () => {
  test('boots over the network to *booted*, one line per stage', async () => {
    const said = await lab.bootyard('node', 'create', '--wait', 'vnode1', '--image', 'pc-x86-64-tiny');
    for (const stage of ['firmware', 'dhcp', 'kernel', 'root', 'booted']) expect(said).toContain(stage);
    expect(await lab.node('vnode1')).toMatchObject({
      state: 'booted',
      reason: null,
      ip: '192.168.152.2',
      model: 'pc-x86-64',
      image: 'pc-x86-64-tiny',
    });
  });

  test("runs on the image's file system with a RAM overlay, as walt-init makes it", async () => {
    const commandLine = await lab.inNode('vnode1', 'cat /proc/cmdline');
    const { mac } = await lab.node('vnode1');
    expect(commandLine).toContain(`nfsroot=192.168.152.1:/var/lib/walt/nodes/${mac}/fs`);
    expect(commandLine).toContain('init=/bin/walt-init');
    expect(commandLine).toContain('walt.node.model=pc-x86-64');
    expect(await lab.inNode('vnode1', 'df -h / | tail -1')).toMatch(/^union/);
    expect(await lab.inNode('vnode1', 'hostname')).toBe('vnode1\n');
    // Linux asks for ACLs below an overlay where somebody is neither the owner nor root.
    expect(await lab.inNode('vnode1', 'su -s /bin/sh nobody -c id')).toMatch(/^uid=65534/);
    const image = (await lab.images())[0];
    expect(await lab.inNode('vnode1', '. /bin/walt-env; echo $walt_image_id $walt_boot_mode')).toBe(
      `${image?.id} network\n`,
    );
    expect(await lab.inNode('vnode1', 'echo changed > /etc/motd; cat /etc/motd')).toBe('changed\n');
    expect(await lab.inNode('vnode1', 'cat /sys/class/bdi/0:*/read_ahead_kb')).toContain('512\n');
    // The clock chip is on a free IRQ (for iPXE's sake), where the system finds it.
    expect(await lab.inNode('vnode1', 'grep rtc0 /proc/interrupts')).toMatch(/^ *5:/);
  });

  test('what it has read of its image is on record, and the image tells what boots need', async () => {
    const { reads, bootedMs } = JSON.parse(
      await lab.bootyard('node', 'reads', 'vnode1', '--json'),
    ) as NodeReads;
    const size = Number(await lab.inNode('vnode1', 'wc -c < /boot/pc-x86-64/kernel'));
    const kernel = reads.find(({ bytes }) => bytes >= size);
    expect(kernel?.path).toMatch(/^boot\//);
    expect(kernel?.atMs).toBeLessThan(bootedMs ?? 0);
    expect(reads.map(({ path }) => path)).toContain('bin/busybox');
    await lab.inNode('vnode1', 'ls /boot/pc-x86-64');
    expect(await lab.bootyard('node', 'reads', 'vnode1')).toMatch(/ listed +\/boot\/pc-x86-64\/$/m);
    const usage = JSON.parse(await lab.bootyard('image', 'usage', 'pc-x86-64-tiny', '--json')) as ImageUsage;
    expect(usage.boots).toBe(1);
    expect(usage.needed.bytes).toBeGreaterThan(size);
    expect(usage.read.bytes).toBeLessThan(usage.all.bytes);
    expect(usage.untouchedDirectories.length).toBeGreaterThan(0);
  });

  test('what it logs, on its serial line too, and what the lab says of it are kept', async () => {
    const waiting = lab.bootyard(
      'log',
      'wait',
      '--time-margin',
      '60',
      '--format',
      '{issuer}.{stream} {line}',
      'e+cho',
    );
    await lab.inNode('vnode1', 'walt-log-echo exp1 "one echo"; printf "b\\377\\n" | walt-log-cat exp1');
    expect(await waiting).toBe('vnode1.exp1 one echo\n');
    await lab.bootyard('log', 'wait', '--time-margin', '60', '--streams', '^exp1$', '^b');
    await lab.inNode('vnode1', 'echo "LOG program all $((6*7))" >/var/lib/walt/logs.fifo');
    await lab.bootyard('log', 'wait', '--time-margin', '60', '--streams', '^program$', '^all 42$');
    const show = async (...args: string[]): Promise<string> =>
      await lab.bootyard('log', 'show', '--history', 'full', '--format', '{stream} {line}', ...args);
    expect(
      await lab.bootyard('log', 'show', '--history', ':', '--json', '--streams', 'exp1', '^b'),
    ).toContain('"base64":"Yv8="');
    expect(await show('--streams', '^walt-init$')).toContain('walt-init Starting up.\n');
    expect(await show('--streams', '^virtualconsole$')).toMatch(/Linux version [0-9].*\n/);
    const platform = await show('--platform');
    expect(platform).toContain('platform.nodes node vnode1 is booted\n');
    expect(platform).toContain('platform.devices new node name=vnode1 model=pc-x86-64 mac=');
  });

  test('has a timeline whose stages follow each other and add up', async () => {
    const { totalMs, stages, outcome } = await lab.timeline('vnode1');
    expect(outcome).toBe('booted');
    const names = stages.map((stage) => stage.name);
    expect(names[0]).toBe('firmware');
    expect(names.indexOf('dhcp')).toBeLessThan(names.indexOf('kernel'));
    expect(names.indexOf('kernel')).toBeLessThan(names.indexOf('root'));
    for (const [i, stage] of stages.entries()) {
      expect(stage.durationMs).toBeGreaterThanOrEqual(0);
      if (i > 0) expect(stage.startMs).toBeGreaterThanOrEqual(stages[i - 1]?.startMs ?? 0);
    }
    const end = Math.max(...stages.map((stage) => stage.startMs + stage.durationMs));
    expect(Math.abs(totalMs - end)).toBeLessThanOrEqual(1);
  });

  test('has its steps on record: messages, files with their bytes, what walt-init did', async () => {
    const { steps, number, stages } = await lab.timeline('vnode1');
    expect(number).toBe(1);
    const kernel = steps.find(({ path }) => path?.endsWith('/kernel'));
    const size = await lab.inNode('vnode1', 'stat -Lc %s /boot/pc-x86-64/kernel');
    expect(kernel).toMatchObject({ kind: 'file', stage: 'boot files', bytes: Number(size) });
    expect(kernel?.detail).toMatch(/^\/boot\/\S+ of pc-x86-64-tiny, layer 1$/);
    expect(steps.filter(({ kind }) => kind === 'dhcp').map(({ name }) => name.split(':')[0])).toEqual(
      expect.arrayContaining(['DISCOVER', 'REQUEST']),
    );
    const waltInit = steps.filter(({ kind }) => kind === 'walt-init');
    const stage = stages.find(({ name }) => name === 'walt-init');
    const sum = waltInit.reduce((total, { durationMs }) => total + durationMs, 0);
    expect(Math.abs(sum - (stage?.durationMs ?? 0))).toBeLessThan(20);
  });

  test('run gives back output and exit code', async () => {
    const { status, stdout } = await lab.run('node', 'run', 'vnode1', 'echo out; exit 7');
    expect({ status, stdout }).toEqual({ status: 7, stdout: 'out\n' });
    expect(await lab.bootyard('node', 'run', 'vnode1', '--', 'echo', 'two', 'words')).toBe('two words\n');
  });

  test('finds the server and nodes by name, and names by address', async () => {
    // With the server given, nslookup asks it; without, /etc/hosts could be the one that knows.
    const lookup = (asked: string) => lab.inNode('vnode1', `nslookup ${asked} 192.168.152.1`);
    expect(await lookup('server.walt')).toMatch(/server\.walt\s+Address[^:]*: 192\.168\.152\.1\b/);
    expect(await lookup('vnode1.walt')).toMatch(/vnode1\.walt\s+Address[^:]*: 192\.168\.152\.2\b/);
    expect(await lookup('192.168.152.2')).toContain('vnode1.walt');
    expect(await lab.inNode('vnode1', 'cp /etc/hosts /tmp/hosts; : >/etc/hosts; ping -c 1 server')).toContain(
      '192.168.152.1',
    );
    await lab.inNode('vnode1', 'cp /tmp/hosts /etc/hosts');
  });

  test('a soft reboot discards changes and ends in *booted* again', async () => {
    const before = await lab.node('vnode1');
    await lab.bootyard('node', 'reboot', 'vnode1');
    await waitFor('vnode1');
    const after = await lab.node('vnode1');
    expect(after.bootStartedAt).not.toBe(before.bootStartedAt);
    expect(await lab.inNode('vnode1', 'cat /etc/motd 2>/dev/null; true')).not.toContain('changed');
  });

  test('a reboot from inside is a new boot, a poweroff is off', async () => {
    const before = await lab.node('vnode1');
    await lab.run('node', 'run', 'vnode1', 'reboot -f');
    await until(
      'new boot',
      () => lab.node('vnode1'),
      (node) => node.state === 'booted' && node.bootStartedAt !== before.bootStartedAt,
      120_000,
    );
    await lab.run('node', 'run', 'vnode1', 'poweroff -f');
    await until(
      'off',
      () => lab.node('vnode1'),
      (node) => node.state === 'off',
    );
  });

  test.runIf(isLong)("starts from the network card's PXE ROM as well", async () => {
    await lab.bootyard('node', 'config', 'vnode1', 'firmware=pxe');
    const discovery = await watchRouterDiscovery();
    await lab.bootyard('node', 'boot', 'vnode1');
    await waitFor('vnode1');
    const { stages } = await lab.timeline('vnode1');
    expect(JSON.stringify(stages)).toContain('undionly.kpxe');
    expect(await lab.inNode('vnode1', 'cat /proc/cmdline')).toContain('init=/bin/walt-init');
    // The ROM asks for routers, and the iPXE that it fetches asks again: both are answered, or each would ask six times.
    const seen = await discovery.end();
    expect(seen.join(' ')).toMatch(/^(solicitation ){1,5}advertisement (solicitation ){1,5}advertisement/);
    expect(await lab.inNode('vnode1', 'ip -6 route show default; ip -6 address show scope global')).toBe('');
  });

  test('a second node of the same image, and both at once', async () => {
    // The first one is off.
    await lab.bootyard('node', 'boot', 'vnode1');
    await lab.bootyard('node', 'create', 'vnode2', '--image', 'pc-x86-64-tiny');
    await waitFor('vnode1,vnode2');
    const out = await lab.bootyard('node', 'run', 'all-nodes', 'hostname');
    expect(out.split('\n').sort().join('|')).toBe('|vnode1: vnode1|vnode2: vnode2');
  });

  test('rename and remove: a running node is not removed without consent', async () => {
    await lab.bootyard('node', 'rename', 'vnode2', 'second');
    const refused = await lab.run('node', 'remove', 'second');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/running.*--force/);
    const { mac } = await lab.node('second');
    await lab.bootyard('node', 'remove', '--force', 'second');
    expect((await lab.nodes()).map((node) => node.name)).toEqual(['vnode1']);
    expect(existsSync(join(lab.paths.nodes, mac))).toBe(false);
  });

  test('an image that a node uses is not removed', async () => {
    const { status, stderr } = await lab.run('image', 'remove', 'pc-x86-64-tiny');
    expect(status).toBe(1);
    expect(stderr).toContain('Sorry, cannot proceed because the image is in use.');
  });

  test("wrong names, images and nodes get WalT's sentences", async () => {
    const refused = async (...args: string[]): Promise<string> => {
      const { status, stderr } = await lab.run(...args);
      expect(status).toBe(1);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      return stderr;
    };
    expect(await refused('node', 'create', '1bad', '--image', 'pc-x86-64-tiny')).toMatch(/name/i);
    expect(await refused('node', 'create', 'vnode1', '--image', 'pc-x86-64-tiny')).toContain(
      "a device with name 'vnode1' already exists",
    );
    expect(await refused('node', 'create', 'vnode3', '--image', 'nowhere')).toContain(
      "No such image 'nowhere'",
    );
    expect(await refused('node', 'boot', 'nobody')).toContain('nobody');
    expect((await lab.nodes()).map((node) => node.name)).toEqual(['vnode1']);
  });

  test('lab stop leaves nothing behind', async () => {
    await lab.bootyard('lab', 'stop');
    expect(await lab.status()).toMatchObject({ state: 'stopped' });
    const left = readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => commandLine(pid).includes(lab.home));
    expect(left).toEqual([]);
    expect(existsSync(lab.paths.daemonSocket)).toBe(false);
  });
});

/** Watches the messages of RFC 4861 on the lab's bridge, in their order. */
async function watchRouterDiscovery(): Promise<{ end(): Promise<string[]> }> {
  const names: Record<string, string> = { 133: 'solicitation', 134: 'advertisement' };
  const filter = ['-f', 'icmp6 and (ip6[40] == 133 or ip6[40] == 134)', '-T', 'fields', '-e', 'icmpv6.type'];
  const capture = inLab(['tshark', '-l', '-n', '-i', NETWORK.name, ...filter]);
  let printed = '';
  capture.stdout?.on('data', (chunk) => (printed += String(chunk)));
  await new Promise<void>((resolve) => {
    capture.stderr?.on('data', (chunk) => String(chunk).includes('Capturing') && resolve());
  });
  return {
    async end() {
      const ended = once(capture, 'close');
      inLab(['sh', '-c', 'kill -INT $(pidof tshark dumpcap)']);
      await ended;
      const types = printed.split('\n').filter((line) => line !== '');
      return types.map((type) => names[type] ?? type);
    },
  };
}

function inLab(command: string[]): ChildProcess {
  const [program = '', ...args] = enterArgv(lab.paths, command);
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
