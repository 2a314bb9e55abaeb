import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import type { BusEvent } from '../events/bus.ts';
import type { Timeline } from '../events/timeline.ts';
import { BootJournal } from './boot-journal.ts';
import { guestEnd, isPanicEnd } from './console-scanner.ts';
import { NodeConsole, type ConsoleViewer } from './console.ts';
import type { NodeInfo, NodeState } from './info.ts';
import { forget, Machine, machinePlace, type MachineEnd, type MachinePlace } from './machine.ts';
import { PanicWatch } from './panic-watch.ts';
import { MAX_SELF_REBOOTS, TIMES, type PlannedNode, type SupervisorParts } from './parts.ts';
import { qemuArguments } from './qemu.ts';
import type { QmpEvent } from './qmp.ts';
import type { NodeRecord, Running } from './registry.ts';
import { withDefaults } from './settings.ts';

interface Start {
  /** a power-on by the user: the console's history begins anew */
  fresh: boolean;
  selfReboots?: number;
  retriesLeft?: number;
  /** what the user should know of this boot, such as why it is done again */
  reason?: string;
}

/**
 * One node's life: off → booting → booted → unreachable, or failed, with the reason. Operations on a node, and what its
 * machine does by itself, are handled one after the other.
 *
 * A machine that panics is stopped, and its console's text kept; one that stands still goes on running, so that its
 * console can be used, until it is rebooted (by `boot.retries`, or by the user).
 */
