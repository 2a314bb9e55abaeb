import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { BootyardError } from '../../backend/errors.ts';
import { EventBus, type BusEvent } from '../../backend/events/bus.ts';
import { NodeManager } from '../../backend/nodes/manager.ts';
import { findKept } from '../../backend/lab/kept-process.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import type { PlannedNode, StageChange } from '../../backend/nodes/parts.ts';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { openDatabase, type Database } from '../../backend/state/database.ts';

// Real QEMU and iPXE with a script for each guest; only the lab's network is left out, by a wrapper of QEMU.
const GUESTS: Record<string, string> = {
  waits: 'echo *** Initializing...            ***\necho up\nshell',
  reboots: 'echo >>> no kernel in this image\nreboot',
  panics: 'echo *** Mounting ***\necho Kernel panic - not syncing: no init found\nshell',
};
const never = new AbortController().signal;

let folder: string;
let oldPath: string | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nodes,with comma-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const wrapper = join(bin, 'qemu-system-x86_64');
  oldPath = process.env.PATH;
  writeFileSync(
    wrapper,
    `#!/bin/bash
words=()
for word; do case $word in
  tap,*) word=user,id=net0,restrict=on ;;
  999999M|1048576) echo "qemu-system-x86_64: cannot set up guest memory" >&2; exit 1 ;;
esac; words+=("$word"); done
PATH=$ORIGINAL_PATH exec /usr/bin/qemu-system-x86_64 "\${words[@]}"
`,
  );
  chmodSync(wrapper, 0o755);
  process.env.ORIGINAL_PATH = oldPath;
  process.env.PATH = `${bin}:${oldPath}`;
  for (const [name, script] of Object.entries(GUESTS)) {
    writeFileSync(join(folder, `${name}.ipxe`), `#!ipxe\n${script}\n`);
  }
});
afterAll(() => {
  process.env.PATH = oldPath;
  rmSync(folder, { recursive: true });
});

/** The node layer with doubles for what lies beyond it: plans, taps, the agent. */
class TestNodes {
  readonly bus = new EventBus();
  readonly events: BusEvent[] = [];
  readonly stages: StageChange[] = [];
  readonly states: string[] = [];
  readonly logged: string[] = [];
  readonly calls: string[] = [];
  readonly removed: string[] = [];
  guest = 'waits';
  planError: Error | undefined;
  warnings: string[] = [];
  agentReboot: (ip: string) => Promise<void> = () => Promise.reject(new Error('Connection refused'));
  readonly manager: NodeManager;
  #boots = 0;

  constructor(home: string, database: Database) {
    this.bus.subscribe((event) => this.events.push(event));
    this.manager = new NodeManager({
      database,
      bus: this.bus,
      paths: { nodes: join(home, 'nodes'), run: join(home, 'run') },
      network: {
        addTap: async (name, owner) => void this.calls.push(`addTap ${name} ${owner?.ip}`),
        joinNetwork: async (name, network) => void this.calls.push(`joinNetwork ${name} ${network}`),
        removeTap: async (name) => void this.calls.push(`removeTap ${name}`),
      },
      agent: { reboot: (ip) => this.agentReboot(ip) },
      planner: {
        plan: async (node: PlannedNode) => {
          this.calls.push(`plan ${node.name}`);
          if (this.planError) throw this.planError;
          return { id: `${process.hrtime.bigint()}${++this.#boots}`, warnings: this.warnings };
        },
        adopt: async (node: PlannedNode) => {
          this.calls.push(`adopt ${node.name}`);
          return { id: 'x' };
        },
        keep: () => {
          throw new Error('not part of this test');
        },
        restore: () => Promise.reject(new Error('not part of this test')),
        collect: async () => undefined,
        release: (node: PlannedNode) => void this.calls.push(`release ${node.name}`),
        firmware: () => ({ kernel: '/usr/lib/ipxe/ipxe.lkrn', initrd: join(folder, `${this.guest}.ipxe`) }),
        checkImage: (image) => {
          if (image !== 'tiny') throw new BootyardError('image.unknown', `Error: No such image '${image}'.`);
        },
        defaultImage: () => 'tiny',
        chooseModel: (model) => model ?? 'pc-x86-64',
      },
      acceleration: async () => ({ accel: 'tcg', reason: 'test' }),
      hostListeners: () => new Set([7777]),
      log: (line) => this.logged.push(line),
      onChange: (node) => this.states.push(`${node.name} ${node.state}`),
      onRemoved: (_mac, name) => this.removed.push(name),
      onStage: (stage) => this.stages.push(stage),
    });
  }

