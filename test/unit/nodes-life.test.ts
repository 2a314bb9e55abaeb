import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { type TestNodes, never, newManager, home, database, lab, until } from '../support/manager-nodes.ts';

describe('a life', () => {
  test('a node that is created off is told to those who look on', async () => {
    await lab.manager.create({ name: 'n1', powerOn: false });
    expect(lab.states).toEqual(['n1 off']);
  });

  test('create, booted, unreachable and back, rename, stop, remove', async () => {
    const created = await lab.manager.create({
      name: 'n1',
      settings: { 'boot.timeout': 'none', ram: '128M' },
    });
    expect(created).toMatchObject({
      state: 'booting',
      image: 'tiny',
      ip: '192.168.152.2',
      stage: 'firmware',
    });
    expect(created.settings).toMatchObject({ ram: '128M', firmware: 'ipxe' });
    expect(lab.events[0]).toMatchObject({
      kind: 'log',
      stream: 'platform.devices',
      line: `new node name=n1 model=pc-x86-64 mac=${created.mac} ip=192.168.152.2`,
    });
    const waiting = lab.manager.wait(['n1'], undefined, never);
    await lab.guestRuns();
    lab.agent('booted');
    expect(await waiting).toMatchObject([{ state: 'booted', stage: null, reason: null }]);
    expect(lab.node().bootedAt).not.toBeNull();
    expect(lab.stages.map(({ stage }) => stage)).toEqual(['firmware', 'walt-init', 'booted']);
    expect(lab.manager.boots.timeline('n1', undefined)).toMatchObject({ node: 'n1', outcome: 'booted' });
    expect(
      new BootRecords(database).events(new BootRecords(database).last(created.mac)?.id ?? '').length,
    ).toBeGreaterThan(1);

    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    lab.agent('lost');
    expect(lab.node().state).toBe('booted');
    vi.advanceTimersByTime(30_000);
    expect(lab.node()).toMatchObject({ state: 'unreachable', reason: expect.stringContaining('25 s') });
    lab.agent('booted');
    lab.agent('lost');
    lab.agent('booted');
    vi.advanceTimersByTime(60_000);
    expect(lab.node()).toMatchObject({ state: 'booted', reason: null });
    vi.useRealTimers();

    expect(lab.manager.rename('n1', 'n2')).toMatchObject({ name: 'n2', state: 'booted' });
    expect(lab.manager.byAddress('192.168.152.2')?.name).toBe('n2');
    await expect(lab.manager.remove(['n2'], false)).rejects.toMatchObject({ code: 'node.running' });
    await lab.manager.stop(['n2']);
    expect(lab.node('n2')).toMatchObject({ state: 'off', reason: null });
    expect(lab.calls.filter((call) => call.startsWith('release'))).toHaveLength(1);
    expect(lab.manager.boots.timeline('n2', undefined).outcome).toBe('booted');
    await lab.manager.boot(['n2'], undefined);
    await lab.manager.stop(['n2']);
    const said = lab.manager.boots.ofNode('n2').map(({ node, number, outcome }) => [node, number, outcome]);
    expect(said).toEqual([
      ['n2', 2, 'off'],
      ['n2', 1, 'booted'],
    ]);
    expect(lab.manager.boots.timeline('n2', 1).steps.map(({ kind }) => kind)).toContain('agent');
    expect(() => lab.manager.boots.timeline('n2', 3)).toThrow('No boot 3 of n2 is on record');
    const ofImage = lab.manager.boots.ofImage('tiny');
    expect(ofImage.boots).toHaveLength(2);
    expect(ofImage.spread[0]).toMatchObject({ name: 'total', boots: 1 });
    await lab.manager.remove(['n2'], false);
    expect(lab.removed).toEqual(['n2']);
    expect(readdirSync(join(home, 'nodes'))).toEqual([]);
    expect(readdirSync(join(home, 'run'))).toEqual([]);
    expect(lab.manager.list()).toEqual([]);
  });

  test('what the running machine does not have yet is told, until its next boot', async () => {
    await lab.manager.create({ name: 'n1', powerOn: false });
    expect(lab.node()).toMatchObject({ state: 'off', outdated: [] });
    await lab.manager.boot(['n1']);
    expect(lab.node().outdated).toEqual([]);
    await lab.manager.config(['n1'], { ram: '256M', 'boot.retries': '1' });
    lab.imageId = 'b';
    expect(lab.node().outdated).toEqual(['image', 'ram']);
    await expect(async () => lab.manager.setImage(['n1'], 'none')).rejects.toThrow('No such image');
    expect(lab.manager.setImage(['n1'], 'tiny')).toMatchObject([{ image: 'tiny' }]);
    await lab.manager.reboot(['n1'], true);
    expect(lab.node().outdated).toEqual([]);
  });

  test('a node that runs is removed by force, and its console says so', async () => {
    await lab.manager.create({ name: 'n1' });
    const { mac } = lab.node();
    const ended = new Promise<string | undefined>((resolve) =>
      lab.manager.console('n1', Infinity, {
        write: () => true,
        onDrain: () => undefined,
        onData: () => undefined,
        onClose: () => undefined,
        end: resolve,
      }),
    );
    const waiting = lab.manager.wait(['n1'], undefined, never);
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ code: 'node.failed' }),
      lab.manager.remove(['all-nodes'], true),
    ]);
    expect(await ended).toBe('n1 was removed.');
    expect(lab.calls.at(-1)).toBe(`removeTap vn${mac.replaceAll(':', '')}`);
  });

  test('reboot: soft when the agent agrees and the guest ends, else hard; each is a new boot', async () => {
    await lab.manager.create({ name: 'n1' });
    await lab.guestRuns();
    lab.agent('booted');
    const first = lab.node().bootStartedAt;
    const pid = lab.kept()?.pid ?? 0;
    await lab.manager.reboot(['n1'], false);
    expect(lab.logged.join('\n')).toContain('failed soft-reboot (Connection refused), trying hard-reboot');
    expect(lab.node()).toMatchObject({ state: 'booting', bootedAt: null });
    expect(lab.node().bootStartedAt).not.toBe(first);
    expect(lab.kept()?.pid).not.toBe(pid);

    await vi.waitFor(
      () => expect(lab.stages.filter(({ stage }) => stage === 'walt-init')).toHaveLength(2),
      20_000,
    );
    lab.agent('booted');
    lab.agentReboot = async () => process.kill(lab.kept()?.pid ?? 0, 'SIGTERM') as unknown as void;
    await lab.manager.reboot(['n1'], false);
    expect(lab.logged.join('\n')).toContain('method: soft-reboot');
    expect(lab.node().state).toBe('booting');
  });
});

