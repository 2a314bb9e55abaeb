import { BootyardError, messageOf } from '../errors.ts';
import type { BusEvent } from '../events/bus.ts';
import { BootRecords } from '../state/boot-records.ts';
import { SnapshotRecords } from '../state/snapshot-records.ts';
import { BootHistory } from './boot-history.ts';
import type { ConsolePage } from './console-page.ts';
import { compileEre } from '../logs/ere.ts';
import type { TextWanted } from './console-text.ts';
import type { ConsoleViewer } from './console.ts';
import { CaptureActions } from './captures/capture-actions.ts';
import { untilBooted } from './boot-wait.ts';
import { parseRange } from '../logs/range.ts';
import { parseExpose, settleExpose } from './expose.ts';
import { nodeConfigText, parseBootMode } from './boot-mode.ts';
import type { DebugLine } from './debug/debug-line.ts';
import type { KernelStub } from './debug/kernel-stub.ts';
import type { ImageCopy, NamedCopy } from './disks/image-copies.ts';
import type { NodeInfo } from './info.ts';
import { each } from './each.ts';
import type { DiskInfo } from './disks/node-disks.ts';
import { checkModelSettings, modelSettings } from './machines/model-settings.ts';
import { resolveSet } from './names.ts';
import type { Cable } from './networks/topology.ts';
import { checkRemoval, removalLosses, stillRunning } from './removal.ts';
import type { ExposedPort } from './port-board.ts';
import type { NodeParts, PlannedNode, SupervisorParts } from './parts.ts';
import { newDevice, NodeRegistry, plannedOf, type NodeRecord } from './registry.ts';
import {
  checkSettings,
  describeSettings,
  settingsMessage,
  withDefaults,
  type NodeSettings,
} from './settings.ts';
import { SnapshotActions } from './snapshots/actions.ts';
import { NodeSupervisor } from './supervisor.ts';

export interface NewNode {
  name: string;
  /** the image's own when absent, if it serves only one */
  model?: string;
  image?: string;
  settings?: NodeSettings;
  /** not among the nodes that are listed and that sets mean: `TemporaryNodes` */
  temporary?: boolean;
  /** true by default */
  powerOn?: boolean;
}

/** All nodes of the lab. Sets of nodes are in WalT's syntax; operations on several nodes go on side by side. */
export class NodeManager {
  readonly #parts: SupervisorParts;
  readonly #registry: NodeRegistry;
  readonly #supervisors = new Map<string, NodeSupervisor>();
  readonly #watchers = new Set<() => void>();
  readonly #unsubscribe: () => void;
  readonly snapshots: SnapshotActions;
  readonly boots: BootHistory;
  readonly captures: CaptureActions;

