import { BootyardError } from '../../errors.ts';
import type { NodeInfo } from '../info.ts';
import { machineDisks } from '../disks/kept-disk.ts';
import { boardOf } from '../machines/board.ts';
import type { NodeRegistry } from '../registry.ts';
import { parseNetworks } from '../networks/setting.ts';
import { withDefaults, type NodeSettings } from '../settings.ts';
import type { NodeSupervisor } from '../supervisor.ts';
import type { SnapshotInfo } from './info.ts';
import type { WorkControl } from './machine-state.ts';
import { SnapshotStart } from './start.ts';

const MACHINE_SETTINGS = [
  'ram',
  'cpu.cores',
  'disks',
  'boot.mode',
  'netsetup',
  'networks',
  'firmware',
  'accel',
] as const;

export interface SnapshotActionsParts {
  registry: NodeRegistry;
  /** the node of that name; throws a sentence */
  one(name: string): NodeSupervisor;
  /** makes a node that does not run yet */
  add(node: { name: string; model: string; image: string; settings: NodeSettings }): NodeSupervisor;
  /** takes such a node back */
  discard(node: NodeSupervisor): Promise<void>;
}

/** What users do with snapshots of nodes. Errors are sentences for them. */
export class SnapshotActions {
  readonly #parts: SnapshotActionsParts;

  constructor(parts: SnapshotActionsParts) {
    this.#parts = parts;
  }

  list(node: string): SnapshotInfo[] {
    return this.#parts.one(node).snapshots.list();
  }

  /** `name`: by default the time of day */
  save(node: string, name: string | undefined, control: WorkControl): Promise<SnapshotInfo> {
    const chosen = name ?? new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    return this.#parts.one(node).saveSnapshot(chosen, control);
  }

  /**
   * Without `force`, throws `snapshot.loses` when disks that hold data would go back to what they were. Settings of the
   * machine and the image's name become those of the snapshot. `name`: by default the latest.
   */
  async restore(
    node: string,
    name: string | undefined,
    force: boolean,
    control: WorkControl,
  ): Promise<NodeInfo> {
    const supervisor = this.#parts.one(node);
    const start = this.#start(supervisor, name, control);
    const disks = await supervisor.disks.list();
    // Also those that the setting does not ask for any more.
    const replaced = machineDisks(start.machine.settings);
    if (!force && disks.some(({ name, holdsData }) => replaced.includes(name) && holdsData)) {
      throw new BootyardError(
        'snapshot.loses',
        `What was written to the disks of ${node} since snapshot ${start.snapshot.name} gets lost.`,
      );
    }
    await supervisor.restore(start);
    const { mac, settings } = supervisor.record;
    const [now, then] = [withDefaults(settings), start.machine.settings];
    const changed = MACHINE_SETTINGS.filter((key) => then[key] !== undefined && then[key] !== now[key]);
    this.#parts.registry.mergeSettings([mac], pick(then, changed));
    this.#parts.registry.setImage(mac, start.snapshot.image);
    supervisor.notify();
    return supervisor.info();
  }

  async remove(node: string, name: string): Promise<void> {
    await this.#parts.one(node).snapshots.remove(name);
  }

  /** Makes a node that goes on where a snapshot of another one was made. `from`: `<node>@<snapshot>`. */
  async create(name: string, from: string, control: WorkControl): Promise<NodeInfo> {
    const at = from.indexOf('@');
    if (at < 1 || at === from.length - 1) {
      const sentence = `'${from}' names no snapshot: write <node>@<snapshot>, as \`bootyard node snapshot list\` has it.`;
      throw new BootyardError('snapshot.unknown', sentence);
    }
    const origin = this.#parts.one(from.slice(0, at));
    const start = this.#start(origin, from.slice(at + 1), control);
    // All but ports of the host, each of which leads to one node.
    const settings: NodeSettings = { ...start.machine.settings, expose: 'none' };
    const { model } = origin.record;
    if (boardOf(model).serialLines < 2) {
      const sentence = `Nodes of model ${model} cannot be copied: they have no line by which a copy learns who it is.`;
      throw new BootyardError('snapshot.identity', sentence);
    }
    if (parseNetworks(withDefaults(settings).networks).length > 1) {
      const sentence = `Snapshot ${from} cannot be copied: its node has cards in other networks (setting networks), whose addresses a copy would share.`;
      throw new BootyardError('snapshot.identity', sentence);
    }
    const copy = this.#parts.add({ name, model, image: start.snapshot.image, settings });
    try {
      await copy.restore(start);
    } catch (error) {
      await this.#parts.discard(copy);
      throw error;
    }
    return copy.info();
  }

  #start(owner: NodeSupervisor, name: string | undefined, control: WorkControl): SnapshotStart {
    const snapshot = owner.snapshots.find(name);
    return new SnapshotStart(snapshot, owner.snapshots.folder(snapshot), control);
  }
}

function pick(settings: NodeSettings, keys: readonly (keyof NodeSettings)[]): NodeSettings {
  return Object.fromEntries(keys.map((key) => [key, settings[key]]));
}
