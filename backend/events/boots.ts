import * as z from 'zod';
import { Explanation } from './explanation.ts';
import { BootStep } from './steps.ts';
import { BootStage } from './timeline.ts';

export const BootSummary = z.object({
  node: z.string(),
  /** counts the boots of the node from 1 on */
  number: z.number(),
  /** its name at the time */
  image: z.string(),
  /** ISO time of power-on */
  startedAt: z.string(),
  /** `going on`, `booted`, `failed` or `off` */
  outcome: z.string(),
  /** why it failed, or null */
  reason: z.string().nullable(),
  /** from power-on to booted, or to the boot's other end, or to now */
  totalMs: z.number(),
});
export type BootSummary = z.infer<typeof BootSummary>;

/** A boot with why it stopped, or what ended its machine later; null when nothing is wrong, as far as is known. */
export const ExplainedBoot = BootSummary.extend({
  /** the last one of the boot */
  stage: z.string(),
  explanation: Explanation.nullable(),
});
export type ExplainedBoot = z.infer<typeof ExplainedBoot>;

export const Timeline = BootSummary.extend({ stages: z.array(BootStage), steps: z.array(BootStep) });
export type Timeline = z.infer<typeof Timeline>;

const Spread = z.object({ name: z.string(), boots: z.number(), medianMs: z.number(), p95Ms: z.number() });
type Spread = z.infer<typeof Spread>;

/** How long boots of an image took that got booted: on the whole (`total`), and each stage in the order of boots. */
export const ImageBoots = z.object({
  image: z.string(),
  spread: z.array(Spread),
  boots: z.array(BootSummary),
});
export type ImageBoots = z.infer<typeof ImageBoots>;

/** The spread of boots, by their stages and in all; those from snapshots, which have no stages to compare, are left out. */
export function bootSpread(boots: readonly { totalMs: number; stages: readonly BootStage[] }[]): Spread[] {
  const times = new Map<string, number[]>();
  const add = (name: string, ms: number): void => {
    times.set(name, [...(times.get(name) ?? []), ms]);
  };
  for (const { totalMs, stages } of boots) {
    if (stages[0]?.name === 'restore') continue;
    add('total', totalMs);
    for (const { name, durationMs } of stages) if (name !== 'booted') add(name, durationMs);
  }
  return [...times].map(([name, all]) => ({
    name,
    boots: all.length,
    medianMs: quantile(all, 0.5),
    p95Ms: quantile(all, 0.95),
  }));
}

/** By the nearest rank: a value that was measured. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
