// What the settings form and the extension tell each other. The page bundles this file, hence the small zod.
import * as z from 'zod/mini';

/** A line of the form. */
export const Field = z.object({
  name: z.string(),
  description: z.string(),
  control: z.enum(['choice', 'text']),
  /** all there is to choose from, or what a text may be */
  options: z.array(z.string()),
  numeric: z.boolean(),
  defaultValue: z.string(),
  needsReboot: z.boolean(),
  /** null: the nodes differ in it */
  value: z.nullable(z.string()),
});
export type Field = z.infer<typeof Field>;

/** Values by the names of their settings. */
const Values = z.record(z.string(), z.string());
export type Values = z.infer<typeof Values>;

export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('show'),
    title: z.string(),
    /** why nothing can be changed now; empty when it can */
    notice: z.string(),
    /** hardware addresses of the nodes, for the page to keep: a window that is loaded again opens the form by them */
    macs: z.array(z.string()),
    fields: z.array(Field),
  }),
  /** the answer to the check of that number: sentences by the names of wrong settings */
  z.object({ type: z.literal('problems'), check: z.number(), problems: Values }),
  z.object({ type: z.literal('saved'), message: z.string(), offerReboot: z.boolean() }),
  /** `problems` as above; `message` when no setting is to blame */
  z.object({ type: z.literal('notSaved'), message: z.string(), problems: Values }),
]);
export type ToPage = z.infer<typeof ToPage>;

export const FromPage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('check'), check: z.number(), values: Values }),
  z.object({ type: z.literal('save'), values: Values }),
  z.object({ type: z.literal('reboot') }),
]);
export type FromPage = z.infer<typeof FromPage>;

/** What the page keeps while it is hidden, or while its window is loaded again. */
export const PageState = z.object({ macs: z.array(z.string()), edits: Values });
export type PageState = z.infer<typeof PageState>;
