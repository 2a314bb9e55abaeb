import * as z from 'zod';
import { ImageUsage, ReadFile } from '../boot/image-usage.ts';
import { method } from './method.ts';

export { ImageUsage, type ReadFile } from '../boot/image-usage.ts';

export const NodeReads = z.object({
  node: z.string(),
  /** of the boot */
  number: z.number(),
  image: z.string(),
  /** ms from power-on to booted, or null when it did not get there */
  bootedMs: z.number().nullable(),
  /** the image went to the node whole, as hybrid boots take it: what is read there is the node's own disk */
  isCopied: z.boolean(),
  /** in the order of the first reads */
  reads: z.array(ReadFile),
});
export type NodeReads = z.infer<typeof NodeReads>;

export const readMethods = {
  /** The files of its image that a node has read in its last boot, or in the one of that number; fails with `node.noBoot`. */
  'node.reads': method(z.object({ node: z.string(), boot: z.number().optional() }), NodeReads),
  /** What boots read of an image, and what they never touched. */
  'image.usage': method(z.object({ image: z.string() }), ImageUsage),
};
