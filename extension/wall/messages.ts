// What the console wall's page and the extension tell each other. The page bundles this file, hence the small zod.
import * as z from 'zod/mini';

export const TileInfo = z.object({
  mac: z.string(),
  name: z.string(),
  /** a word: off, booting, booted, unreachable, failed */
  state: z.string(),
  /** the stage while it boots, or why it is as it is; one line, may be empty */
  detail: z.string(),
});
export type TileInfo = z.infer<typeof TileInfo>;

/** A part of a line that leads somewhere. */
export const Link = z.object({ start: z.number(), length: z.number(), tooltip: z.string() });
export type Link = z.infer<typeof Link>;

export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('tiles'),
    title: z.string(),
    /** the nodes that the wall was opened for; empty: all there are */
    macs: z.array(z.string()),
    /** why there is nothing to see; empty: there is */
    notice: z.string(),
    tiles: z.array(TileInfo),
  }),
  /** what a serial line printed; the page answers `taken` */
  z.object({ type: z.literal('output'), mac: z.string(), batch: z.number(), text: z.string() }),
  /** what the page has asked for by this number */
  z.object({ type: z.literal('links'), ask: z.number(), links: z.array(Link) }),
]);
export type ToPage = z.infer<typeof ToPage>;

export const FromPage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('taken'), batch: z.number() }),
  /** keys for a node */
  z.object({ type: z.literal('input'), mac: z.string(), text: z.string() }),
  /** what leads somewhere in a line that a node printed */
  z.object({ type: z.literal('find'), mac: z.string(), ask: z.number(), line: z.string() }),
  /** the link of that line that begins there */
  z.object({ type: z.literal('follow'), mac: z.string(), line: z.string(), start: z.number() }),
  /** the node's console in a terminal */
  z.object({ type: z.literal('open'), mac: z.string() }),
]);
export type FromPage = z.infer<typeof FromPage>;

/** What the page keeps while it is hidden, or while its window is loaded again. */
export const PageState = z.object({ macs: z.array(z.string()) });
export type PageState = z.infer<typeof PageState>;
