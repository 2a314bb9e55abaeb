import type { BootSummary } from '../events/boots.ts';
import type { BootRecord } from '../state/boot-records.ts';

/** A boot's record in short; `node` is the name that its node has now. */
export function summaryOf(boot: BootRecord, node: string): BootSummary {
  const { number, image, startedAt, outcome, reason, stages } = boot;
  const last = stages.at(-1);
  return {
    node,
    number,
    image,
    startedAt: new Date(startedAt).toISOString(),
    outcome,
    reason,
    totalMs: last ? last.startMs + last.durationMs : 0,
  };
}
