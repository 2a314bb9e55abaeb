import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { statfs, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import type { SnapshotRecord } from '../../state/snapshot-records.ts';
import { diskPath, disksFolder } from '../disks/files.ts';
import { machineDisks } from '../disks/kept-disk.ts';
import type { Machine, MachinePlace } from '../machine.ts';
import type { NodeState } from '../info.ts';
import type { SupervisorParts } from '../parts.ts';
import type { NodeRecord, StartedMachine } from '../registry.ts';
import { megabytes, withDefaults } from '../settings.ts';
import { copyDisks, syncAll, usedBytes } from './disk-copies.ts';
import { goOnAfterSave, prepareGuest } from './guest.ts';
import { snapshotInfo, type SnapshotInfo, SNAPSHOT_NAME } from './info.ts';
import { saveState, type WorkControl } from './machine-state.ts';

/** Free room that saving leaves on the host's disk, bytes. */
const RESERVE = 64 * 1024 * 1024;
/** How long QEMU, which may wait for the host's disk, is asked to let a machine go on. */
const GO_ON_MS = 600_000;

/** A node as it is when it is to be saved. */
export interface RunningNode {
  /** undefined when the node is not booted */
  machine: Machine | undefined;
  state: NodeState;
  place: MachinePlace;
  /** is told why the machine is paused, and `undefined` when it goes on */
  paused: (sentence: string | undefined) => void;
}
type SavableNode = Pick<RunningNode, 'place'> & { machine: Machine; started: StartedMachine };

/**
 * The snapshots of one node. Each has a folder with the machine's memory and devices (`state`), copies of its disks, and
 * the plan of its boot, so that the root that it has mounted can be served again. It counts from the moment that its row is
 * in the database, which is the last step; folders without a row are removed when a daemon starts.
 */
export class NodeSnapshots {
  /** a daemon died while it saved this node */
  readonly wasInterrupted: boolean;
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #nodeFolder: string;

  constructor(record: NodeRecord, parts: SupervisorParts, nodeFolder: string) {
    this.#record = record;
    this.#parts = parts;
    this.#nodeFolder = nodeFolder;
    this.wasInterrupted = this.#sweep();
  }

  list(): SnapshotInfo[] {
    return this.#all().map(snapshotInfo);
  }

  /** The snapshot of that name, or the latest. Throws `snapshot.unknown`. */
  find(name: string | undefined): SnapshotRecord {
    const found = name === undefined ? this.#all().at(-1) : this.#all().find((one) => one.name === name);
    if (found) return found;
    const { name: node } = this.#record;
    const what = name === undefined ? 'no snapshot' : `no snapshot '${name}'`;
    const hint = `\`bootyard node snapshot list ${node}\` lists those it has`;
    throw new BootyardError('snapshot.unknown', `Node ${node} has ${what}: ${hint}.`, { node });
  }

  folder({ id }: SnapshotRecord): string {
    return join(this.#nodeFolder, 'snapshots', id);
  }

  /** Throws `snapshot.name` or `snapshot.exists` when a new snapshot cannot have this name. */
  checkName(name: string): void {
    if (!SNAPSHOT_NAME.test(name)) {
      throw new BootyardError(
        'snapshot.name',
        `'${name}' cannot name a snapshot: take up to 64 letters, digits and _ . -, a letter or digit first.`,
      );
    }
    if (this.#all().some((one) => one.name === name)) {
      const node = this.#record.name;
      const hint = `\`bootyard node snapshot remove ${node} ${name}\` makes room for a new one`;
      throw new BootyardError('snapshot.exists', `Node ${node} already has a snapshot '${name}': ${hint}.`);
    }
  }

  /**
   * Saves the machine, which is paused meanwhile. Whatever goes wrong, or when the signal is aborted, the machine goes on
   * and nothing is left. Throws `snapshot.notBooted`, `snapshot.space`, `snapshot.save`, `snapshot.copy`.
   */
  async save(name: string, control: WorkControl, running: RunningNode): Promise<SnapshotInfo> {
    const { machine, state, paused } = running;
    const started = this.#record.running?.machine;
    if (!machine) throw notSavable(this.#record.name, state);
    if (!started) {
      const why = 'an earlier version of Bootyard started it: reboot it first';
      throw notSavable(this.#record.name, state, why);
    }
    this.checkName(name);
    await this.#checkSpace(machine.pid, started);
    paused(`Paused while snapshot ${name} is saved.`);
    try {
      return await this.#saveChecked(name, control, { ...running, machine, started });
    } finally {
      paused(undefined);
    }
  }

  async #saveChecked(
    name: string,
    control: WorkControl,
    { machine, started, place }: SavableNode,
  ): Promise<SnapshotInfo> {
    const id = randomBytes(8).toString('hex');
    const folder = join(this.#nodeFolder, 'snapshots', id);
    mkdirSync(join(folder, 'disks'), { recursive: true });
    try {
      const plan = this.#parts.planner.keep(this.#nodeFolder, folder);
      const createdAt = await this.#copyPaused(folder, machine, started, place, control);
      control.progress({ message: 'Waiting for the disk' });
      await syncAll(folder);
      control.signal.throwIfAborted();
      const { mac } = this.#record;
      const bytes = await usedBytes(folder);
      const row = { id, mac, name, createdAt, ...plan, bytes, machine: JSON.stringify(started) };
      this.#parts.snapshots.add(row);
      this.#parts.log(`node ${this.#record.name}: snapshot ${name} is saved (${Math.round(bytes / 1e6)} MB)`);
      return snapshotInfo(row);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Removes a snapshot, and lets go of an image that nothing else needs. */
  async remove(name: string): Promise<void> {
    const snapshot = this.find(name);
    this.#parts.snapshots.remove(snapshot.id);
    rmSync(this.folder(snapshot), { recursive: true, force: true });
    await this.#parts.planner.collect();
  }

  async #copyPaused(
    folder: string,
    machine: Machine,
    started: StartedMachine,
    place: MachinePlace,
    control: WorkControl,
  ): Promise<number> {
    try {
      const problem = await prepareGuest(place, control);
      if (problem !== undefined) throw notSavable(this.#record.name, 'booted', problem);
      await machine.query('stop');
      const createdAt = Date.now();
      await saveState(machine, join(folder, 'state'), control);
      await copyDisks(this.#nodeFolder, folder, machineDisks(started.settings), control);
      return createdAt;
    } finally {
      await goOnAfterSave(machine, place, true, AbortSignal.timeout(GO_ON_MS));
    }
  }

  async #checkSpace(pid: number, { settings }: StartedMachine): Promise<void> {
    const memory = Math.min(megabytes(withDefaults(settings).ram) * 1024 * 1024, residentBytes(pid));
    const files = machineDisks(settings).map((name) => diskPath(disksFolder(this.#nodeFolder), name));
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).blocks * 512));
    const needed = sizes.reduce((sum, size) => sum + size, memory + RESERVE);
    const { bavail, bsize } = await statfs(this.#nodeFolder);
    if (bavail * bsize >= needed) return;
    const amounts = `may take ${gigabytes(needed)}, and ${gigabytes(bavail * bsize)} are free`;
    throw new BootyardError(
      'snapshot.space',
      `A snapshot of ${this.#record.name} ${amounts} where it would be (${this.#nodeFolder}): make room first.`,
    );
  }

  #all(): SnapshotRecord[] {
    return this.#parts.snapshots.ofNode(this.#record.mac);
  }

  /** Removes what a daemon that died has left: folders that are no snapshot's. Returns whether there were any. */
  #sweep(): boolean {
    const folder = join(this.#nodeFolder, 'snapshots');
    const known = new Set(this.#all().map(({ id }) => id));
    const left = listed(folder).filter((name) => !known.has(name));
    for (const name of left) rmSync(join(folder, name), { recursive: true, force: true });
    return left.length > 0;
  }
}

/** Snapshots are of nodes that are booted: one that boots would go on from a moment that the daemon knows nothing of. */
function notSavable(name: string, state: NodeState, why?: string): BootyardError {
  const hints = {
    booting: `it is booting: wait until it is booted (\`bootyard node wait ${name}\`)`,
    unreachable: 'it cannot be reached: make sure that it goes on first',
    booted: 'its machine is not there',
    off: `it is off: boot it first (\`bootyard node boot ${name}\`)`,
    failed: `it has failed: boot it first (\`bootyard node boot ${name}\`)`,
  };
  const sentence = `Node ${name} cannot be saved, because ${why ?? hints[state]}.`;
  return new BootyardError('snapshot.notBooted', sentence, { node: name, state });
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Of a QEMU process: its guest's memory, as far as it was ever used, is a part of that. */
function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return kilobytes === undefined ? Infinity : Number(kilobytes) * 1024;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)}G`;
}
