import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StateListener } from '../../backend/api/client.ts';
import type { LabStatus } from '../../backend/api/lab.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import { LabConnection, retryDelay } from '../../extension/daemon/connection.ts';
import type { LabAccess, LabClient } from '../../extension/daemon/lab-client.ts';
import { LabModel, type ModelChange } from '../../extension/daemon/lab-model.ts';
import {
  spokenStatus,
  statusSentence,
  statusText,
  statusTooltip,
  type LabView,
} from '../../extension/lab/lab-text.ts';
import { whenNode } from '../../extension/nodes/node-wait.ts';
import { Coalescer } from '../../extension/ui/coalescer.ts';

const lab: LabStatus = {
  state: 'running',
  daemon: { pid: 7, version: '0.1.0', rssBytes: 80_000_000, startedAt: '2026-11-21T07:55:00Z' },
  acceleration: 'tcg',
  accelerationReason: 'There is no /dev/kvm.',
  network: { name: 'walt-net', address: '192.168.152.1' },
  nodes: { booted: 0, total: 0 },
};

function node(name: string, changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name,
    mac: `mac-${name}`,
    ip: '192.168.152.10',
    model: 'pc-x86-64',
    image: 'tiny',
    state: 'booted',
    reason: null,
    stage: null,
    bootStartedAt: null,
    bootedAt: 'first',
    settings: {},
    ...changes,
  };
}

function quiet(): void {}

function booted(info: NodeInfo): boolean {
  return info.state === 'booted';
}

function changesOf(model: LabModel): ModelChange['type'][] {
  const seen: ModelChange['type'][] = [];
  model.onChanged((change) => seen.push(change.type));
  return seen;
}

/** A daemon without a socket. */
class FakeDaemon implements LabClient {
  readonly nodes: NodeInfo[];
  listener: StateListener | undefined;
  disposed = false;
  #closed: (() => void)[] = [];

  constructor(nodes: NodeInfo[] = []) {
    this.nodes = nodes;
  }
  call: LabClient['call'] = () => Promise.reject(new Error('not in this test'));
  stream: LabClient['stream'] = () => {
    throw new Error('not in this test');
  };
  openConsole: LabClient['openConsole'] = () => Promise.reject(new Error('not in this test'));
  replayConsole: LabClient['replayConsole'] = () => Promise.reject(new Error('not in this test'));
  readLogs: LabClient['readLogs'] = () => Promise.reject(new Error('not in this test'));
  ping: LabClient['ping'] = () => Promise.reject(new Error('not in this test'));
  holdPort: LabClient['holdPort'] = () => Promise.reject(new Error('not in this test'));
  subscribe(listener: StateListener): Promise<() => void> {
    this.listener = listener;
    listener({ type: 'snapshot', nodes: this.nodes, images: [], lab });
    return Promise.resolve(() => undefined);
  }
  onClose(listener: () => void): () => void {
    this.#closed.push(listener);
    return () => undefined;
  }
  dispose(): void {
    this.disposed = true;
  }
  die(): void {
    for (const listener of this.#closed) listener();
  }
}

const task = { signal: new AbortController().signal, onProgress: () => undefined };

function access(attach: LabAccess['attach'], start?: LabAccess['start']): LabAccess {
  return {
    attach,
    start: start ?? (() => Promise.reject(new Error('not asked for'))),
    stop: () => Promise.resolve(),
  };
}

describe('connection', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('finds no lab, starts none, and notices one that somebody else starts', async () => {
    const daemons: (LabClient | undefined)[] = [undefined, undefined, new FakeDaemon([node('a')])];
    const connection = new LabConnection(
      access(() => Promise.resolve(daemons.shift())),
      quiet,
    );
    await connection.look();
    expect(connection.state).toBe('stopped');
    await vi.runOnlyPendingTimersAsync();
    expect(connection.state).toBe('stopped');
    await vi.runOnlyPendingTimersAsync();
    expect(connection.state).toBe('running');
    expect(connection.model.nodes.map(({ name }) => name)).toEqual(['a']);
    connection.dispose();
  });

  test('comes back after the daemon died, and keeps showing what was known', async () => {
    const first = new FakeDaemon([node('a')]);
    const second = new FakeDaemon([node('a'), node('b')]);
    const answers: (() => Promise<LabClient>)[] = [
      () => Promise.resolve(first),
      () => Promise.reject(new BootyardError('lab.daemon', 'not yet')),
      () => Promise.resolve(second),
    ];
    const connection = new LabConnection(
      access(() => answers.shift()?.() ?? Promise.reject(new Error('too many'))),
      quiet,
    );
    const states: string[] = [];
    connection.onState((state) => states.push(state));
    await connection.look();
    first.die();
    expect(connection.state).toBe('failing');
    expect(connection.failureCode).toBe('lab.lost');
    expect(connection.model.nodes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(retryDelay(0));
    expect(connection.failureCode).toBe('lab.daemon');
    await vi.advanceTimersByTimeAsync(retryDelay(1));
    expect(connection.state).toBe('running');
    expect(connection.failure).toBeUndefined();
    expect(connection.model.nodes).toHaveLength(2);
    expect(states).toEqual(['running', 'failing', 'failing', 'running']);
    connection.dispose();
    expect(second.disposed).toBe(true);
  });

  test('two callers that need the lab start it once', async () => {
    const start = vi.fn<LabAccess['start']>(() => Promise.resolve(new FakeDaemon()));
    const connection = new LabConnection(
      access(() => Promise.resolve(undefined), start),
      quiet,
    );
    const [one, other] = await Promise.all([connection.require(task), connection.require(task)]);
    expect(one).toBe(other);
    expect(start).toHaveBeenCalledTimes(1);
    connection.dispose();
  });

  test('a start that fails is thrown to the caller and shows', async () => {
    const failure = new BootyardError('lab.start', 'The lab cannot start: no QEMU.');
    const connection = new LabConnection(
      access(
        () => Promise.resolve(undefined),
        () => Promise.reject(failure),
      ),
      quiet,
    );
    await expect(connection.require(task)).rejects.toBe(failure);
    expect(connection.state).toBe('failing');
    expect(connection.failure).toBe('The lab cannot start: no QEMU.');
    await vi.runOnlyPendingTimersAsync();
    expect(connection.state).toBe('stopped');
    connection.dispose();
  });

  test('a client that arrives too late is let go', async () => {
    const late = new FakeDaemon();
    const connection = new LabConnection(
      access(() => Promise.resolve(late)),
      quiet,
    );
    const looking = connection.look();
    connection.dispose();
    await looking;
    expect(late.disposed).toBe(true);
  });

  test('delays double up to two seconds', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map(retryDelay)).toEqual([100, 200, 400, 800, 1600, 2000, 2000]);
  });

