import * as z from 'zod';
import { method } from './method.ts';

/** Signs of life of a node. */
export const contactMethods = {
  /**
   * Opens a byte stream: what `ping` says, in the lab, of ten requests to the node, as it says it. The stream ends with a
   * sentence when the node did not answer. Closing it ends the program.
   */
  'node.ping': method(z.object({ node: z.string() }), z.object({ stream: z.number() })),
  /** Lets the node blink by the /bin/blink of its image; answers when that is over. Cancelling it ends the blinking. */
  'node.blink': method(
    z.object({ node: z.string(), seconds: z.number().int().min(1).max(86_400) }),
    z.object({}),
  ),
};
