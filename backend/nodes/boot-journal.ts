import { randomUUID } from 'node:crypto';
import { BootyardError } from '../errors.ts';
import type { BusEvent } from '../events/bus.ts';
import type { BootSummary, ExplainedBoot, Timeline } from '../events/boots.ts';
import { Explanation } from '../events/explanation.ts';
import { bootSteps } from '../events/steps.ts';
import { BootTimeline } from '../events/timeline.ts';
import type { BootRecord } from '../state/boot-records.ts';
import { ifRoom } from '../state/database.ts';
import { summaryOf } from './boot-summary.ts';
import { BootWatch } from './boot-watch.ts';
import type { SupervisorParts } from './parts.ts';
import type { NodeRecord, Running } from './registry.ts';
import { withDefaults } from './settings.ts';

/**
 * What is written down of a node's boots: stages and events, live for the boot that goes on, stored for past ones. When the
 * host's disk is full, what cannot be written is left out: nodes run on, and what is on record can be read.
 */
export class BootJournal {
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #on: { stalled(reason: string): void; stage(): void };
  #watch: BootWatch | undefined;
  #boot: string | undefined;
  /** why the boot counts as failed, though its machine goes on */
  #failing: string | undefined;

  constructor(
    record: NodeRecord,
    parts: SupervisorParts,
    on: { stalled(reason: string): void; stage(): void },
  ) {
    this.#record = record;
    this.#parts = parts;
    this.#on = on;
  }

