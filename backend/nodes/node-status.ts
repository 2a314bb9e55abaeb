import type { QemuEvent } from '../events/bus.ts';
import type { NodeInfo, NodeState } from './info.ts';
import { modelSettings } from './machines/model-settings.ts';
import { outdated } from './outdated.ts';
import type { SupervisorParts } from './parts.ts';
import type { NodeRecord } from './registry.ts';
import { withDefaults } from './settings.ts';

/** A node's state with its reason, told to the bus and to clients whenever it changes. */
export class NodeStatus {
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #stage: () => string | undefined;
  #state: NodeState;
  #reason: string | null;
  #remark: string | null = null;
  /** as `NodeInfo` has it */
  copying = false;

  /** `stage`: where a boot that goes on is */
  constructor(record: NodeRecord, parts: SupervisorParts, stage: () => string | undefined) {
    this.#record = record;
    this.#parts = parts;
    this.#stage = stage;
    this.#state = record.ended?.state ?? 'off';
    this.#reason = record.ended?.reason ?? null;
  }

  get state(): NodeState {
    return this.#state;
  }

  become(state: NodeState, reason: string | null): void {
    const { mac, ip } = this.#record;
    if (state === 'booting') this.#remark = null;
    this.#state = state;
    this.#reason = reason ?? (state === 'booted' ? this.#remark : null);
    this.#parts.bus.publish({
      kind: 'node',
      node: mac,
      client: ip,
      state,
      reason: this.#reason ?? undefined,
    });
    this.notify();
  }

  /** What a boot that goes on is doing, for those who look at it now; null when there is nothing to say any more. */
  progress(sentence: string | null): void {
    if (this.#state !== 'booting') return;
    this.#reason = sentence;
    this.notify();
  }

  /** What the node's user should know while it is booted, though it is. */
  remark(sentence: string): void {
    this.#remark = sentence;
  }

  /** Something else that clients see of the node changed, such as a setting. */
  notify(): void {
    this.#parts.onChange(this.info());
  }

  /** An event of the node's machine. */
  publishQemu(phase: QemuEvent['phase'], detail: string): void {
    this.#parts.bus.publish({
      kind: 'qemu',
      node: this.#record.mac,
      client: this.#record.ip,
      phase,
      detail,
    });
  }

  /** A line of the node's serial line, for its log; `raw`: the bytes that it is made of. */
  publishConsole(line: string, raw: Uint8Array): void {
    const { mac, ip } = this.#record;
    const logged = { stream: 'virtualconsole', line, raw, timestamp: Date.now() };
    this.#parts.bus.publish({ kind: 'log', node: mac, client: ip, ...logged });
  }

  /** What the node's user should know of a boot that goes on all the same. */
  warn(sentence: string): void {
    const { mac, ip, name } = this.#record;
    this.#parts.bus.publish({ kind: 'warning', node: mac, client: ip, sentence });
    this.#parts.log(`node ${name}: WARNING: Nodes may have problems booting this image! ${sentence}`);
  }

  info(): NodeInfo {
    const record = this.#record;
    const times = record.running ?? record.ended;
    return {
      name: record.name,
      mac: record.mac,
      ip: record.ip,
      model: record.model,
      image: record.image,
      state: this.#state,
      reason: this.#reason,
      stage: this.#state === 'booting' ? (this.#stage() ?? 'firmware') : null,
      bootStartedAt: isoTime(times?.startedAt),
      bootedAt: isoTime(times?.bootedAt),
      settings: modelSettings(record.model, withDefaults(record.settings)),
      outdated: outdated(record, this.#parts.planner.imageId(record.image)),
      ...(this.copying && { copying: true }),
    };
  }
}

function isoTime(time: number | null | undefined): string | null {
  return typeof time === 'number' ? new Date(time).toISOString() : null;
}
