import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { BusEvent } from '../events/bus.ts';
import { copySentence, type Timeline } from '../events/timeline.ts';
import { BootDelay } from './boot-delay.ts';
import { BootJournal } from './boot-journal.ts';
import { guestEnd, isPanicEnd, notKept } from './console-scanner.ts';
import { NodeConsole } from './console.ts';
import { DiskPause } from './disks/pause.ts';
import type { NodeInfo } from './info.ts';
import { forget, Machine, machinePlace, type MachineEnd, type MachinePlace } from './machine.ts';
import { MachineLaunch, type MachineMedia } from './machine-launch.ts';
import { NodeDisks } from './disks/node-disks.ts';
import { NodeNetworks } from './networks/node-networks.ts';
import { NodeStatus } from './node-status.ts';
import { PanicWatch } from './panic-watch.ts';
import { TIMES, type PlannedNode, type SupervisorParts } from './parts.ts';
import type { QmpEvent } from './qmp.ts';
import { Recovery, type Start } from './recovery.ts';
import type { NodeRecord, Running, StartedMachine } from './registry.ts';
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
  readonly #parts: SupervisorParts;
  readonly #networks: NodeNetworks;
  readonly #folder: string;
  readonly #place: MachinePlace;
  readonly #launch: MachineLaunch;
  readonly #console: NodeConsole;
  readonly #journal: BootJournal;
  readonly #panics = new PanicWatch((text) => this.#panicked(text));
  readonly #turns: Turns;
  readonly #status: NodeStatus;
  readonly #recovery: Recovery;
  readonly #pause: DiskPause;
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
    const { network, paths } = parts;
    this.#networks = new NodeNetworks({ record, folder: this.#folder, run: paths.run, network });
    this.#place = machinePlace(this.#folder, parts.paths.run, record.mac);
    const { disks } = this;
    const [folder, networks, place] = [this.#folder, this.#networks, this.#place];
    this.#launch = new MachineLaunch({ record, planner: parts.planner, folder, place, disks, networks });
    this.#console = new NodeConsole({
      logFile: this.#place.consoleLog,
      socket: this.#place.consoleSocket,
      onLine: (line) =>
        parts.bus.publish({ kind: 'console', node: record.mac, client: record.ip, line: line.slice(0, 500) }),
      onOutput: () => this.#journal.output(),
    });
    this.#journal = new BootJournal(record, parts, {
      stalled: (reason) => this.#recovery.stalled(reason),
      stage: () => {
        if (this.#status.state === 'booting') this.notify();
      },
    });
    this.#turns = new Turns(
      () => record.name,
      (line) => parts.log(line),
    );
    this.#status = new NodeStatus(record, parts, () => this.#journal.stage);
    this.#recovery = new Recovery(record, parts, this.#status, this.#journal, () => this.#tryAgain());
    this.#pause = new DiskPause(this.#folder, (sentence) => this.#recovery.paused(sentence));
  }

  get isRunning(): boolean {
    return this.#machine !== undefined || this.#status.state === 'booting';
  }

  info(): NodeInfo {
    return this.#status.info();
  }

  /** The last boot's stages, of a past boot or of the one that goes on. */
  timeline(): Timeline {
    return this.#journal.timeline();
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
    return this.#turns.take(() => this.#startFrom(snapshot));
  }

  /** Stops the node and removes everything of it from the disk. */
  discard(): Promise<void> {
    this.#delay.end();
    return this.#turns.take(async () => {
      await this.#end('off', null);
      await this.#networks.detach();
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
      this.#planned = this.#asPlanned();
      this.#journal.restore(running);
      const machine = Machine.adopt(this.#place, (event) => this.#qemuEvent(event));
      if (running.restoring !== undefined) return this.#breakOffRestore(machine, running.restoring);
      if (!machine) return this.#ended(await Machine.endOf(this.#place));
      this.#follow(machine);
      this.#pause.look();
      const { wasInterrupted } = this.snapshots;
      this.#turns.enqueue(() => goOnAfterSave(machine, this.#place, wasInterrupted, this.#turns.closing));
      const plan = await this.#parts.planner.adopt(this.#planned, this.#folder);
      this.#resume(running, plan !== undefined);
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
    if (event.kind === 'agent' && event.phase === 'failed') this.#fail(event.detail ?? 'It gave up.');
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
    this.#planned = this.#asPlanned();
    try {
      const { plan, media, settings } = await this.#launch.prepare(
        this.#planned,
        accel,
        this.#turns.closing,
        say,
      );
      this.#console.begin(`${record.name} boots again, ${new Date(startedAt).toISOString()}`, start.fresh);
      const machine = { settings, accel };
      this.#begin({ boot: plan.id, startedAt, selfReboots: start.selfReboots ?? 0, retriesLeft, machine });
      const { qemu, firmware } = this.#launch.words(machine);
      this.#journal.powerOn(`${qemu}, firmware ${firmware}`);
      for (const sentence of plan.warnings) this.#status.warn(sentence);
      await this.#startMachine(machine, media);
    } catch (error) {
      this.#console.disconnect();
      await this.#settle('failed', messageOf(error));
      throw error;
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
    this.#planned = this.#asPlanned();
    try {
      const plan = await this.#parts.planner.restore(this.#planned, this.#folder, from.folder);
      const retriesLeft = withDefaults(record.settings)['boot.retries'];
      const started = { boot: plan.id, startedAt, selfReboots: 0, retriesLeft, machine: from.machine };
      this.#begin({ ...started, restoring: name });
      const media = await this.#launch.prepareSnapshot(this.#planned, from);
      this.#console.begin(`${record.name} goes on from snapshot ${name}`, false);
      this.#journal.restored(`restored from snapshot ${name}, ${this.#launch.words(from.machine).qemu}`);
      const machine = await this.#startMachine(from.machine, media, from);
      const connect = () => this.#networks.connect(withDefaults(from.machine.settings));
      const warning = await from.wake(machine, this.#place, record, connect);
      const { running } = record;
      if (running) this.#parts.registry.setRunning(record.mac, { ...running, restoring: undefined });
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
    this.#pause.follow(machine);
    this.#console.connect();
    void this.#networks.watch(machine.ended, this.#turns.closing).then((sentence) => {
      if (sentence !== undefined && this.#machine === machine) this.#fail(sentence);
    });
    void machine.ended.then((end) =>
      this.#turns.enqueue(async () => {
        if (this.#machine === machine) await this.#ended(end);
      }),
    );
  }

  /** After a daemon's start: what the earlier one knew of the machine that runs. */
  #resume(running: Running, isServed: boolean): void {
    if (isPanicEnd(this.#console.tail(8192))) this.#panicked('Kernel panic while no daemon was watching');
    if (isServed) this.#recovery.resume(running);
    else this.#status.become('failed', 'Its boot plan is gone, so its root is not served: reboot it.');
  }

  /** The machine is gone by itself. */
  async #ended(end: MachineEnd): Promise<void> {
    // Its last lines may not have been looked at yet.
    this.#console.disconnect();
    const wasBooting = this.record.running?.bootedAt === null;
    const where = this.#journal.whereabouts;
    const kind = end.kind === 'unseen' ? this.#judge(end, wasBooting) : end.kind;
    const isReset = kind === 'reboot';
    this.#afterMachine(isReset && wasBooting ? 'failed' : 'off', `ended at ${where}`);
    this.#status.publishQemu(isReset ? 'reset' : 'stopped', end.detail ?? end.kind);
    if (isReset) {
      const next = this.#recovery.selfReboot(where, wasBooting);
      return 'givenUp' in next ? this.#settle('failed', next.givenUp) : this.#start(next);
    }
    if (kind === 'poweroff') return this.#settle('off', 'Its system switched the machine off.');
    if (kind === 'crashed') return this.#settle('failed', `QEMU ended unexpectedly (${end.detail}).`);
    await this.#settle('off', 'The lab ended while it ran.');
  }

  /** Nobody saw how the machine ended: the guest's last words on the console tell, or what it was doing. */
  #judge(end: MachineEnd, wasBooting: boolean): MachineEnd['kind'] {
    if (end.detail !== 'ended') return 'unseen';
    return guestEnd(this.#console.tail(4096)) ?? (wasBooting ? 'reboot' : 'poweroff');
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
    await this.#networks.detach().catch((error: unknown) => this.#parts.log(messageOf(error)));
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
    this.#fail(`${text} (${this.#journal.stage ?? 'after it was booted'}).`);
  }

  /** Trying again would not help. */
  #fail(reason: string): void {
    const machine = this.#machine;
    this.#turns.enqueue(async () => {
      if (!machine || this.#machine !== machine) return;
      this.#parts.log(`node ${this.record.name} failed: ${reason}`);
      await this.#end('failed', reason);
      await this.#settle('failed', reason);
    });
  }

  #tryAgain(): void {
    this.#turns.enqueue(async () => {
      const next = this.#machine && this.#recovery.nextTry();
      if (next) await this.#start(next);
    });
  }

  #qemuEvent(event: QmpEvent): void {
    this.#pause.take(event);
    if (event.event === 'GUEST_PANICKED') this.#status.publishQemu('panicked', 'the panic device says so');
  }

  #asPlanned(): PlannedNode {
    const { mac, ip, name, model, image } = this.record;
    return { mac, ip, name, model, image };
  }

  #clearTimers(): void {
    this.#pause.reset();
    this.#recovery.clearTimers();
    this.#panics.reset();
  }
}