  test('waiting for a node ends with the state, with its removal and with an abort', async () => {
    const daemon = new FakeDaemon([node('a', { state: 'booting' })]);
    const connection = new LabConnection(
      access(() => Promise.resolve(daemon)),
      quiet,
    );
    await connection.look();
    const controller = new AbortController();
    const [seen, aborted] = [task.signal, controller.signal].map((signal) =>
      whenNode(connection, 'mac-a', booted, signal),
    );
    controller.abort();
    await expect(aborted).rejects.toThrow('closed');
    daemon.listener?.({ type: 'node', seq: 1, node: node('a') });
    await expect(seen).resolves.toMatchObject({ state: 'booted' });
    const gone = whenNode(connection, 'mac-a', () => false, task.signal);
    daemon.listener?.({ type: 'nodeRemoved', seq: 2, mac: 'mac-a', name: 'a' });
    await expect(gone).rejects.toThrow('removed');
    connection.dispose();
  });
});

describe('model', () => {
  test('nodes are in the order of their names, with numbers as numbers', () => {
    const model = new LabModel();
    const nodes = ['vnode10', 'vnode2', 'a'].map((name) => node(name));
    model.apply({ type: 'snapshot', nodes, images: [], lab });
    expect(model.nodes.map(({ name }) => name)).toEqual(['a', 'vnode2', 'vnode10']);
  });

  test('a changed node touches its row; a new, renamed or removed one the list', () => {
    const model = new LabModel();
    model.apply({ type: 'snapshot', nodes: [node('a')], images: [], lab });
    const seen = changesOf(model);
    model.apply({ type: 'node', seq: 1, node: node('a', { state: 'off' }) });
    model.apply({ type: 'node', seq: 2, node: node('a', { name: 'z' }) });
    model.apply({ type: 'node', seq: 3, node: node('b') });
    model.apply({ type: 'nodeRemoved', seq: 4, mac: 'mac-b', name: 'b' });
    model.apply({ type: 'nodeRemoved', seq: 5, mac: 'mac-b', name: 'b' });
    expect(seen).toEqual(['node', 'nodeList', 'nodeList', 'nodeList']);
  });

  test('a stopped lab has nothing', () => {
    const model = new LabModel();
    model.apply({ type: 'snapshot', nodes: [node('a')], images: [], lab });
    model.clear();
    expect([model.nodes, model.images, model.lab]).toEqual([[], [], undefined]);
  });
});

describe('coalescer', () => {
  test('a burst is one flush with each key once', () => {
    vi.useFakeTimers();
    const flush = vi.fn<(keys: string[]) => void>();
    const coalescer = new Coalescer(flush, 100);
    for (const key of ['a', 'b', 'a']) coalescer.add(key);
    vi.advanceTimersByTime(99);
    expect(flush).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(flush.mock.calls).toEqual([[['a', 'b']]]);
    coalescer.add('c');
    coalescer.dispose();
    vi.advanceTimersByTime(1000);
    expect(flush).toHaveBeenCalledTimes(1);
    vi.useRealTimers();
  });
});

describe('what the status bar says', () => {
  const view: LabView = { state: 'running', failure: undefined, lab, booted: 2, total: 3 };

  test('counts, and why there is no KVM', () => {
    expect(statusText(view)).toBe('$(vm-running) 2/3');
    expect(statusSentence(view)).toBe(
      'The lab is running: 2 of 3 nodes booted, acceleration software emulation (TCG). The daemon has pid 7 and takes 80 MB.',
    );
    expect(statusTooltip(view)).toContain('There is no /dev/kvm\\.');
  });

  test('what its user should know of the lab is in sight, and said', () => {
    const told: LabView = { ...view, lab: { ...lab, notices: ['No address is left.'] } };
    expect(statusText(told)).toBe('$(vm-running) 2/3 $(warning)');
    expect(statusTooltip(told)).toContain('No address is left\\.');
    expect(spokenStatus(told)).toBe('Bootyard: 2 of 3 nodes booted. No address is left.');
    expect(spokenStatus(view)).toBe('Bootyard: 2 of 3 nodes booted');
  });

  test('a daemon that is away', () => {
    const failing: LabView = { ...view, state: 'failing', failure: 'The daemon ended.' };
    expect(statusText(failing)).toContain('debug-disconnect');
    expect(statusSentence(failing)).toBe('The daemon does not answer: The daemon ended.');
  });

  test('a stopped lab offers to start it', () => {
    const stopped: LabView = { ...view, state: 'stopped', lab: undefined, booted: 0, total: 0 };
    expect(statusTooltip(stopped)).toContain('command:bootyard.lab.start');
    expect(statusTooltip(stopped)).not.toContain('command:bootyard.lab.stop)');
  });
});
