// What the timeline's page and the extension tell each other. The page bundles this file, hence the small zod.
import * as z from 'zod/mini';

export const Stage = z.object({
  name: z.string(),
  startMs: z.number(),
  durationMs: z.number(),
  detail: z.string(),
});
export type Stage = z.infer<typeof Stage>;

export const Step = z.object({
  /** what the API calls its kind: its colour */
  kind: z.string(),
  stage: z.string(),
  name: z.string(),
  startMs: z.number(),
  durationMs: z.number(),
  /** sizes, rates and causes, one line */
  detail: z.string(),
  isFault: z.boolean(),
  /** a click leads somewhere */
  canOpen: z.boolean(),
});
export type Step = z.infer<typeof Step>;

const Choice = z.object({ number: z.number(), label: z.string() });

export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('show'),
    mac: z.string(),
    title: z.string(),
    /** why a boot failed, or why there is nothing to see */
    notice: z.string(),
    isFault: z.boolean(),
    /** boots on record, the newest first */
    boots: z.array(Choice),
    /** the boot on show; 0: none */
    number: z.number(),
    totalMs: z.number(),
    stages: z.array(Stage),
    steps: z.array(Step),
    /** the boot that it is beside */
    other: z.optional(z.object({ number: z.number(), totalMs: z.number(), stages: z.array(Stage) })),
  }),
]);
export type ToPage = z.infer<typeof ToPage>;

export const FromPage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  /** `boot` 0: the last one; `compare` 0: none */
  z.object({ type: z.literal('choose'), boot: z.number(), compare: z.number() }),
  /** opens what step number `step` of the boot on show is about */
  z.object({ type: z.literal('open'), step: z.number() }),
  z.object({ type: z.literal('text') }),
]);
export type FromPage = z.infer<typeof FromPage>;

/** What the page keeps while it is hidden, or while its window is loaded again. */
export const PageState = z.object({ mac: z.string(), boot: z.number(), compare: z.number() });
export type PageState = z.infer<typeof PageState>;