  node(name = 'n1'): NodeInfo {
    const [node] = this.manager.list([name]);
    if (!node) throw new Error('no node');
    return node;
  }
  async reaches(state: string, name = 'n1'): Promise<NodeInfo> {
    await until(state, () => this.node(name).state === state);
    return this.node(name);
  }
  /** What the node's agent would say. */
  agent(phase: 'booted' | 'lost', name = 'n1'): void {
    const { mac, ip } = this.node(name);
    this.bus.publish({ kind: 'agent', phase, client: ip, node: mac });
  }
  /** Waits until the guest's script runs. */
  async guestRuns(name = 'n1'): Promise<void> {
    const { mac } = this.node(name);
    const isLabel = (event: BusEvent) =>
      event.node === mac && event.kind === 'console' && event.line.startsWith('***');
    await until('the guest runs', () => this.events.some(isLabel));
  }
  kept(name = 'n1') {
    const at = join(home, 'nodes', this.node(name).mac.replaceAll(':', '-'));
    return findKept({ pidFile: join(at, 'qemu.pid'), exitFile: join(at, 'qemu.exit') });
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const check = () => {
    if (!isSo()) throw new Error(`not yet: ${what}`);
  };
  await vi.waitFor(check, { timeout: 25_000, interval: 20 });
}

let home: string;
let database: Database;
let lab: TestNodes;
beforeEach(() => {
  home = mkdtempSync(join(folder, 'home-'));
  database = openDatabase(join(home, 'db'));
  lab = new TestNodes(home, database);
});
afterEach(async () => {
  vi.useRealTimers();
  await lab.manager.shutdown();
  await lab.manager.close();
  database.close();
});

describe('a life', () => {
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
    const waiting = lab.manager.wait(['n1'], undefined, never);
    await lab.guestRuns();
    lab.agent('booted');
    expect(await waiting).toMatchObject([{ state: 'booted', stage: null, reason: null }]);
    expect(lab.node().bootedAt).not.toBeNull();
    expect(lab.stages.map(({ stage }) => stage)).toEqual(['firmware', 'walt-init', 'booted']);
    expect(lab.manager.timeline('n1')).toMatchObject({ node: 'n1', outcome: 'booted' });
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
    expect(lab.manager.timeline('n2').outcome).toBe('booted');
    await lab.manager.remove(['n2'], false);
    expect(lab.removed).toEqual(['n2']);
    expect(readdirSync(join(home, 'nodes'))).toEqual([]);
    expect(readdirSync(join(home, 'run'))).toEqual([]);
    expect(lab.manager.list()).toEqual([]);
  });

