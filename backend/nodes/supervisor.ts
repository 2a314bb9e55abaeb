import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { ExplainedBoot } from '../events/boots.ts';
import type { BusEvent } from '../events/bus.ts';
import { copySentence } from '../events/timeline.ts';
import { BootDelay } from './boot-delay.ts';
import { BootJournal } from './boot-journal.ts';
import { isPanicEnd, notKept } from './console-scanner.ts';
import { NodeConsole } from './console.ts';
import { Explainer } from './explain/explainer.ts';
import type { BootEnd } from './explain/facts.ts';
import type { NodeInfo } from './info.ts';
import { endKind, forget, Machine, machinePlace, type MachineEnd, type MachinePlace } from './machine.ts';
import { MachineLaunch, type MachineMedia } from './machine-launch.ts';
import { NodeDisks } from './disks/node-disks.ts';
import { NodeNetworks } from './networks/node-networks.ts';
import { NodeStatus } from './node-status.ts';
import { Pauses } from './pauses.ts';
import { PanicWatch } from './panic-watch.ts';
import { TIMES, type PlannedNode, type SupervisorParts } from './parts.ts';
import type { QmpEvent } from './qmp.ts';
import { Recovery, type Start } from './recovery.ts';
import { type NodeRecord, plannedOf, type Running, type StartedMachine } from './registry.ts';
import { withDefaults } from './settings.ts';
import { goOnAfterSave } from './snapshots/guest.ts';
import type { SnapshotInfo } from './snapshots/info.ts';
import type { WorkControl } from './snapshots/machine-state.ts';
import { NodeSnapshots } from './snapshots/node-snapshots.ts';
import type { SnapshotStart } from './snapshots/start.ts';
import { softReboot } from './soft-reboot.ts';
import { Turns } from './turns.ts';

/**
 * One node's life: off → booting → booted → unreachable, or failed, with the reason. Operations on a node, and what its
 * machine does by itself, are handled one after the other.
 *
 * A machine that panics is stopped, and its console's text kept; one that stands still goes on running, so that its
 * console can be used, until it is rebooted (by `boot.retries`, or by the user).
 */
export class NodeSupervisor {
  readonly record: NodeRecord;
  readonly disks: NodeDisks;
  readonly snapshots: NodeSnapshots;
  readonly pauses: Pauses;
  readonly #parts: SupervisorParts;
  readonly networks: NodeNetworks;
  readonly #folder: string;
  readonly #place: MachinePlace;
  readonly #launch: MachineLaunch;
  readonly #console: NodeConsole;
  readonly #journal: BootJournal;
  readonly #panics = new PanicWatch((text) => this.#panicked(text));
  readonly #turns: Turns;
  readonly #status: NodeStatus;
  readonly #explainer: Explainer;
  readonly #recovery: Recovery;
  readonly #delay = new BootDelay();
  #machine: Machine | undefined;
  /** the node as its boot plan knows it: a new name counts from the next boot */
  #planned: PlannedNode | undefined;

