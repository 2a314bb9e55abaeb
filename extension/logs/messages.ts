// What the log view's page and the extension tell each other. The page bundles this file, hence the small zod.
import * as z from 'zod/mini';

/** In the order of time, then of arrival. `time`: us since the epoch */
export const Place = z.object({ time: z.number(), id: z.number() });
export type Place = z.infer<typeof Place>;

export const Line = z.object({
  ...Place.shape,
  issuer: z.string(),
  stream: z.string(),
  /** one line of printable text, cut when it is very long */
  text: z.string(),
});
export type Line = z.infer<typeof Line>;

/** What somebody has typed and chosen. */
export const Query = z.object({
  /** in WalT's syntax; not looked at in a view of one node */
  issuers: z.string(),
  /** POSIX extended regular expressions; empty: any */
  streams: z.string(),
  search: z.string(),
  /** ms since the epoch; absent: without an end */
  from: z.optional(z.number()),
  to: z.optional(z.number()),
});
export type Query = z.infer<typeof Query>;

export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('choices'),
    title: z.string(),
    /** of the node whose lines alone are looked for, with its name; empty: of all */
    mac: z.string(),
    node: z.string(),
    issuers: z.array(z.string()),
    streams: z.array(z.string()),
    /** ms since the epoch */
    checkpoints: z.array(z.object({ name: z.string(), time: z.number() })),
    /** why nothing can be read now; empty: it can */
    notice: z.string(),
  }),
  /** lines of query number `run`; the page answers `taken` */
  z.object({
    type: z.literal('lines'),
    run: z.number(),
    batch: z.number(),
    /** older ones come with the latest first */
    from: z.enum(['older', 'newer', 'live']),
    lines: z.array(Line),
  }),
  /** no more lines come that way for now; `isAll`: there are none */
  z.object({
    type: z.literal('read'),
    run: z.number(),
    from: z.enum(['older', 'newer']),
    isAll: z.boolean(),
  }),
  /** the lab is there again: what is on show may have a gap */
  z.object({ type: z.literal('again') }),
  z.object({ type: z.literal('problem'), run: z.number(), sentence: z.string() }),
]);
export type ToPage = z.infer<typeof ToPage>;

export const FromPage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  /** ends what went on before, reads the latest lines, and follows what comes unless there is a `to` */
  z.object({ type: z.literal('query'), run: z.number(), query: Query }),
  z.object({
    type: z.literal('more'),
    run: z.number(),
    from: z.enum(['older', 'newer']),
    after: Place,
  }),
  z.object({ type: z.literal('taken'), batch: z.number() }),
  z.object({ type: z.literal('copy'), text: z.string() }),
  z.object({ type: z.literal('export'), query: Query }),
]);
export type FromPage = z.infer<typeof FromPage>;

/** What is chosen in the page, whatever the time is: `range` is `all`, `checkpoint NAME`, `between` or seconds before now. */
export const Choice = z.object({
  issuers: z.string(),
  streams: z.string(),
  search: z.string(),
  range: z.string(),
  from: z.string(),
  to: z.string(),
});
export type Choice = z.infer<typeof Choice>;

/** What the page keeps while it is hidden, or while its window is loaded again. */
export const PageState = z.object({
  /** of one node, or empty */
  mac: z.string(),
  /** its name when the view was opened: lines outlive their node */
  node: z.string(),
  choice: z.optional(Choice),
});
export type PageState = z.infer<typeof PageState>;
