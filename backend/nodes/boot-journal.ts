import { BootyardError } from '../errors.ts';
import type { BusEvent } from '../events/bus.ts';
import { BootTimeline, type Timeline } from '../events/timeline.ts';
import { BootWatch } from './boot-watch.ts';
import type { SupervisorParts } from './parts.ts';
import type { NodeRecord, Running } from './registry.ts';
import { withDefaults } from './settings.ts';

/** What is written down of a node's boots: stages and events, live for the boot that goes on, stored for past ones. */
export class BootJournal {
  readonly #record: NodeRecord;
  readonly #parts: SupervisorParts;
  readonly #on: { stalled(reason: string): void; stage(): void };
  #watch: BootWatch | undefined;
  #boot: string | undefined;

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

  take(event: BusEvent): void {
    this.#watch?.take(event);
  }
  /** The guest has printed something. */
  output(): void {
    this.#watch?.output();
  }

  /** The boot stands still, and its machine goes on: it may get booted after all. */
  failing(reason: string): void {
    if (this.#boot === undefined) return;
    this.#parts.boots.update(this.#boot, 'failed', reason, this.#watch?.timeline.stages() ?? []);
  }

  /** Writes down what the boot came to. One that got booted stays so, whatever becomes of the node afterwards. */
  finish(outcome: 'booted' | 'failed' | 'off', reason: string | null): void {
    if (!this.#watch || this.#boot === undefined) return;
    const { timeline } = this.#watch;
    if (!timeline.isOver || outcome === 'booted') {
      timeline.end();
      this.#parts.boots.update(this.#boot, outcome, reason, timeline.stages());
    }
    this.#parts.boots.appendEvents(this.#boot, this.#watch.takeEvents());
    this.#watch.close();
  }

  /** Stages so far go to the database, so that a new daemon has them. */
  save(): void {
    if (!this.#watch || this.#boot === undefined || this.#watch.timeline.isOver) return;
    this.#parts.boots.update(this.#boot, 'going on', null, this.#watch.timeline.stages());
    this.#parts.boots.appendEvents(this.#boot, this.#watch.takeEvents());
  }

  close(): void {
    this.save();
    this.#watch?.close();
  }

  /** The last boot's stages. Throws `node.noBoot` when there was none. */
  timeline(): Timeline {
    const { mac, name } = this.#record;
    const boot = this.#parts.boots.last(mac);
    if (!boot) {
      throw new BootyardError(
        'node.noBoot',
        `${name} has not been booted yet: there is no timeline to show.`,
      );
    }
    const stages = (boot.id === this.#boot && this.#watch?.timeline.stages()) || boot.stages;
    const last = stages.at(-1);
    return {
      node: name,
      startedAt: new Date(boot.startedAt).toISOString(),
      outcome: boot.outcome,
      totalMs: last ? last.startMs + last.durationMs : 0,
      stages,
    };
  }

  #follow(boot: string, timeline: BootTimeline, isOver: boolean): void {
    this.#watch?.close();
    this.#boot = boot;
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