  constructor(parts: NodeParts) {
    this.#registry = new NodeRegistry(parts.database);
    const boots = new BootRecords(parts.database);
    this.#parts = {
      ...parts,
      registry: this.#registry,
      boots,
      snapshots: new SnapshotRecords(parts.database),
      onStage: (stage) => {
        if (!this.isTemporary(stage.mac)) parts.onStage(stage);
      },
      onChange: (node) => {
        if (!this.isTemporary(node.mac)) parts.onChange(node);
        for (const watcher of this.#watchers) watcher();
      },
    };
    this.snapshots = new SnapshotActions({
      registry: this.#registry,
      one: (name) => this.#one(name),
      add: (node) => this.#supervise(this.#registry.add(node)),
      discard: (supervisor) => this.#discard(supervisor),
    });
    const nameOf = (mac: string): string | undefined => this.#registry.byMac(mac)?.name;
    this.boots = new BootHistory(boots, (name) => this.#one(name), nameOf);
    this.captures = new CaptureActions((name) => {
      const { record, networks } = this.#one(name);
      return { name: record.name, captures: networks.captures };
    });
    for (const record of this.#registry.all()) this.#supervise(record);
    this.#unsubscribe = parts.bus.subscribe((event) => this.#take(event));
  }

  /** Adopts the nodes that run since before this daemon. A copy that was in the making then goes. */
  async start(): Promise<void> {
    const adopt = async (supervisor: NodeSupervisor): Promise<void> => {
      const isHalf = supervisor.record.running?.copying === true;
      await supervisor.adopt();
      if (isHalf) await this.#discard(supervisor);
    };
    await Promise.all(
      this.#all().map((supervisor) =>
        adopt(supervisor).catch((error: unknown) => {
          this.#parts.log(`node ${supervisor.record.name} is not adopted: ${messageOf(error)}`);
        }),
      ),
    );
  }

  /** The daemon ends; nodes go on. */
  async close(): Promise<void> {
    this.#unsubscribe();
    this.captures.close();
    await Promise.all(this.#all().map((supervisor) => supervisor.release()));
  }

  /** The lab ends, and every node with it. */
  async shutdown(): Promise<void> {
    await each(this.#all(), (supervisor) => supervisor.stop());
  }

  list(set?: string[]): NodeInfo[] {
    const own = () => this.#all().filter(({ record }) => !record.temporary);
    const chosen = set === undefined ? own() : this.#resolve(set);
    return chosen.map((supervisor) => supervisor.info());
  }

  /** Those for one job, which no list shows. */
  temporary(): NodeInfo[] {
    const all = this.#all().filter(({ record }) => record.temporary);
    return all.map((supervisor) => supervisor.info());
  }
  isTemporary(mac: string): boolean {
    return this.#registry.byMac(mac)?.temporary === true;
  }

  /** Makes a node and switches it on, as WalT does. A node whose QEMU does not start stays, as failed. */
  async create(params: NewNode): Promise<NodeInfo> {
    const { planner } = this.#parts;
    const settings = this.#settled(checkSettings(params.settings ?? {}), []);
    const model = planner.chooseModel(params.model, params.image);
    checkModelSettings(params.name, model, settings);
    const image = params.image ?? planner.defaultImage(model);
    planner.checkImage(image, model);
    const { name, temporary } = params;
    const supervisor = this.#supervise(this.#registry.add({ name, model, image, settings, temporary }));
    if (!temporary) this.#parts.bus.publish(newDevice(supervisor.record));
    if (params.powerOn === false) supervisor.notify();
    else await supervisor.powerOn();
    return supervisor.info();
  }

  /** Gives the nodes an image if one is named (`default`: their model's own), then switches them on, or off and on. */
  boot(set: string[], image?: string): Promise<NodeInfo[]> {
    const chosen = this.#resolve(set);
    this.#setImage(chosen, image);
    return this.#each(chosen, (supervisor) => supervisor.powerOn());
  }

  /** The same without a boot. */
  setImage(set: string[], image: string): NodeInfo[] {
    const chosen = this.#resolve(set);
    this.#setImage(chosen, image);
    for (const supervisor of chosen) supervisor.notify();
    return chosen.map((supervisor) => supervisor.info());
  }

  #setImage(chosen: NodeSupervisor[], image: string | undefined): void {
    const images = chosen.map(({ record }) => {
      const name = image === 'default' ? this.#parts.planner.defaultImage(record.model) : image;
      this.#parts.planner.checkImage(name ?? record.image, record.model);
      return { mac: record.mac, name };
    });
    this.#parts.database.transaction(() => {
      for (const { mac, name } of images) if (name !== undefined) this.#registry.setImage(mac, name);
    });
  }

  reboot(set: string[], hard: boolean): Promise<NodeInfo[]> {
    return this.#each(this.#resolve(set), (supervisor) => supervisor.reboot(hard));
  }

  stop(set: string[]): Promise<NodeInfo[]> {
    return this.#each(this.#resolve(set), (supervisor) => supervisor.stop());
  }

  /** As `NodeSupervisor.cutOff`. */
  cutOff(node: string, isCut: boolean): Promise<boolean> {
    return this.#one(node).cutOff(isCut);
  }

  /** As `untilBooted`, for a set of nodes. */
  wait(set: string[], timeoutSeconds: number | undefined, signal: AbortSignal): Promise<NodeInfo[]> {
    const chosen = this.#resolve(set);
    const look = () =>
      chosen.map((supervisor) => ({
        ...supervisor.info(),
        isRemoved: !this.#registry.byMac(supervisor.record.mac),
      }));
    return untilBooted(look, this.#watchers, timeoutSeconds, signal).then(() =>
      chosen.map((supervisor) => supervisor.info()),
    );
  }

