import * as z from 'zod';

/** What an explanation rests on: a request of the node, a line of its console, a file of its image, a setting, its machine. */
const Evidence = z.object({
  kind: z.enum(['request', 'console', 'file', 'setting', 'machine']),
  text: z.string(),
});
export type Evidence = z.infer<typeof Evidence>;

/** Where a boot stopped, or why a node rebooted by itself, and what to do. */
export const Explanation = z.object({
  /** stable; README lists them */
  cause: z.string(),
  /** the stage of the boot, as the timeline names it */
  stage: z.string(),
  /** all of it: where, why, what to do */
  sentence: z.string(),
  /** a clause */
  why: z.string(),
  /** a clause; empty when nothing is known to do */
  fix: z.string(),
  evidence: z.array(Evidence),
});
export type Explanation = z.infer<typeof Explanation>;