describe('a new daemon', () => {
  async function newDaemon(): Promise<TestNodes> {
    await lab.manager.close();
    newManager();
    await lab.manager.start();
    return lab;
  }

  test('adopts a booted node: same machine, same boot; unreachable only if it does not come back', async () => {
    await lab.manager.create({ name: 'n1' });
    await lab.guestRuns();
    lab.agent('booted');
    const before = lab.node();
    const kept = lab.kept();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const adopting = newDaemon();
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(1);
      expect(lab.calls).toContain('adopt n1');
    });
    await adopting;
    expect(lab.node()).toEqual(before);
    expect(lab.kept()).toEqual(kept);
    await vi.advanceTimersByTimeAsync(44_000);
    expect(lab.node().state).toBe('booted');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(lab.node().state).toBe('unreachable');
    lab.agent('booted');
    expect(lab.node()).toEqual(before);
  });

  test('adopts a booting node with its stages, and finds a machine that has ended', async () => {
    await lab.manager.create({ name: 'n1' });
    await lab.manager.create({ name: 'n2' });
    await lab.guestRuns('n1');
    const { pid } = lab.kept('n2') ?? { pid: 0 };
    await lab.manager.close();
    process.kill(pid, 'SIGKILL');
    await until('its end', () => lab.kept('n2') === undefined);
    newManager();
    await lab.manager.start();
    expect(lab.node('n1')).toMatchObject({ state: 'booting', stage: 'walt-init' });
    expect(lab.node('n2')).toMatchObject({ state: 'failed', reason: expect.stringContaining('SIGKILL') });
    lab.agent('booted', 'n1');
    expect(lab.manager.boots.timeline('n1', undefined).stages.map(({ name }) => name)).toEqual([
      'firmware',
      'walt-init',
      'booted',
    ]);
    await newDaemon();
    expect(lab.node('n2').state).toBe('failed');
  });
});

describe('refusals change nothing', () => {
  test('names, images, settings, sets', async () => {
    await expect(lab.manager.create({ name: '1x' })).rejects.toThrow('invalid node name');
    await expect(lab.manager.create({ name: 'n1', image: 'nope' })).rejects.toThrow("No such image 'nope'");
    expect(lab.manager.list()).toEqual([]);
    expect(existsSync(join(home, 'nodes')) ? readdirSync(join(home, 'nodes')) : []).toEqual([]);
    await lab.manager.create({ name: 'n1' });
    expect(() => lab.manager.boot(['n1,n9'])).toThrow("Sorry, no node is named 'n9'.");
    expect(() => lab.manager.boot(['n1'], 'nope')).toThrow("No such image 'nope'");
    await expect(lab.manager.config(['n1'], { ram: '2G', 'cpu.cores': 'x' })).rejects.toThrow('cpu.cores');
    expect(lab.node().settings.ram).toBe('512M');
    expect((await lab.manager.config(['n1'], { ram: '2G' })).message).toMatch(/^Done\. Reboot/);
    expect((await lab.manager.config(['n1'], {})).message).toContain('ram=2G');
    expect(lab.manager.usersOf('tiny')).toEqual(['n1']);
    expect(() => lab.manager.boots.timeline('n9', undefined)).toThrow('Sorry');
  });

  test('waiting ends by time, by the caller, by a node that is off', async () => {
    await lab.manager.create({ name: 'n1' });
    await expect(lab.manager.wait(['n1'], 0, never)).rejects.toThrow(
      'Timeout was reached. Not booted: n1 (booting',
    );
    const abort = new AbortController();
    const waiting = lab.manager.wait(['n1'], -1, abort.signal);
    abort.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    await lab.manager.stop(['n1']);
    await expect(lab.manager.wait(['n1'], 1, never)).rejects.toThrow('Node n1 is off.');
  });
});
