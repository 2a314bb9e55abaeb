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
};
