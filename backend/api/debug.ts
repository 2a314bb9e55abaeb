import * as z from 'zod';
import { KernelDebugging } from '../nodes/debug/info.ts';
import { method } from './method.ts';

export { KernelDebugging } from '../nodes/debug/info.ts';

export const debugMethods = {
  /**
   * Opens the kernel of a node to a debugger, until the stream is closed; then breakpoints are gone and the machine goes on.
   * The stream ends when the machine does. Waits for the kernel to run; can be cancelled.
   */
  'debug.kernel': method(z.object({ node: z.string() }), KernelDebugging.extend({ stream: z.number() })),
  /**
   * Runs a shell command of a debugger in a node by a serial line, whatever the node's network does: one at a time. The stream
   * is what it reads and prints; closing it ends the command. Fails with `debug.line` where there is no such line, or its
   * system does not listen.
   */
  'debug.run': method(
    z.object({
      node: z.string(),
      command: z
        .string()
        .max(4000)
        .regex(/^[^\r\n\0]+$/),
    }),
    z.object({ stream: z.number() }),
  ),
};