  /** A boot begins: its record is written, and its stages count from `startedAt` (ms since the epoch). */
  begin(boot: string, startedAt: number): void {
    const { mac, image } = this.#record;
    this.#parts.boots.begin({
      id: boot,
      mac,
      image,
      startedAt,
      outcome: 'going on',
      reason: null,
      stages: [],
    });
    this.#follow(boot, new BootTimeline(this.#timelineOptions(startedAt)), false);
  }

  /** One that could not begin. */
  beginUnstarted(startedAt: number): void {
    // What is said of it must not be taken for the boot before.
    this.#boot = undefined;
    ifRoom(() => this.begin(`unstarted-${randomUUID()}`, startedAt));
  }

  powerOn(detail: string): void {
    this.#watch?.timeline.powerOn(detail);
  }

  restored(detail: string): void {
    this.#watch?.timeline.restored(detail);
  }

  /** A boot of an earlier daemon goes on, or is over while its machine runs. */
  restore(running: Running): void {
    const boot = this.#parts.boots.find(running.boot);
    const isOver = running.bootedAt !== null || (boot !== undefined && boot.outcome !== 'going on');
    const options = this.#timelineOptions(running.startedAt);
    this.#follow(running.boot, BootTimeline.restore(options, boot?.stages ?? [], isOver), isOver);
  }

  /** The stage that goes on; none when no boot does. */
  get stage(): string | undefined {
    const timeline = this.#watch?.timeline;
    return timeline?.isOver ? undefined : timeline?.current?.name;
  }
  /** Where the boot is, for a sentence. */
  get whereabouts(): string {
    return this.#watch?.whereabouts() ?? 'power-on';
  }

  /** The stage that goes on, or the last one of a boot that is over. */
  get lastStage(): string {
    return this.#watch?.timeline.current?.name ?? 'power-on';
  }

  /** Events of the boot that goes on, or of the last one, as they are on record. */
  events(): unknown[] {
    this.save();
    return this.#boot === undefined ? [] : this.#parts.boots.events(this.#boot);
  }

  /** Keeps with the boot why it stopped. */
  explain(explanation: Explanation): void {
    const boot = this.#boot;
    if (boot !== undefined) {
      ifRoom(() => this.#parts.boots.setExplanation(boot, JSON.stringify(explanation)));
    }
  }

  take(event: BusEvent): void {
    this.#watch?.take(event);
  }
  /** The guest has printed something. */
  output(): void {
    this.#watch?.output();
  }

  /** The boot stands still, and its machine goes on: it may get booted after all. */
  failing(reason: string): void {
    this.#failing = reason;
    this.save();
  }

  /** Writes down what the boot came to. One that got booted, or has failed, stays so when the node is switched off. */
  finish(outcome: 'booted' | 'failed' | 'off', reason: string | null): void {
    if (!this.#watch) return;
    const { timeline } = this.#watch;
    if (!timeline.isOver || outcome === 'booted') {
      timeline.end();
      const isFailed = outcome === 'off' && this.#failing !== undefined;
      const [final, why] = isFailed ? ['failed', this.#failing ?? null] : [outcome, reason];
      this.#write(final, why);
    } else this.#write();
    this.#watch.close();
  }

  /** Stages and events so far go to the database, so that a new daemon has them. */
  save(): void {
    if (this.#watch?.timeline.isOver) return this.#write();
    if (this.#failing === undefined) this.#write('going on', null);
    else this.#write('failed', this.#failing);
  }

  close(): void {
    this.save();
    this.#watch?.close();
  }

  /** The boots that are on record, the newest first. */
  boots(): BootSummary[] {
    this.save();
    return this.#parts.boots.ofNode(this.#record.mac).map((boot) => summaryOf(boot, this.#record.name));
  }

  /** A boot by its number, or the last one. Throws `node.noBoot` when there is none. */
  record(number?: number): BootRecord {
    this.save();
    const { mac, name } = this.#record;
    const { boots } = this.#parts;
    const boot = number === undefined ? boots.last(mac) : boots.numbered(mac, number);
    if (!boot) throw noBoot(name, number, boots.last(mac));
    return boot;
  }

  /** As `record`, with what happened in it. */
  timeline(number?: number): Timeline {
    const boot = this.record(number);
    const { startedAt, stages } = boot;
    const summary = summaryOf(boot, this.#record.name);
    const steps = bootSteps(this.#parts.boots.events(boot.id), {
      startedAt,
      stages,
      totalMs: summary.totalMs,
    });
    return { ...summary, stages, steps };
  }

  /** As `record`, with why the boot stopped, as far as that was written down, and whether it is the last one. */
  explained(number?: number): ExplainedBoot & { isLast: boolean; events: unknown[] } {
    const boot = this.record(number);
    const { boots } = this.#parts;
    const kept = Explanation.safeParse(boots.explanation(boot.id));
    return {
      ...summaryOf(boot, this.#record.name),
      explanation: kept.success ? kept.data : null,
      isLast: boots.last(boot.mac)?.id === boot.id,
      events: boots.events(boot.id),
      stage: boot.stages.at(-1)?.name ?? 'power-on',
    };
  }

  /** The events so far, and, with an outcome, that and the stages. */
  #write(outcome?: string, reason: string | null = null): void {
    const [boot, watch] = [this.#boot, this.#watch];
    if (boot === undefined || !watch) return;
    const { boots } = this.#parts;
    ifRoom(() => {
      if (outcome !== undefined) boots.update(boot, outcome, reason, watch.timeline.stages());
      boots.appendEvents(boot, watch.takeEvents());
    });
  }

  #follow(boot: string, timeline: BootTimeline, isOver: boolean): void {
    this.#watch?.close();
    this.#boot = boot;
    this.#failing = undefined;
    this.#watch = new BootWatch({
      timeline,
      timeoutSeconds: () => withDefaults(this.#record.settings)['boot.timeout'],
      onStalled: (reason) => this.#on.stalled(reason),
    });
    if (isOver) this.#watch.close();
  }

  #timelineOptions(startedAt: number) {
    return {
      origin: performance.now() - (Date.now() - startedAt),
      onStage: (stage: string, detail: string, atMs: number) => {
        const { mac, name } = this.#record;
        this.save();
        this.#parts.onStage({ mac, name, stage, detail, atMs });
        this.#on.stage();
      },
    };
  }
}

function noBoot(node: string, number: number | undefined, last: BootRecord | undefined): BootyardError {
  if (!last) {
    return new BootyardError('node.noBoot', `${node} has not been booted yet: there is no timeline to show.`);
  }
  return new BootyardError(
    'node.noBoot',
    `No boot ${number} of ${node} is on record: \`bootyard node boots ${node}\` lists those that are.`,
  );
}
