import * as z from 'zod';
import { BootSummary, ExplainedBoot, ImageBoots, Timeline } from '../events/boots.ts';
import { method } from './method.ts';

export { BootSummary, ExplainedBoot, ImageBoots, Timeline } from '../events/boots.ts';
export type { BootStep } from '../events/steps.ts';

export const bootMethods = {
  /** Boots on record, the newest first: the last 50. */
  'node.boots': method(z.object({ node: z.string() }), z.array(BootSummary)),
  /** A boot by its number, or the last one, also while it goes on; fails with `node.noBoot`. */
  'node.timeline': method(z.object({ node: z.string(), boot: z.number().optional() }), Timeline),
  /**
   * Where and why a boot stopped, or what ended its machine later, and what to do: by its number, or the last one, which is
   * looked at as it is now. Fails with `node.noBoot`.
   */
  'node.explain': method(z.object({ node: z.string(), boot: z.number().optional() }), ExplainedBoot),
  /** Boots on an image of this name, and how their times spread. */
  'image.boots': method(z.object({ image: z.string() }), ImageBoots),
};
