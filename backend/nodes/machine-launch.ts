import type { NodeFirmware } from '../boot/firmware.ts';
import { nodeModel } from '../boot/models.ts';
import { emulationThreads } from '../lab/qemu-version.ts';
import type { ReadyDisk } from './disks/apply.ts';
import type { NodeDisks } from './disks/node-disks.ts';
import { Machine, type MachinePlace } from './machine.ts';
import { boardOf } from './machines/board.ts';
import { deviceTree } from './machines/device-tree.ts';
import type { NetworkCard } from './networks/arguments.ts';
import type { NodeNetworks } from './networks/node-networks.ts';
import type { PlannedNode, Planner } from './parts.ts';
import { qemuArguments, type Machine as VirtualMachine } from './qemu.ts';
import type { QmpEvent } from './qmp.ts';
import type { NodeRecord, StartedMachine } from './registry.ts';
import { ramBytes, withDefaults, type NodeSettings } from './settings.ts';
import type { SnapshotStart } from './snapshots/start.ts';

/** What a machine is started with besides its settings. */
export interface MachineMedia extends NodeFirmware {
  disks: readonly ReadyDisk[];
  cards: readonly NetworkCard[];
}

export interface LaunchParts {
  record: NodeRecord;
  planner: Planner;
  folder: string;
  place: MachinePlace;
  disks: NodeDisks;
  networks: NodeNetworks;
}

/** Makes ready what a node's machine needs (disks, firmware, boot plan, network cards), and starts QEMU with it. */
export class MachineLaunch {
  readonly #parts: LaunchParts;

  constructor(parts: LaunchParts) {
    this.#parts = parts;
  }

  /** For a boot with the settings of now. `say` hears what takes long. */
  async prepare(
    planned: PlannedNode,
    accel: 'kvm' | 'tcg',
    signal: AbortSignal,
    say: (message: string) => void,
  ) {
    const { record, planner, folder, networks } = this.#parts;
    const disks = await this.#parts.disks.prepare(signal, say);
    const settings = withDefaults(record.settings);
    const firmware = planner.firmware(settings.firmware, planned, folder);
    const tree = await deviceTree(this.#described(record.settings), accel, { ...firmware, folder });
    const plan = await planner.plan(planned, folder, {
      deviceTree: tree,
      ramBytes: ramBytes(settings.ram),
    });
    const media: MachineMedia = { ...firmware, disks, cards: await networks.attach(settings) };
    const warnings = [...plan.warnings, ...(await networks.captures.begin(media.cards))];
    return { plan, settings, media, warnings };
  }

  /** For the machine of a snapshot. The network of one that is a copy stays cut. */
  async prepareSnapshot(planned: PlannedNode, from: SnapshotStart): Promise<MachineMedia> {
    const { record, planner, folder, networks } = this.#parts;
    const disks = await from.disks(folder);
    const settings = withDefaults(from.machine.settings);
    const cards = await networks.attach(settings, from.isCopyFor(record));
    await networks.captures.begin(cards);
    return { ...planner.firmware(settings.firmware, planned, folder), disks, cards };
  }

  /** How the timeline names the machine. */
  words({ settings, accel }: StartedMachine): { qemu: string; firmware: string } {
    const { ram, firmware } = withDefaults(settings);
    return {
      qemu: `QEMU with ${accel.toUpperCase()}, ${ram}`,
      firmware: nodeModel(this.#parts.record.model).firmware ?? firmware.replace('uefi', 'UEFI'),
    };
  }

  /** Resolves when QEMU runs, `from` a snapshot with that one's memory loaded. */
  async start(
    { settings, accel }: StartedMachine,
    media: MachineMedia,
    onEvent: (event: QmpEvent) => void,
    from?: SnapshotStart,
  ): Promise<Machine> {
    const { place } = this.#parts;
    const described = this.#described(settings);
    const threads = await emulationThreads(boardOf(described.model).program);
    const argv = qemuArguments(described, { ...media, ...place }, accel, threads);
    if (from) argv.push('-incoming', 'defer');
    return await Machine.start(argv, place, onEvent, (waiting) => from?.load(waiting) ?? Promise.resolve());
  }

  #described(settings: NodeSettings): VirtualMachine {
    const { model, name } = this.#parts.record;
    return { model, name, settings: withDefaults(settings) };
  }
}