  constructor(record: NodeRecord, parts: SupervisorParts) {
    this.record = record;
    this.#parts = parts;
    this.#folder = join(parts.paths.nodes, record.mac.replaceAll(':', '-'));
    mkdirSync(this.#folder, { recursive: true });
    this.disks = new NodeDisks(record, this.#folder);
    this.snapshots = new NodeSnapshots(record, parts, this.#folder);
    this.#place = machinePlace(this.#folder, parts.paths.run, record.mac);
    const log = (line: string): void => parts.log(line);
    this.#turns = new Turns(() => record.name, log);
    const [folder, place, turns, disks] = [this.#folder, this.#place, this.#turns, this.disks];
    const life = { hasMachine: () => this.#machine !== undefined, journal: () => this.#journal };
    const networks = (this.networks = new NodeNetworks({ record, folder, parts, turns, ...life }));
    this.#launch = new MachineLaunch({ record, planner: parts.planner, folder, place, disks, networks });
    this.#console = new NodeConsole({
      logFile: this.#place.consoleLog,
      socket: this.#place.consoleSocket,
      onLine: (line) =>
        parts.bus.publish({ kind: 'console', node: record.mac, client: record.ip, line: line.slice(0, 500) }),
      onText: (line, raw) => this.#status.publishConsole(line, raw),
      onOutput: () => this.#journal.output(),
    });
    this.#journal = new BootJournal(record, parts, {
      stalled: (text) => this.#unwell({ kind: 'stalled', text }, (why) => this.#recovery.stalled(why)),
      stage: () => {
        if (this.#status.state === 'booting') this.notify();
      },
    });
    this.#status = new NodeStatus(record, parts, () => this.#journal.stage);
    this.#explainer = new Explainer(record, parts, this.#journal, (length) => this.#console.tail(length));
    this.#recovery = new Recovery(record, parts, this.#status, this.#journal, {
      retry: () => this.#tryAgain(),
      lost: (text) => this.#unwell({ kind: 'unreachable', text }, (why) => this.#recovery.lost(why)),
    });
    this.pauses = new Pauses(record, place, folder, (why) => this.#recovery.paused(why), parts);
  }

  get isRunning(): boolean {
    return this.#machine !== undefined || this.#status.state === 'booting';
  }

  info(): NodeInfo {
    return this.#status.info();
  }

  /** Its boots, past ones and the one that goes on. */
  get journal(): Pick<BootJournal, 'boots' | 'timeline' | 'record'> {
    return this.#journal;
  }

  /** Where and why a boot stopped. Throws `node.noBoot`. */
  explained(boot: number | undefined): Promise<ExplainedBoot> {
    return this.#explainer.ofBoot(boot, this.info());
  }

  get console(): NodeConsole {
    return this.#console;
  }

  /** Switches the node on, or off and on again. Resolves when QEMU runs; throws with the reason when it does not. */
  powerOn(): Promise<void> {
    this.#delay.end();
    return this.#turns.take(() => this.#start({ fresh: true }));
  }

  /** Soft by the node's own service when it is booted, else (or when that fails) hard. Resolves when the next boot began. */
  reboot(hard: boolean): Promise<void> {
    this.#delay.end();
    return this.#turns.take(async () => {
      const machine = hard || this.#status.state !== 'booted' ? undefined : this.#machine;
      const soft =
        machine !== undefined && (await softReboot(machine, this.record, this.#parts, this.#turns.closing));
      await this.#start({ fresh: !soft });
    });
  }

  stop(): Promise<void> {
    this.#delay.end();
    return this.#turns.take(async () => {
      const wasRunning = this.isRunning;
      await this.#end('off', null);
      if (wasRunning) this.#parts.log(`node ${this.record.name} is down (cause: stopped by its user)`);
      await this.#settle('off', null);
    });
  }

  /** Saves the machine of a booted node, which goes on after that. Throws as `NodeSnapshots.save`. */
  saveSnapshot(name: string, control: WorkControl): Promise<SnapshotInfo> {
    return this.#turns.take(() =>
      this.snapshots.save(name, control, {
        machine: this.#status.state === 'booted' ? this.#machine : undefined,
        state: this.#status.state,
        place: this.#place,
        paused: (sentence) => this.#recovery.paused(sentence),
      }),
    );
  }

  /** The node goes on from a snapshot, whatever it does now. Resolves when the machine runs. */
  restore(snapshot: SnapshotStart): Promise<void> {
    this.#delay.end();
    this.#status.copying = snapshot.isCopyFor(this.record);
    return this.#turns.take(() => this.#startFrom(snapshot));
  }

  /** Cuts a machine that runs off from the lab's network, or ends that. Answers whether one runs. */
  cutOff(isCut: boolean): Promise<boolean> {
    return this.#turns.take(async () => {
      if (this.#machine) await this.networks.connect(withDefaults(this.record.settings), isCut);
      return this.#machine !== undefined;
    });
  }

  /** Stops the node and removes everything of it from the disk. */
  discard(): Promise<void> {
    this.#delay.end();
    return this.#turns.take(async () => {
      await this.#end('off', null);
      await this.networks.detach();
      void this.#turns.close();
      // Its connections have ended meanwhile, which begins to be timed.
      this.#clearTimers();
      this.#console.close(`${this.record.name} was removed.`);
      rmSync(this.#folder, { recursive: true, force: true });
      forget(this.#place);
    });
  }

  /** The daemon ends: the machine goes on. */
  async release(): Promise<void> {
    this.#delay.end();
    await this.#turns.close();
    this.#clearTimers();
    this.#journal.close();
    this.#machine?.release();
    this.#console.close();
  }

  /** Takes over the machine that an earlier daemon has started, or finds out what became of it. */
  adopt(): Promise<void> {
    return this.#turns.take(async () => {
      const { running } = this.record;
      if (!running) return;
      this.#planned = plannedOf(this.record);
      this.#journal.restore(running);
      const machine = Machine.adopt(this.#place, (event) => this.#qemuEvent(event));
      if (running.restoring !== undefined) return this.#breakOffRestore(machine, running.restoring);
      if (!machine) return this.#ended(await Machine.endOf(this.#place));
      this.#follow(machine);
      this.pauses.look();
      const { wasInterrupted } = this.snapshots;
      this.#turns.enqueue(() => goOnAfterSave(machine, this.#place, wasInterrupted, this.#turns.closing));
      const plan = await this.#parts.planner.adopt(this.#planned, this.#folder);
      await this.#resume(running, plan !== undefined);
    });
  }

  /** An event of this node from the bus. */
  take(event: BusEvent): void {
    if (this.#turns.closing.aborted) return;
    this.#journal.take(event);
    if (event.kind === 'agent' && event.phase === 'booted' && this.#machine) {
      this.#recovery.agentBooted();
      this.#turns.enqueue(() => this.disks.booted());
    }
    if (event.kind === 'copy') this.#status.progress(copySentence(event));
    if (event.kind === 'agent' && event.phase === 'failed')
      this.#fail({ kind: 'given up', text: event.detail ?? 'It gave up' });
    if (event.kind === 'agent' && event.phase === 'lost') this.#recovery.agentLost(TIMES.unreachable);
    if (event.kind === 'console' && this.#machine) {
      const remark = notKept(event.line);
      if (remark !== undefined) this.#status.remark(remark);
      this.#panics.take(event.line, typeof this.record.running?.bootedAt === 'number');
    }
  }

  /** Something that is not of this class's making changed, such as a setting. */
  notify(): void {
    this.#status.notify();
  }

  async #start(start: Start): Promise<void> {
    await this.#end('off', null);
    this.#status.become('booting', start.reason ?? null);
    const { record } = this;
    const setting = withDefaults(record.settings)['boot.delay'];
    const say = (message: string | null) =>
      this.#status.become('booting', [start.reason, message].filter(Boolean).join(' ') || null);
    if (!(await this.#delay.wait(setting, say))) return;
    // May take seconds once on a host; the boot's time begins after it.
    const { accel: chosen } = withDefaults(record.settings);
    const accel = chosen === 'auto' ? (await this.#parts.acceleration(record.model)).accel : chosen;
    const startedAt = Date.now();
    const retriesLeft = start.retriesLeft ?? withDefaults(record.settings)['boot.retries'];
    this.#planned = plannedOf(this.record);
    let hasBegun = false;
    try {
      const { plan, media, settings, warnings } = await this.#launch.prepare(
        this.#planned,
        accel,
        this.#turns.closing,
        say,
      );
      this.#console.begin(`${record.name} boots again, ${new Date(startedAt).toISOString()}`, start.fresh);
      const machine = { settings, accel };
      const { id: boot, imageId } = plan;
      const selfReboots = start.selfReboots ?? 0;
      this.#begin({ boot, imageId, startedAt, selfReboots, retriesLeft, machine });
      hasBegun = true;
      const { qemu, firmware } = this.#launch.words(machine);
      this.#journal.powerOn(`${qemu}, firmware ${firmware}`);
      for (const sentence of warnings) this.#status.warn(sentence);
      await this.#startMachine(machine, media);
    } catch (error) {
      this.#console.disconnect();
      const refusal = await this.#explainer.refusal(error, hasBegun ? undefined : startedAt);
      await this.#settle('failed', messageOf(refusal));
      throw refusal;
    }
  }

  /** The machine's start and end are known from here on, also to a daemon after this one. */
  #begin(started: Omit<Running, 'bootedAt' | 'failed'>): void {
    // A daemon that dies right here must not take an earlier machine's end for this one's.
    forget(this.#place);
    this.#parts.database.transaction(() => {
      this.#parts.registry.setRunning(this.record.mac, { ...started, bootedAt: null, failed: null });
      this.#journal.begin(started.boot, started.startedAt);
    });
  }

  /** As `#start`, with memory, disks and boot plan of a snapshot. */
  async #startFrom(from: SnapshotStart): Promise<void> {
    await this.#end('off', null);
    const { record } = this;
    const { name } = from.snapshot;
    this.#status.become('booting', `Restoring snapshot ${name}.`);
    const startedAt = Date.now();
    this.#planned = plannedOf(this.record);
    try {
      const plan = await this.#parts.planner.restore(this.#planned, this.#folder, from.folder);
      const retriesLeft = withDefaults(record.settings)['boot.retries'];
      const { id: boot, imageId } = plan;
      const started = { boot, imageId, startedAt, selfReboots: 0, retriesLeft, machine: from.machine };
      this.#begin({ ...started, restoring: name, copying: this.#status.copying });
      const media = await this.#launch.prepareSnapshot(this.#planned, from);
      this.#console.begin(`${record.name} goes on from snapshot ${name}`, false);
      this.#journal.restored(`restored from snapshot ${name}, ${this.#launch.words(from.machine).qemu}`);
      const machine = await this.#startMachine(from.machine, media, from);
      const connect = () => this.networks.connect(withDefaults(from.machine.settings));
      const warning = await from.wake(machine, this.#place, record, connect);
      const { running } = record;
      const done = { restoring: undefined, copying: undefined };
      if (running) this.#parts.registry.setRunning(record.mac, { ...running, ...done });
      this.#status.copying = false;
      if (warning) this.#status.warn(warning);
    } catch (error) {
      const outcome = from.isCancelled ? 'off' : 'failed';
      const why = from.isCancelled ? 'this was cancelled.' : messageOf(error);
      const reason = `Snapshot ${name} was not restored: ${why}`;
      await this.#end(outcome, reason);
      this.#console.disconnect();
      await this.#settle(outcome, reason, true);
      throw error;
    }
  }

  /** A daemon died while a snapshot was restored: what is there of the machine is of no use. */
  async #breakOffRestore(machine: Machine | undefined, snapshot: string): Promise<void> {
    this.#machine = machine;
    const reason = `Restoring snapshot ${snapshot} was interrupted: restore it again, or boot the node.`;
    await this.#end('failed', reason);
    await this.#settle('failed', reason);
  }

  async #startMachine(started: StartedMachine, media: MachineMedia, from?: SnapshotStart): Promise<Machine> {
    const machine = await this.#launch.start(started, media, (event) => this.#qemuEvent(event), from);
    this.#follow(machine);
    await this.disks.attached(media.disks);
    this.#status.publishQemu('started', `pid ${machine.pid}, ${started.accel}`);
    return machine;
  }

  #follow(machine: Machine): void {
    this.#machine = machine;
    this.pauses.follow(machine);
    this.#console.connect();
    void this.networks.watch(machine.ended, this.#turns.closing).then((sentence) => {
      if (sentence !== undefined && this.#machine === machine)
        this.#fail({ kind: 'given up', text: sentence });
    });
    void machine.ended.then((end) =>
      this.#turns.enqueue(async () => {
        if (this.#machine === machine) await this.#ended(end);
      }),
    );
  }

  /** After a daemon's start: what the earlier one knew of the machine that runs. */
  async #resume(running: Running, isServed: boolean): Promise<void> {
    if (isPanicEnd(this.#console.tail(8192))) this.#panicked('Kernel panic while no daemon was watching');
    if (isServed) return this.#recovery.resume(running);
    const text = 'Its boot plan is gone, so its root is not served: reboot it';
    this.#status.become('failed', (await this.#explainer.explain({ kind: 'stalled', text })).sentence);
  }

  /** The machine is gone by itself. */
  async #ended(end: MachineEnd): Promise<void> {
    // Its last lines may not have been looked at yet.
    this.#console.disconnect();
    const wasBooting = this.record.running?.bootedAt === null;
    const where = this.#journal.whereabouts;
    const kind = endKind(end, this.#console.tail(4096), wasBooting);
    const isReset = kind === 'reboot';
    const told = await this.#explainer.machineEnd(kind, end.detail, where);
    const sentence = told?.sentence ?? `ended at ${where}`;
    this.#afterMachine((isReset && wasBooting) || kind === 'crashed' ? 'failed' : 'off', sentence);
    this.#status.publishQemu(isReset ? 'reset' : 'stopped', end.detail ?? end.kind);
    if (isReset) {
      const next = this.#recovery.selfReboot(where, wasBooting, told);
      return 'givenUp' in next ? this.#settle('failed', next.givenUp) : this.#start(next);
    }
    if (kind === 'poweroff') return this.#settle('off', 'Its system switched the machine off.');
    if (kind === 'crashed') return this.#settle('failed', sentence);
    await this.#settle('off', 'The lab ended while it ran.');
  }

  /** Stops the machine if one runs; `outcome` is what its boot comes to, unless it had got booted. */
  async #end(outcome: 'off' | 'failed', reason: string | null): Promise<void> {
    this.#clearTimers();
    const machine = this.#machine;
    if (!machine) return;
    await machine.stop();
    this.#afterMachine(outcome, reason);
    this.#status.publishQemu('stopped', reason ?? 'by its user');
  }

  /** No machine runs any more: whatever served it lets go, before a next boot may use the same port numbers. */
  #afterMachine(outcome: 'off' | 'failed', reason: string | null): void {
    this.#clearTimers();
    this.#machine = undefined;
    this.#console.disconnect();
    if (this.#planned) this.#parts.planner.release(this.#planned);
    this.#journal.finish(outcome, reason);
  }

  /** The machine does not run, and the node is off or failed; `endsBoot`: with a boot whose machine may not have begun. */
  async #settle(
    state: 'off' | 'failed',
    reason: string | null,
    endsBoot = state === 'failed',
  ): Promise<void> {
    await this.networks.detach().catch((error: unknown) => this.#parts.log(messageOf(error)));
    const { running, ended } = this.record;
    if (endsBoot) {
      this.#journal.finish(state, reason);
      if (this.#planned) this.#parts.planner.release(this.#planned);
    }
    const startedAt = running?.startedAt ?? ended?.startedAt ?? null;
    const bootedAt = running?.bootedAt ?? null;
    this.#parts.registry.setEnded(this.record.mac, { state, reason, startedAt, bootedAt });
    this.#status.become(state, reason);
  }

  #panicked(text: string): void {
    this.#status.publishQemu('panicked', text);
    this.#fail({ kind: 'panicked', text: `${text} (${this.#journal.stage ?? 'after it was booted'})` });
  }

  /** Trying again would not help. */
  #fail(end: BootEnd): void {
    this.#unwell(end, async (reason) => {
      this.#parts.log(`node ${this.record.name} failed: ${reason}`);
      await this.#end('failed', reason);
      await this.#settle('failed', reason);
    });
  }

  /** Something is wrong with the machine that runs: `act` is given the sentence, unless the machine is gone by then. */
  #unwell(end: BootEnd, act: (sentence: string) => void | Promise<void>): void {
    const machine = this.#machine;
    this.#turns.enqueue(async () => {
      if (!machine || this.#machine !== machine) return;
      await act((await this.#explainer.explain(end)).sentence);
    });
  }

  #tryAgain(): void {
    this.#turns.enqueue(async () => {
      const next = this.#machine && this.#recovery.nextTry();
      if (next) await this.#start(next);
    });
  }

  #qemuEvent(event: QmpEvent): void {
    this.pauses.take(event);
    if (event.event === 'GUEST_PANICKED') this.#status.publishQemu('panicked', 'the panic device says so');
  }

  #clearTimers(): void {
    this.pauses.reset();
    this.#recovery.clearTimers();
    this.#panics.reset();
  }
}
