import * as z from 'zod';
import { ImageInfo } from './image.ts';
import { method } from './method.ts';

/** One path by which a node differs from its image. */
export const DiffEntry = z.object({
  path: z.string(),
  /** added, modified, deleted */
  kind: z.enum(['A', 'M', 'D']),
  type: z.enum(['file', 'directory', 'symlink', 'hardlink', 'char', 'block', 'fifo', 'socket']),
  /** bytes of a file */
  sizeBytes: z.number(),
});
export type DiffEntry = z.infer<typeof DiffEntry>;

/** What a node has changed on its image: the first 10,000 of `count`. */
export const NodeDifference = z.object({
  id: z.string(),
  image: z.string(),
  count: z.number(),
  changes: z.array(DiffEntry),
});

export const saveMethods = {
  /**
   * What a booted node has changed on its image: files, deletions, modes, owners; `changes` has the first 10,000
   * of `count`. With `saveAs`, a name that cannot be used is refused first, and what differs is kept for `node.save` or
   * `node.dropDiff` under `id`, which is empty when nothing differs. Can be cancelled.
   */
  'node.diff': method(
    z.object({
      node: z.string(),
      saveAs: z.object({ image: z.string(), force: z.boolean() }).optional(),
    }),
    NodeDifference,
  ),
  /**
   * A new image: that of the node and one layer. Without `force` an existing one is refused with `image.exists`. Can be
   * cancelled, which leaves nothing; `id` is used up in any case.
   */
  'node.save': method(
    z.object({ id: z.string(), image: z.string(), force: z.boolean().default(false) }),
    ImageInfo,
  ),
  /** What differs will not be saved. */
  'node.dropDiff': method(z.object({ id: z.string() }), z.object({})),
  /**
   * Puts an absolute path of a node into the image that it is booted on, and reboots the nodes that use the image; without
   * `force` that is refused with `image.wouldReboot`.
   */
  'node.pushToImage': method(
    z.object({ node: z.string(), path: z.string().startsWith('/'), force: z.boolean().default(false) }),
    z.object({ image: z.string(), rebooted: z.array(z.string()) }),
  ),
};