export class NodeSupervisor {
  readonly record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #folder: string;
  readonly #place: MachinePlace;
  readonly #console: NodeConsole;
  readonly #journal: BootJournal;
  readonly #panics = new PanicWatch((text) => this.#panicked(text));
  readonly #closing = new AbortController();
  #state: NodeState = 'off';
  #reason: string | null = null;
  #machine: Machine | undefined;
  /** the node as its boot plan knows it: a new name counts from the next boot */
  #planned: PlannedNode | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #agentTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(record: NodeRecord, parts: SupervisorParts) {
    this.record = record;
    this.#parts = parts;
    this.#folder = join(parts.paths.nodes, record.mac.replaceAll(':', '-'));
    mkdirSync(this.#folder, { recursive: true });
    this.#place = machinePlace(this.#folder, parts.paths.run, record.mac);
    this.#console = new NodeConsole({
      logFile: this.#place.consoleLog,
      socket: this.#place.consoleSocket,
      onLine: (line) =>
        parts.bus.publish({ kind: 'console', node: record.mac, client: record.ip, line: line.slice(0, 500) }),
      onOutput: () => this.#journal.progress(),
    });
    this.#journal = new BootJournal(record, parts, {
      stalled: (reason) => this.#stalled(reason),
      stage: () => {
        if (this.#state === 'booting') this.notify();
      },
    });
    this.#state = record.ended?.state ?? 'off';
    this.#reason = record.ended?.reason ?? null;
  }

  get isRunning(): boolean {
    return this.#machine !== undefined || this.#state === 'booting';
  }

  info(): NodeInfo {
    const { record } = this;
    const times = record.running ?? record.ended;
    return {
      name: record.name,
      mac: record.mac,
      ip: record.ip,
      model: record.model,
      image: record.image,
      state: this.#state,
      reason: this.#reason,
      stage: this.#state === 'booting' ? (this.#journal.stage ?? 'firmware') : null,
      bootStartedAt: isoTime(times?.startedAt),
      bootedAt: isoTime(times?.bootedAt),
      settings: withDefaults(record.settings),
    };
  }

  /** The last boot's stages, of a past boot or of the one that goes on. */
  timeline(): Timeline {
    return this.#journal.timeline();
  }

  attach(viewer: ConsoleViewer, history: boolean): void {
    this.#console.attach(viewer, history);
  }

  /** Switches the node on, or off and on again. Resolves when QEMU runs; throws with the reason when it does not. */
  powerOn(): Promise<void> {
    return this.#inTurn(() => this.#start({ fresh: true }));
  }

  /** Soft by the node's own service when it is booted, else (or when that fails) hard. Resolves when the next boot began. */
  reboot(hard: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const soft = !hard && this.#state === 'booted' && (await this.#softReboot());
      await this.#start({ fresh: !soft });
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      const wasRunning = this.isRunning;
      await this.#end('off', null);
      await this.#parts.network.removeTap(this.#tap);
      if (wasRunning) this.#parts.log(`node ${this.record.name} is down (cause: stopped by its user)`);
      this.#settle('off', null);
    });
  }

  /** Stops the node and removes everything of it from the disk. */
  discard(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#end('off', null);
      await this.#parts.network.removeTap(this.#tap);
      this.#closing.abort();
      this.#console.close(`${this.record.name} was removed.`);
      rmSync(this.#folder, { recursive: true, force: true });
      forget(this.#place);
    });
  }

  /** The daemon ends: the machine goes on. */
  async release(): Promise<void> {
    this.#closing.abort();
    await this.#turn;
    this.#clearTimers();
    this.#journal.close();
    this.#machine?.release();
    this.#console.close();
  }

  /** Takes over the machine that an earlier daemon has started, or finds out what became of it. */
  adopt(): Promise<void> {
    return this.#inTurn(async () => {
      const { running } = this.record;
      if (!running) return;
      this.#planned = this.#asPlanned();
      this.#journal.restore(running);
      const machine = Machine.adopt(this.#place, (event) => this.#qemuEvent(event));
      if (!machine) return this.#ended(await Machine.endOf(this.#place));
      this.#follow(machine);
      const plan = await this.#parts.planner.adopt(this.#planned, this.#folder);
      this.#resume(running, plan !== undefined);
    });
  }

  /** An event of this node from the bus. */
  take(event: BusEvent): void {
    if (this.#closing.signal.aborted) return;
    this.#journal.take(event);
    if (event.kind === 'agent' && event.phase === 'booted') this.#agentBooted();
    if (event.kind === 'agent' && event.phase === 'lost') this.#agentLost(TIMES.unreachable);
    if (event.kind === 'console' && this.#machine) {
      this.#panics.take(event.line, typeof this.record.running?.bootedAt === 'number');
    }
  }

  /** Something that is not of this class's making changed, such as a setting. */
  notify(): void {
    this.#parts.onChange(this.info());
  }

  get #tap(): string {
    return `vn${this.record.mac.replaceAll(':', '')}`;
  }

  async #start(start: Start): Promise<void> {
    await this.#end('off', null);
    this.#become('booting', start.reason ?? null);
    const { record } = this;
    // May take seconds once on a host; the boot's time begins after it.
    const { accel: chosen } = withDefaults(record.settings);
    const accel = chosen === 'auto' ? (await this.#parts.acceleration()).accel : chosen;
    const startedAt = Date.now();
    const retriesLeft = start.retriesLeft ?? withDefaults(record.settings)['boot.retries'];
    this.#planned = this.#asPlanned();
    try {
      const plan = await this.#parts.planner.plan(this.#planned, this.#folder);
      await this.#parts.network.addTap(this.#tap, { mac: record.mac, ip: record.ip });
      this.#console.begin(`${record.name} boots again, ${new Date(startedAt).toISOString()}`, start.fresh);
      // A daemon that dies right here must not take an earlier machine's end for this one's.
      forget(this.#place);
      this.#parts.database.transaction(() => {
        const state = { boot: plan.id, startedAt, bootedAt: null, selfReboots: start.selfReboots ?? 0 };
        this.#parts.registry.setRunning(record.mac, { ...state, retriesLeft, failed: null });
        this.#journal.begin(plan.id, startedAt);
      });
      await this.#launch(accel);
    } catch (error) {
      this.#console.disconnect();
      this.#settle('failed', messageOf(error));
      throw error;
    }
  }

  async #launch(accel: 'kvm' | 'tcg'): Promise<void> {
    const { record } = this;
    const settings = withDefaults(record.settings);
    const files = { tap: this.#tap, ...this.#place, ...this.#parts.planner.firmware(settings.firmware) };
    this.#journal.powerOn(`QEMU with ${accel.toUpperCase()}, ${settings.ram}, firmware ${settings.firmware}`);
    const argv = qemuArguments({ name: record.name, mac: record.mac, settings }, files, accel);
    const machine = await Machine.start(argv, this.#place, (event) => this.#qemuEvent(event));
    this.#follow(machine);
    this.#publishQemu('started', `pid ${machine.pid}, ${accel}`);
  }

  #follow(machine: Machine): void {
    this.#machine = machine;
    this.#console.connect();
    void machine.ended.then((end) =>
      this.#inTurn(async () => {
        if (this.#machine === machine) await this.#ended(end);
      }).catch(this.#logError),
    );
  }

  /** After a daemon's start: what the earlier one knew of the machine that runs. */
  #resume(running: Running, isServed: boolean): void {
    if (isPanicEnd(this.#console.tail(8192))) this.#panicked('Kernel panic while no daemon was watching');
    if (!isServed)
      return this.#become('failed', 'Its boot plan is gone, so its root is not served: reboot it.');
    if (running.failed !== null) {
      this.#become('failed', running.failed);
      if (running.retriesLeft > 0) this.#retrySoon();
      return;
    }
    this.#become(running.bootedAt === null ? 'booting' : 'booted', null);
    this.#agentLost(TIMES.adopted);
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
    this.#publishQemu(isReset ? 'reset' : 'stopped', end.detail ?? end.kind);
    if (isReset) return this.#guestReboot(where, wasBooting);
    if (kind === 'poweroff') return this.#settle('off', 'Its system switched the machine off.');
    if (kind === 'crashed') return this.#settle('failed', `QEMU ended unexpectedly (${end.detail}).`);
    this.#settle('off', 'The lab ended while it ran.');
  }

  /** Nobody saw how the machine ended: the guest's last words on the console tell, or what it was doing. */
  #judge(end: MachineEnd, wasBooting: boolean): MachineEnd['kind'] {
    if (end.detail !== 'ended') return 'unseen';
    return guestEnd(this.#console.tail(4096)) ?? (wasBooting ? 'reboot' : 'poweroff');
  }

  async #guestReboot(where: string, wasBooting: boolean): Promise<void> {
    const { running, name } = { running: this.record.running, name: this.record.name };
    const selfReboots = wasBooting ? (running?.selfReboots ?? 0) + 1 : 0;
    if (selfReboots >= MAX_SELF_REBOOTS) {
      const reason = `Reboots by itself at ${where}, ${selfReboots} times in a row.`;
      this.#parts.log(`node ${name} failed: ${reason}`);
      return this.#settle('failed', reason);
    }
    this.#parts.log(`node ${name} is down (cause: it reboots by itself at ${where})`);
    const reason = wasBooting
      ? `Rebooted by itself at ${where} (${selfReboots} of ${MAX_SELF_REBOOTS} times that count as a failure).`
      : undefined;
    const retriesLeft = wasBooting ? running?.retriesLeft : undefined;
    await this.#start({ fresh: false, selfReboots, retriesLeft, reason });
  }

  /** True when the guest has ended its machine after we asked it to. */
  async #softReboot(): Promise<boolean> {
    const machine = this.#machine;
    if (!machine) return false;
    const { name, ip } = this.record;
    try {
      await this.#parts.agent.reboot(ip);
    } catch (error) {
      this.#parts.log(`node ${name}: failed soft-reboot (${messageOf(error)}), trying hard-reboot`);
      return false;
    }
    this.#parts.log(`node ${name} is down (cause: asked by its user, method: soft-reboot)`);
    const done = new AbortController();
    const late = delay(TIMES.softReboot, undefined, {
      signal: AbortSignal.any([done.signal, this.#closing.signal]),
    }).catch(() => undefined);
    const end = await Promise.race([machine.ended, late]);
    done.abort();
    this.#closing.signal.throwIfAborted();
    return end !== undefined;
  }

  /** Stops the machine if one runs; `outcome` is what its boot comes to, unless it had got booted. */
  async #end(outcome: 'off' | 'failed', reason: string | null): Promise<void> {
    this.#clearTimers();
    const machine = this.#machine;
    if (!machine) return;
    await machine.stop();
    this.#afterMachine(outcome, reason);
    this.#publishQemu('stopped', reason ?? 'by its user');
  }

  /** No machine runs any more: whatever served it lets go, before a next boot may use the same port numbers. */
  #afterMachine(outcome: 'off' | 'failed', reason: string | null): void {
    this.#clearTimers();
    this.#machine = undefined;
    this.#console.disconnect();
    if (this.#planned) this.#parts.planner.release(this.#planned);
    this.#journal.finish(outcome, reason);
  }

  /** The machine does not run, and the node is off or failed. */
  #settle(state: 'off' | 'failed', reason: string | null): void {
    const { running, ended } = this.record;
    if (state === 'failed') {
      this.#journal.finish('failed', reason);
      if (this.#planned) this.#parts.planner.release(this.#planned);
    }
    const startedAt = running?.startedAt ?? ended?.startedAt ?? null;
    const bootedAt = running?.bootedAt ?? null;
    this.#parts.registry.setEnded(this.record.mac, { state, reason, startedAt, bootedAt });
    this.#become(state, reason);
  }

  #agentBooted(): void {
    const { running, name, mac } = this.record;
    if (!this.#machine || !running) return;
    clearTimeout(this.#agentTimer);
    clearTimeout(this.#retryTimer);
    const isFirst = running.bootedAt === null;
    if (!isFirst && this.#state === 'booted') return;
    const retriesLeft = withDefaults(this.record.settings)['boot.retries'];
    const bootedAt = running.bootedAt ?? Date.now();
    this.#parts.registry.setRunning(mac, { ...running, bootedAt, selfReboots: 0, retriesLeft, failed: null });
    if (isFirst) this.#journal.finish('booted', null);
    this.#parts.log(`node ${name} is booted`);
    this.#become('booted', null);
  }

  /** The node's connection ended, or may have while no daemon was there: it has some time to come back. */
  #agentLost(graceMs: number): void {
    if (this.#state !== 'booted') return;
    clearTimeout(this.#agentTimer);
    this.#agentTimer = setTimeout(() => {
      if (this.#state !== 'booted') return;
      this.#parts.log(`node ${this.record.name} is unreachable (its connection ended and did not come back)`);
      this.#become('unreachable', `It runs, but has not been heard of for ${Math.round(graceMs / 1000)} s.`);
    }, graceMs);
  }

  #panicked(text: string): void {
    const machine = this.#machine;
    this.#inTurn(async () => {
      if (!machine || this.#machine !== machine) return;
      const reason = `${text} (${this.#journal.stage ?? 'after it was booted'}).`;
      this.#publishQemu('panicked', text);
      this.#parts.log(`node ${this.record.name} failed: ${reason}`);
      await this.#end('failed', reason);
      this.#settle('failed', reason);
    }).catch(this.#logError);
  }

  #stalled(what: string): void {
    const { running, name, mac } = this.record;
    if (!running || this.#state !== 'booting') return;
    const { retriesLeft } = running;
    const next = retriesLeft === 1 ? 'last try' : `${retriesLeft} retries left`;
    const reason = retriesLeft > 0 ? `${what}; trying hard-reboot (${next}).` : `${what}.`;
    this.#parts.log(`node ${name}: boot timeout reached, ${reason}`);
    this.#parts.registry.setRunning(mac, { ...running, failed: reason });
    this.#journal.failing(reason);
    this.#become('failed', reason);
    if (retriesLeft > 0) this.#retrySoon();
  }

  #retrySoon(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      this.#inTurn(async () => {
        const { running } = this.record;
        if (this.#state !== 'failed' || !running || !this.#machine) return;
        const reason = `Tried again after: ${running.failed ?? 'a failed boot'}`;
        await this.#start({ fresh: false, retriesLeft: running.retriesLeft - 1, reason });
      }).catch(this.#logError);
    }, TIMES.retry);
  }

  #qemuEvent(event: QmpEvent): void {
    if (event.event === 'GUEST_PANICKED') this.#publishQemu('panicked', 'the panic device says so');
  }

  #become(state: NodeState, reason: string | null): void {
    const { mac, ip } = this.record;
    this.#state = state;
    this.#reason = reason;
    this.#parts.bus.publish({ kind: 'node', node: mac, client: ip, state, reason: reason ?? undefined });
    this.notify();
  }

  #publishQemu(phase: 'started' | 'stopped' | 'reset' | 'panicked', detail: string): void {
    this.#parts.bus.publish({ kind: 'qemu', node: this.record.mac, client: this.record.ip, phase, detail });
  }

  #asPlanned(): PlannedNode {
    const { mac, ip, name, model, image } = this.record;
    return { mac, ip, name, model, image };
  }

  #clearTimers(): void {
    clearTimeout(this.#agentTimer);
    clearTimeout(this.#retryTimer);
    this.#panics.reset();
  }

  /** For work that no caller waits for; what went wrong is also the node's state. */
  readonly #logError = (error: unknown): void => {
    if (!this.#closing.signal.aborted) this.#parts.log(`node ${this.record.name}: ${messageOf(error)}`);
  };

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (!this.#closing.signal.aborted) return work();
      throw new BootyardError('node.closed', `${this.record.name} is not there any more.`);
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function isoTime(time: number | null | undefined): string | null {
  return typeof time === 'number' ? new Date(time).toISOString() : null;
}
