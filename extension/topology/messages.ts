// What the topology's page and the extension tell each other. The page bundles this file, hence the small zod.
import * as z from 'zod/mini';

export const BoxInfo = z.object({
  /** of a node; empty: the lab's server */
  mac: z.string(),
  name: z.string(),
  /** a word: off, booting, booted, unreachable, failed; up for the server */
  state: z.string(),
  /** the stage while it boots, or why it is as it is; may be empty */
  detail: z.string(),
  /** address and image, one line */
  about: z.string(),
});
export type BoxInfo = z.infer<typeof BoxInfo>;

export const LinkInfo = z.object({
  /** as that of its box */
  mac: z.string(),
  network: z.string(),
  isUp: z.boolean(),
  /** something passes through it now */
  isBusy: z.boolean(),
  /** bytes per second, each way */
  traffic: z.string(),
  /** what the setting makes of the link; may be empty */
  restrictions: z.string(),
});
export type LinkInfo = z.infer<typeof LinkInfo>;

/** What can be done with a node from here. */
export const Action = z.enum(['console', 'timeline', 'shell', 'config', 'boot']);
export type Action = z.infer<typeof Action>;

export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('show'),
    /** why there is nothing to see; empty: there is */
    notice: z.string(),
    networks: z.array(z.string()),
    /** the server's first */
    boxes: z.array(BoxInfo),
    links: z.array(LinkInfo),
  }),
]);
export type ToPage = z.infer<typeof ToPage>;

export const FromPage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('run'), mac: z.string(), action: Action }),
]);
export type FromPage = z.infer<typeof FromPage>;

/** What the page keeps while it is hidden, or while its window is loaded again. */
export const PageState = z.object({
  /** of the node that is selected; empty: none */
  selected: z.string(),
});
export type PageState = z.infer<typeof PageState>;
