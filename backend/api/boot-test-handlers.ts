import type { BootTests } from '../nodes/boot-tests.ts';
import type { bootTestMethods } from './boot-test.ts';
import type { ServedHandlers } from './server-connection.ts';

/** Temporary nodes for boot tests. */
export type BootTestActions = Pick<BootTests, keyof BootTests>;

export function bootTestHandlers(
  bootTests: BootTestActions,
): Pick<ServedHandlers, keyof typeof bootTestMethods> {
  return {
    'bootTest.begin': async (params, context) => {
      const stream = context.openStream();
      return { node: await bootTests.begin(params, stream, context.signal), stream: stream.id };
    },
    'bootTest.cutOff': async ({ node, seconds }) => {
      await bootTests.cutOff(node, seconds);
      return {};
    },
  };
}
