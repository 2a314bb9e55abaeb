import * as z from 'zod';
import { ImageInfo } from './image.ts';
import { method } from './method.ts';
import { NodeDifference } from './save.ts';

/**
 * A root shell in an image: a temporary node that is booted on it, for `node.shellCommand`; no list shows it. The image is
 * locked. All that is there as long as the byte stream of the answer is open, and goes with it; a client that has lost its
 * daemon comes back to the next one with `image.holdShell`, within a minute.
 */
export const imageShellMethods = {
  /** `saveAs`: refused with `image.exists` before anything is booted, when the name cannot be used. Progress, cancel. */
  'image.openShell': method(
    z.object({
      image: z.string(),
      saveAs: z.object({ image: z.string(), force: z.boolean() }).optional(),
    }),
    z.object({ node: z.string(), stream: z.number() }),
  ),
  'image.holdShell': method(z.object({ node: z.string() }), z.object({ stream: z.number() })),
  /**
   * For a shell in a container of an engine: no other task changes the image as long as the byte stream of the answer is
   * open. `session`: a name that nobody else knows, for `image.replace`. Throws `image.busy`.
   */
  'image.holdEdit': method(
    z.object({ image: z.string(), session: z.string().min(16).max(64) }),
    z.object({ stream: z.number() }),
  ),
  /** As `node.diff`, and what differs is kept for `image.saveShell`. */
  'image.shellDiff': method(z.object({ node: z.string() }), NodeDifference),
  /**
   * What differs becomes a layer of the image, or, with another name, an image of its own. Refused, and kept, without
   * `force`: `image.wouldReboot`, `image.exists`. `id` is used up otherwise. Progress, cancel.
   */
  'image.saveShell': method(
    z.object({ node: z.string(), id: z.string(), image: z.string(), force: z.boolean().default(false) }),
    z.object({ image: ImageInfo, rebooted: z.array(z.string()) }),
  ),
};