  test('a node that runs is removed by force, and its console says so', async () => {
    await lab.manager.create({ name: 'n1' });
    const { mac } = lab.node();
    const ended = new Promise<string | undefined>((resolve) =>
      lab.manager.console('n1', true, {
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

describe('boots that fail', () => {
  test('a guest that reboots by itself has failed after three in a row', async () => {
    lab.guest = 'reboots';
    await lab.manager.create({ name: 'n1' });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toMatch(
      /^Reboots by itself at firmware \(no kernel in this ima.*\), 3 times in a row\.$/,
    );
    expect(lab.calls.filter((call) => call === 'plan n1')).toHaveLength(3);
    expect(lab.calls.at(-1)).toBe('release n1');
    expect(lab.manager.timeline('n1').outcome).toBe('failed');
    await expect(lab.manager.wait(['n1'], undefined, never)).rejects.toThrow(
      /Failed: node n1 did not boot. Reboots/,
    );
  });

  test('a kernel panic: failed at once with its text, and the machine is stopped', async () => {
    lab.guest = 'panics';
    await lab.manager.create({ name: 'n1' });
    const waiting = lab.manager.wait(['n1'], undefined, never);
    await expect(waiting).rejects.toThrow('Kernel panic - not syncing: no init found (walt-init).');
    expect(lab.kept()).toBeUndefined();
    await expect(lab.manager.remove(['n1'], false)).resolves.toBeUndefined();
  });

  test('a boot that stands still: failed with its stage, its machine left; it may get booted after all', async () => {
    await lab.manager.create({ name: 'n1', settings: { 'boot.timeout': 10, 'boot.retries': 0 } });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toBe('no progress for 10 s; last: walt-init (Initializing).');
    expect(lab.kept()).toBeDefined();
    await expect(lab.manager.remove(['n1'], false)).rejects.toThrow('n1 is running: stop it first');
    lab.agent('booted');
    expect(lab.node()).toMatchObject({ state: 'booted', reason: null });
    expect(lab.manager.timeline('n1').outcome).toBe('booted');
  });

  test('with retries it is tried again, and says so', async () => {
    await lab.manager.create({ name: 'n1', settings: { 'boot.timeout': 10, 'boot.retries': 1 } });
    const failed = await lab.reaches('failed');
    expect(failed.reason).toContain('trying hard-reboot (last try).');
    const again = await lab.reaches('booting');
    expect(again.reason).toContain('Tried again after: no progress for 10 s');
  });

  test('QEMU that cannot start: its last line; a plan that cannot be made: that sentence', async () => {
    const creating = lab.manager.create({ name: 'n1', settings: { ram: '1024G' } });
    await expect(creating).rejects.toThrow('QEMU did not start: cannot set up guest memory.');
    expect(lab.node()).toMatchObject({
      state: 'failed',
      reason: 'QEMU did not start: cannot set up guest memory.',
    });
    expect(lab.calls.at(-1)).toBe('release n1');
    lab.planError = new BootyardError('x', 'The image is broken.');
    await expect(lab.manager.boot(['n1'])).rejects.toThrow('The image is broken.');
    expect(lab.node()).toMatchObject({ state: 'failed', reason: 'The image is broken.' });
  });

  test('what an image cannot have is a warning in the timeline, the events and the log; the boot goes on', async () => {
    lab.warnings = ['/etc/walt/image.spec is ignored: it is not JSON.'];
    const { mac } = await lab.manager.create({ name: 'n1' });
    await lab.guestRuns();
    lab.agent('booted');
    const warning = '/etc/walt/image.spec is ignored: it is not JSON.';
    const [first] = lab.manager.timeline('n1').stages;
    expect(first).toMatchObject({ name: 'firmware', detail: expect.stringContaining(`warning: ${warning}`) });
    const records = new BootRecords(database);
    expect(records.events(records.last(mac)?.id ?? '')).toContainEqual(
      expect.objectContaining({ kind: 'warning', sentence: warning }),
    );
    expect(lab.logged.filter((line) => line.includes(warning))).toEqual([
      `node n1: WARNING: Nodes may have problems booting this image! ${warning}`,
    ]);
    expect(lab.node().state).toBe('booted');
  });

  test('QEMU that is killed is a failure with the signal', async () => {
    await lab.manager.create({ name: 'n1' });
    process.kill(lab.kept()?.pid ?? 0, 'SIGKILL');
    expect((await lab.reaches('failed')).reason).toContain('QEMU ended unexpectedly (signal SIGKILL');
  });
});

describe('a new daemon', () => {
  async function newDaemon(): Promise<TestNodes> {
    await lab.manager.close();
    lab = new TestNodes(home, database);
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
    lab = new TestNodes(home, database);
    await lab.manager.start();
    expect(lab.node('n1')).toMatchObject({ state: 'booting', stage: 'walt-init' });
    expect(lab.node('n2')).toMatchObject({ state: 'failed', reason: expect.stringContaining('SIGKILL') });
    lab.agent('booted', 'n1');
    expect(lab.manager.timeline('n1').stages.map(({ name }) => name)).toEqual([
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
    expect(() => lab.manager.timeline('n9')).toThrow('Sorry');
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
