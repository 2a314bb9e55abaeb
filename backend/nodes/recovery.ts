import type { Explanation } from '../events/explanation.ts';
import type { BootJournal } from './boot-journal.ts';
import { because } from './explain/explain.ts';
import type { NodeState } from './info.ts';
import type { NodeStatus } from './node-status.ts';
import { MAX_SELF_REBOOTS, TIMES, type SupervisorParts } from './parts.ts';
import type { NodeRecord, Running } from './registry.ts';
import { withDefaults } from './settings.ts';

/** How a boot begins. */
export interface Start {
  /** a power-on by the user: the console's history begins anew */
  fresh: boolean;
  selfReboots?: number;
  retriesLeft?: number;
  /** what the user should know of this boot, such as why it is done again */
  reason?: string;
}

export interface RecoveryActions {
  /** it is time for `nextTry` */
  retry(): void;
  /** a booted node is not heard of; `lost` is for what is found out of it */
  lost(text: string): void;
}

/**
 * What becomes of a node without its user's doing: booted when its agent says so, unreachable when the agent is silent,
 * tried again (`boot.retries`) when its boot stands still (`boot.timeout`), given up when it reboots by itself over and
 * over. It judges and counts; the supervisor acts.
 */
export class Recovery {
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #status: NodeStatus;
  readonly #journal: BootJournal;
  readonly #on: RecoveryActions;
  #agentTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #beforePause: NodeState | undefined;
  #lostInPause = false;

  constructor(
    record: NodeRecord,
    parts: SupervisorParts,
    status: NodeStatus,
    journal: BootJournal,
    on: RecoveryActions,
  ) {
    this.#record = record;
    this.#parts = parts;
    this.#status = status;
    this.#journal = journal;
    this.#on = on;
  }

  /** The agent of the machine that runs has said that the node is booted, or that it is there again. */
  agentBooted(): void {
    const { running, name, mac } = this.#record;
    if (!running) return;
    this.clearTimers();
    const isFirst = running.bootedAt === null;
    if (!isFirst && this.#status.state === 'booted') return;
    const retriesLeft = withDefaults(this.#record.settings)['boot.retries'];
    const bootedAt = running.bootedAt ?? Date.now();
    this.#parts.registry.setRunning(mac, { ...running, bootedAt, selfReboots: 0, retriesLeft, failed: null });
    if (isFirst) this.#journal.finish('booted', null);
    this.#parts.log(`node ${name} is booted`);
    this.#status.become('booted', null);
  }

  /** The node's connection ended, or may have while no daemon was there: it has some time to come back. */
  agentLost(graceMs: number): void {
    this.#lostInPause ||= this.#beforePause === 'booted';
    if (this.#status.state !== 'booted') return;
    clearTimeout(this.#agentTimer);
    this.#agentTimer = setTimeout(() => {
      if (this.#status.state !== 'booted') return;
      this.#parts.log(
        `node ${this.#record.name} is unreachable (its connection ended and did not come back)`,
      );
      const text = `it runs, but has not been heard of for ${Math.round(graceMs / 1000)} s`;
      this.#status.become('unreachable', `I${text.slice(1)}.`);
      this.#on.lost(text);
    }, graceMs);
  }

  /** More is known of why the node is not heard of. */
  lost(sentence: string): void {
    if (this.#status.state === 'unreachable' && this.#beforePause === undefined)
      this.#status.become('unreachable', sentence);
  }

  /** The machine is paused for the reason given, or goes on: a paused one is neither late nor lost. */
  paused(sentence: string | undefined): void {
    if (sentence !== undefined) {
      this.#beforePause ??= this.#status.state;
      this.#parts.log(`node ${this.#record.name}: ${sentence}`);
      return this.#status.become('unreachable', sentence);
    }
    const before = this.#beforePause;
    this.#beforePause = undefined;
    this.#parts.log(`node ${this.#record.name}: goes on after its pause`);
    if (before !== undefined) this.#status.become(before, null);
    if (this.#lostInPause) this.agentLost(TIMES.unreachable);
    this.#lostInPause = false;
  }

  /** The boot stands still: failed, and tried again if tries are left. */
  stalled(sentence: string): void {
    const { running, name, mac } = this.#record;
    if (!running || this.#status.state !== 'booting') return;
    const { retriesLeft } = running;
    const next = retriesLeft === 1 ? 'last try' : `${retriesLeft} retries left`;
    const reason =
      retriesLeft > 0 ? `${sentence.replace(/\.$/, '')}; trying hard-reboot (${next}).` : sentence;
    this.#parts.log(`node ${name}: boot timeout reached, ${reason}`);
    this.#parts.registry.setRunning(mac, { ...running, failed: reason });
    this.#journal.failing(reason);
    this.#status.become('failed', reason);
    this.#retrySoon(retriesLeft);
  }

  /** After a daemon's start: what the earlier one knew of the machine that runs. */
  resume(running: Running): void {
    if (running.failed !== null) {
      this.#status.become('failed', running.failed);
      this.#retrySoon(running.retriesLeft);
      return;
    }
    this.#status.become(running.bootedAt === null ? 'booting' : 'booted', null);
    this.agentLost(TIMES.adopted);
  }

  /** The start that follows a failed boot; undefined when the node is not failed any more. */
  nextTry(): Start | undefined {
    const { running } = this.#record;
    if (this.#status.state !== 'failed' || !running) return undefined;
    const reason = `Tried again after: ${running.failed ?? 'a failed boot'}`;
    return { fresh: false, retriesLeft: running.retriesLeft - 1, reason };
  }

  /** The start that follows a reboot by the guest itself, or why there is none; `told`: why it did. */
  selfReboot(where: string, wasBooting: boolean, told?: Explanation): Start | { givenUp: string } {
    const { running, name } = this.#record;
    const why = told && because(told);
    const suffix = why === undefined ? '' : `: ${why}`;
    const selfReboots = wasBooting ? (running?.selfReboots ?? 0) + 1 : 0;
    if (selfReboots >= MAX_SELF_REBOOTS) {
      const givenUp = `Reboots by itself at ${where}, ${selfReboots} times in a row${suffix}.`;
      this.#parts.log(`node ${name} failed: ${givenUp}`);
      return { givenUp };
    }
    this.#parts.log(`node ${name} is down (cause: it reboots by itself at ${where})`);
    const reason = wasBooting
      ? `Rebooted by itself at ${where}${suffix} (${selfReboots} of ${MAX_SELF_REBOOTS} times that count as a failure).`
      : `Rebooted by itself after it was booted${suffix}.`;
    const retriesLeft = wasBooting ? running?.retriesLeft : undefined;
    return { fresh: false, selfReboots, retriesLeft, reason };
  }

  clearTimers(): void {
    clearTimeout(this.#agentTimer);
    clearTimeout(this.#retryTimer);
    this.#beforePause = undefined;
    this.#lostInPause = false;
  }

  #retrySoon(retriesLeft: number): void {
    if (retriesLeft <= 0) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#on.retry(), TIMES.retry);
  }
}
