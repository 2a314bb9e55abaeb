import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import { NETWORK } from '../../lab/network.ts';
import type { SnapshotRecord } from '../../state/snapshot-records.ts';
import type { ReadyDisk } from '../disks/apply.ts';
import { machineDisks, readyDisks } from '../disks/kept-disk.ts';
import type { Machine, MachinePlace } from '../machine.ts';
import type { NodeRecord, StartedMachine } from '../registry.ts';
import { ControlLine } from './control-line.ts';
import { copyDisks } from './disk-copies.ts';
import { machineOf } from './info.ts';
import { loadState, type WorkControl } from './machine-state.ts';
import { tellResumed } from './guest.ts';

/** How long a copy may take to leave the addresses of the node that it is a copy of. */
const IDENTITY_MS = 30_000;

/** A start of a machine that goes on where a snapshot was made, of the same node or (a copy) of another one. */
export class SnapshotStart {
  readonly snapshot: SnapshotRecord;
  readonly folder: string;
  readonly machine: StartedMachine;
  readonly #control: WorkControl;

  /** `folder`: the snapshot's. Throws `snapshot.newer` when a later Bootyard made it. */
  constructor(snapshot: SnapshotRecord, folder: string, control: WorkControl) {
    this.snapshot = snapshot;
    this.folder = folder;
    this.#control = control;
    const machine = machineOf(snapshot);
    if (machine === null) {
      const sentence = `Snapshot ${snapshot.name} was made by another version of Bootyard, with settings not known here.`;
      throw new BootyardError('snapshot.newer', sentence);
    }
    this.machine = machine;
  }

  /** The user took it back: the node is off then. */
  get isCancelled(): boolean {
    return this.#control.signal.aborted;
  }

  isCopyFor({ mac }: NodeRecord): boolean {
    return this.snapshot.mac !== mac;
  }

  /** Puts copies of the snapshot's disks in the place of the node's. */
  async disks(nodeFolder: string): Promise<ReadyDisk[]> {
    const { settings } = this.machine;
    await copyDisks(this.folder, nodeFolder, machineDisks(settings), this.#control);
    return readyDisks(nodeFolder, settings);
  }

  /** Gives a machine that waits for it its memory. */
  async load(machine: Machine): Promise<void> {
    this.#control.progress({ message: 'Reading the memory' });
    await loadState(machine, join(this.folder, 'state'), this.#control.signal);
  }

  /**
   * Lets the machine go on. One that is a copy first takes its own identity while its network is cut; `connect` ends that.
   * Throws `snapshot.identity` when it does not. Resolves with a sentence when all is not as it should be.
   */
  async wake(
    machine: Machine,
    place: MachinePlace,
    node: NodeRecord,
    connect: () => Promise<void>,
  ): Promise<string | undefined> {
    this.#control.signal.throwIfAborted();
    if (this.isCopyFor(node)) return this.#wakeCopy(machine, place, node, connect);
    await machine.query('cont');
    if (await tellResumed(place, true)) return undefined;
    return 'Its system has no second serial line: its clock stays behind, and it may take a minute to be booted.';
  }

  async #wakeCopy(
    machine: Machine,
    place: MachinePlace,
    { mac, ip, name }: NodeRecord,
    connect: () => Promise<void>,
  ): Promise<undefined> {
    const line = await ControlLine.open(place.controlSocket);
    try {
      const machineId = randomBytes(16).toString('hex');
      await machine.query('cont');
      line.identity(this.snapshot.mac, { mac, ip, prefix: NETWORK.prefix, name, machineId });
      if ((await line.hear(/^ready$/, IDENTITY_MS)) === undefined) {
        throw new BootyardError(
          'snapshot.identity',
          `The system of snapshot ${this.snapshot.name} did not take the addresses of ${name}: boot the node instead.`,
        );
      }
      this.#control.signal.throwIfAborted();
      await connect();
      line.go(randomBytes(32).toString('hex'));
      await line.hear(/^done$/, IDENTITY_MS);
    } finally {
      line.close();
    }
  }
}