  /**
   * Changes settings of all nodes of the set, or of none; without settings, `message` lists those that are in force.
   * Throws `disk.loses` when a disk with data would be set aside and `force` is not given.
   */
  async config(
    set: string[],
    settings: Record<string, string>,
    force = false,
  ): Promise<{ nodes: NodeInfo[]; message: string }> {
    const chosen = this.#resolve(set);
    const names = Object.keys(settings);
    const message =
      names.length > 0
        ? [settingsMessage(names), ...(await this.#change(chosen, checkSettings(settings), force))]
        : chosen.map(({ record }) =>
            describeSettings(record.name, modelSettings(record.model, withDefaults(record.settings))),
          );
    return { nodes: chosen.map((supervisor) => supervisor.info()), message: message.join('\n') };
  }

  /** Answers with warnings. */
  async #change(chosen: NodeSupervisor[], wanted: NodeSettings, force: boolean): Promise<string[]> {
    const { disks } = wanted;
    for (const { record } of chosen) checkModelSettings(record.name, record.model, wanted);
    if (disks !== undefined && !force) for (const one of chosen) await one.disks.checkChange(disks);
    const settings = this.#settled(wanted, chosen);
    this.#registry.mergeSettings(
      chosen.map(({ record }) => record.mac),
      settings,
    );
    for (const supervisor of chosen) supervisor.notify();
    if (disks === undefined) return [];
    const warnings = await Promise.all(chosen.map((one) => one.disks.spaceWarning()));
    return warnings.filter((warning) => warning !== undefined);
  }

  /** With the host ports of `expose` chosen; throws when they are taken, or asked for by several nodes. */
  #settled(settings: NodeSettings, chosen: NodeSupervisor[]): NodeSettings {
    const { expose } = settings;
    if (expose === undefined || expose === 'none') return settings;
    if (chosen.length > 1) {
      throw new BootyardError(
        'node.setting',
        "Failed: the setting 'expose' belongs to one node: a port of the host leads to one only.",
        { setting: 'expose' },
      );
    }
    const exposed = this.exposedPorts();
    const owned = exposed.filter(({ node }) => node !== chosen[0]?.record.name);
    const others = new Map(owned.map(({ hostPort, node }) => [hostPort, node]));
    const taken = new Set(this.#parts.hostListeners());
    // Those are open because the lab has opened them.
    for (const { hostPort } of exposed) taken.delete(hostPort);
    return { ...settings, expose: settleExpose(expose, { others, taken }) };
  }

