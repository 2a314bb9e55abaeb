import type { NodeDebug } from '../nodes/debug/node-debug.ts';
import type { debugMethods } from './debug.ts';
import type { ServedHandlers } from './server-connection.ts';

/** What debuggers of nodes need. */
export type DebugActions = Pick<NodeDebug, keyof NodeDebug>;

export function debugHandlers(debug: DebugActions): Pick<ServedHandlers, keyof typeof debugMethods> {
  return {
    'debug.kernel': async ({ node }, context) => {
      const stream = context.openStream();
      return { ...(await debug.kernel(node, stream, context)), stream: stream.id };
    },
    'debug.run': async ({ node, command }, context) => {
      const stream = context.openStream();
      await debug.run(node, command, stream, context.signal);
      return { stream: stream.id };
    },
  };
}
