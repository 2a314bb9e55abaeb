import * as z from 'zod';
import { method } from './method.ts';
import { NodeSettings } from './node.ts';

/**
 * What boot tests (`boot-test/`) need of the daemon: temporary nodes, which no list shows and which all calls take by their
 * name, whatever their boot comes to.
 */
export const bootTestMethods = {
  /** A node that is there as long as the byte stream of the answer is open. Answers when its machine runs. Can be cancelled. */
  'bootTest.begin': method(
    z.object({ image: z.string(), model: z.string().optional(), settings: NodeSettings.optional() }),
    z.object({ node: z.string(), stream: z.number() }),
  ),
  /**
   * No frame passes between a node and the lab for so long, or until it boots again, as if every server were down. Answers
   * at the begin of it; throws `node.off` when the node is not on.
   */
  'bootTest.cutOff': method(
    z.object({ node: z.string(), seconds: z.number().min(0).max(3600) }),
    z.object({}),
  ),
};