  /** What the settings `expose` of all nodes ask for. */
  exposedPorts(): ExposedPort[] {
    return this.#registry.all().flatMap(({ name, settings }) =>
      parseExpose(settings.expose ?? 'none').map(({ nodePort, hostPort = 0 }) => ({
        node: name,
        nodePort,
        hostPort,
      })),
    );
  }

  /** Throws for a set of several nodes. */
  one(node: string): NodeInfo {
    return this.#one(node).info();
  }

  cables(node: string): Cable[] {
    const { networks, record } = this.#one(node);
    return networks.cables(withDefaults(record.settings));
  }

  diskList(node: string): Promise<DiskInfo[]> {
    return this.#one(node).disks.list();
  }

  imageCopies(node: string): Promise<NamedCopy[]> {
    return this.#one(node).disks.imageCopies();
  }
  /** What the node at an address has said of the image copies on its disks. */
  async copiesReported(ip: string, copies: ImageCopy[]): Promise<void> {
    await this.#supervisorAt(ip)?.disks.copiesReported(copies);
  }
  /** Shell text for the node at an address that boots and asks how. */
  async bootConfig(ip: string): Promise<string> {
    const supervisor = this.#supervisorAt(ip);
    const { settings = {}, running } = supervisor?.record ?? {};
    // The machine has the disks that were set when it was started.
    const mode = parseBootMode(withDefaults(running?.machine?.settings ?? settings)['boot.mode']);
    const toRemove = await supervisor?.disks.copiesToRemove(mode.mode === 'network-persistent');
    return nodeConfigText(mode, toRemove ?? []);
  }
  #supervisorAt(ip: string): NodeSupervisor | undefined {
    return this.#supervisors.get(this.#registry.byAddress(ip)?.mac ?? '');
  }

  /** Removes a disk file that the node's setting does not ask for, or an image copy (by the begin of its id). Throws `node.running` when the node runs. */
  async removeDisk(node: string, disk: string, force: boolean): Promise<'removed' | 'nextBoot'> {
    const supervisor = this.#one(node);
    if (await supervisor.disks.removeCopy(disk, force)) return 'nextBoot';
    if (supervisor.isRunning) throw stillRunning([node]);
    await supervisor.disks.remove(disk, force);
    return 'removed';
  }

  /** The node itself learns its new name at its next boot. */
  rename(node: string, name: string): NodeInfo {
    const supervisor = this.#one(node);
    this.#registry.rename(supervisor.record.mac, name);
    supervisor.notify();
    return supervisor.info();
  }

  /**
   * Without `force`, nodes that run are refused with `node.running`, those that would take data with them with `node.loses`,
   * and none is removed.
   */
  async remove(set: string[], force: boolean): Promise<void> {
    const chosen = this.#resolve(set);
    if (!force) await checkRemoval(chosen, this.#parts.persistUsage);
    await each(chosen, (supervisor) => this.#discard(supervisor));
  }

  /** What is deleted when nodes are removed, a sentence for each node that has anything. */
  losses(set: string[]): Promise<string[]> {
    return removalLosses(this.#resolve(set), this.#parts.persistUsage);
  }

  console(node: string, history: number, stream: ConsoleViewer): void {
    this.#one(node).console.attach(stream, history);
  }
  readConsole(node: string, cursor: string | undefined, maxBytes: number): ConsolePage {
    return this.#one(node).console.read(cursor, maxBytes);
  }
  replay(node: string, range: string, speed: number, stream: ConsoleViewer): void {
    this.#one(node).console.replay(stream, { ...parseRange(range), speed });
  }

  /** For debuggers of its kernel, and for those of programs. */
  stubOf(node: string): KernelStub {
    return this.#one(node).pauses.stub;
  }
  debugLineOf(node: string): DebugLine {
    return this.#one(node).pauses.debugLine;
  }

  /** Throws `log.regexp` for a search that is no POSIX extended regular expression. */
  consoleText(
    node: string,
    { search, ...wanted }: Omit<TextWanted, 'search'> & { search?: string | undefined },
    stream: ConsoleViewer,
  ): void {
    const matcher = search === undefined ? undefined : compileEre(search);
    this.#one(node).console.text(stream, { ...wanted, search: matcher });
  }

  /** Where connections to a node go; throws a sentence for a node that is not on. */
  reachableAddress(node: string): string {
    const supervisor = this.#one(node);
    const { ip, state } = supervisor.info();
    if (supervisor.isRunning) return ip;
    throw new BootyardError('node.off', `Node ${node} is ${state}.`, { node });
  }

  byAddress(ip: string): PlannedNode | undefined {
    return planned(this.#registry.byAddress(ip));
  }
  byName(name: string): PlannedNode | undefined {
    return planned(this.#registry.byName(name));
  }
  byMac(mac: string): PlannedNode | undefined {
    return planned(this.#registry.byMac(mac));
  }
  /** Whether the setting lets the node mount its /persist. */
  mountsPersist(mac: string): boolean {
    const node = this.#registry.byMac(mac);
    return node !== undefined && withDefaults(node.settings)['mount.persist'] === 'true';
  }
  /** Names of the nodes that boot an image. */
  usersOf(image: string): string[] {
    return this.#registry
      .all()
      .filter((node) => node.image === image)
      .map((node) => node.name);
  }

  async #discard(supervisor: NodeSupervisor): Promise<void> {
    const { mac, name, temporary } = supervisor.record;
    await supervisor.discard();
    this.#registry.remove(mac);
    this.#supervisors.delete(mac);
    if (!temporary) this.#parts.onRemoved(mac, name);
    for (const watcher of this.#watchers) watcher();
    // A snapshot may have been all that needed an image.
    await this.#parts.planner.collect();
  }

  #supervise(record: NodeRecord): NodeSupervisor {
    const supervisor = new NodeSupervisor(record, this.#parts);
    this.#supervisors.set(record.mac, supervisor);
    return supervisor;
  }

  #take(event: BusEvent): void {
    if (event.node !== undefined) this.#supervisors.get(event.node)?.take(event);
  }

  #all(): NodeSupervisor[] {
    return this.#registry.all().flatMap((record) => this.#supervisors.get(record.mac) ?? []);
  }
  #resolve(set: readonly string[]): NodeSupervisor[] {
    return resolveSet(set, this.#registry.all()).flatMap((record) => this.#supervisors.get(record.mac) ?? []);
  }
  #one(name: string): NodeSupervisor {
    const [found, ...others] = this.#resolve([name]);
    if (found && others.length === 0) return found;
    throw new BootyardError('node.several', `Sorry, '${name}' is several nodes: name one.`);
  }

  async #each(
    chosen: NodeSupervisor[],
    work: (supervisor: NodeSupervisor) => Promise<void>,
  ): Promise<NodeInfo[]> {
    await each(chosen, work);
    return chosen.map((supervisor) => supervisor.info());
  }
}

function planned(record: NodeRecord | undefined): PlannedNode | undefined {
  return record && plannedOf(record);
}
