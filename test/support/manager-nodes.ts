import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import type { SshState } from '../../backend/agent/node-agent.ts';
import type { Finding } from '../../backend/boot/lint/finding.ts';
import { BootyardError } from '../../backend/errors.ts';
import { EventBus, type BusEvent } from '../../backend/events/bus.ts';
import { NodeManager } from '../../backend/nodes/manager.ts';
import { findKept } from '../../backend/lab/kept-process.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import type { PlannedNode, StageChange } from '../../backend/nodes/parts.ts';
import { openDatabase, type Database } from '../../backend/state/database.ts';

// Real QEMU and iPXE with a script for each guest; only the lab's network is left out, by a wrapper of QEMU.
export const GUESTS: Record<string, string> = {
  waits: 'echo *** Initializing...            ***\necho up\nshell',
  reboots: 'echo >>> no kernel in this image\nreboot',
  panics: 'echo *** Mounting ***\necho Kernel panic - not syncing: no init found\nshell',
};
export const never = new AbortController().signal;

export let folder: string;
export let oldPath: string | undefined;
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
export class TestNodes {
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
  findings: Finding[] = [];
  ssh: SshState = 'closed';
  imageId = 'a';
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
      agent: { reboot: (ip) => this.agentReboot(ip), ssh: async () => this.ssh },
      planner: {
        plan: async (node: PlannedNode) => {
          this.calls.push(`plan ${node.name}`);
          if (this.planError) throw this.planError;
          return {
            id: `${process.hrtime.bigint()}${++this.#boots}`,
            imageId: this.imageId,
            warnings: this.warnings,
          };
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
        findings: async () => this.findings,
        release: (node: PlannedNode) => void this.calls.push(`release ${node.name}`),
        firmware: () => ({ kernel: '/usr/lib/ipxe/ipxe.lkrn', initrd: join(folder, `${this.guest}.ipxe`) }),
        checkImage: (image) => {
          if (image !== 'tiny') throw new BootyardError('image.unknown', `Error: No such image '${image}'.`);
        },
        defaultImage: () => 'tiny',
        imageId: () => this.imageId,
        chooseModel: (model) => model ?? 'pc-x86-64',
      },
      acceleration: async () => ({ accel: 'tcg', reason: 'test' }),
      hostListeners: () => new Set([7777]),
      persistUsage: async () => ({ objects: 0, bytes: 0 }),
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

export async function until(what: string, isSo: () => boolean): Promise<void> {
  const check = () => {
    if (!isSo()) throw new Error(`not yet: ${what}`);
  };
  await vi.waitFor(check, { timeout: 25_000, interval: 20 });
}

export let home: string;
export let database: Database;
export let lab: TestNodes;
/** Another manager on the same files, as a daemon has after the one before. */
export function newManager(): void {
  lab = new TestNodes(home, database);
}
beforeEach(() => {
  home = mkdtempSync(join(folder, 'home-'));
  database = openDatabase(join(home, 'db'));
  newManager();
});
afterEach(async () => {
  vi.useRealTimers();
  await lab.manager.shutdown();
  await lab.manager.close();
  database.close();
});
