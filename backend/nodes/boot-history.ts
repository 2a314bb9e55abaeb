import {
  bootSpread,
  type BootSummary,
  type ExplainedBoot,
  type ImageBoots,
  type Timeline,
} from '../events/boots.ts';
import type { BootRecord, BootRecords } from '../state/boot-records.ts';
import { summaryOf } from './boot-summary.ts';
import type { NodeSupervisor } from './supervisor.ts';

/** Boots that are on record: the last 50 of each node, with what happened in them. */
export class BootHistory {
  readonly #records: BootRecords;
  readonly #one: (node: string) => NodeSupervisor;
  readonly #nameOf: (mac: string) => string | undefined;

  /** `one` throws for an unknown node. */
  constructor(
    records: BootRecords,
    one: (node: string) => NodeSupervisor,
    nameOf: (mac: string) => string | undefined,
  ) {
    this.#records = records;
    this.#one = one;
    this.#nameOf = nameOf;
  }

  /** The newest first. */
  ofNode(node: string): BootSummary[] {
    return this.#one(node).journal.boots();
  }

  /** A boot by its number, or the last one. Throws `node.noBoot`. */
  timeline(node: string, number: number | undefined): Timeline {
    return this.#one(node).journal.timeline(number);
  }

  /** The record of a boot by its number, or of the last one. Throws `node.noBoot`. */
  record(node: string, number: number | undefined): BootRecord {
    return this.#one(node).journal.record(number);
  }

  /** Where and why a boot stopped, by its number, or the last one. Throws `node.noBoot`. */
  explain(node: string, number: number | undefined): Promise<ExplainedBoot> {
    return this.#one(node).explained(number);
  }

  /** Boots of nodes on an image of this name, the newest first; none when it was never booted. */
  ofImage(image: string): ImageBoots {
    const records = this.#records.ofImage(image);
    const summaries = records.map((record) => summaryOf(record, this.#nameOf(record.mac) ?? ''));
    const booted = records.flatMap(({ outcome, stages }, index) =>
      outcome === 'booted' ? [{ stages, totalMs: summaries[index]?.totalMs ?? 0 }] : [],
    );
    return { image, spread: bootSpread(booted), boots: summaries };
  }
}
