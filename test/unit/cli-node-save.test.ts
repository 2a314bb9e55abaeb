import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { CallContext as Context } from '../../backend/api/contract.ts';
import { booted, CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
const dropped: string[] = [];
let saved = 0;
beforeEach(async () => {
  await cli.startDaemon();
  dropped.length = 0;
  saved = 0;
  cli.handlers['node.list'] = booted;
  cli.handlers['node.diff'] = () => ({
    id: 'kept',
    image: 'tiny',
    count: 1,
    changes: [{ path: '/etc/motd', kind: 'M', type: 'file', sizeBytes: 5 }],
  });
  cli.handlers['node.dropDiff'] = ({ id }) => {
    dropped.push(id);
    return {};
  };
});
afterEach(() => cli.stopDaemon());

/** Work that tells how far it is and goes on until it is cancelled. */
function endless(message: string): {
  handler: (params: unknown, context: Context) => Promise<never>;
  cancelled: Promise<void>;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handler = (_: unknown, { signal, progress }: Context): Promise<never> => {
    saved++;
    progress({ message });
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        resolve();
        reject(new Error('aborted'));
      });
    });
  };
  return { handler, cancelled: promise };
}

test('ctrl-C ends the comparison, whose progress is shown', async () => {
  const { handler, cancelled } = endless('Comparing: 120 of 900 files, 3.0 MB');
  cli.handlers['node.diff'] = handler;
  for (const verb of [
    ['save', 'a', 'mine', '--yes'],
    ['diff', 'a'],
  ]) {
    const screen = cli.terminal(['node', ...verb]);
    await screen.shows('Comparing: 120 of 900 files, 3.0 MB');
    screen.type('\u0003');
    expect(await screen.exit).toBe(130);
    expect(screen.text).toContain('Cancelled.');
  }
  await cancelled;
});

test.each([
  ['n\r', 1, 'Nothing was saved.'],
  ['\u0003', 130, '(y/n)'],
])('the answer %j to the question leaves nothing in the store', async (answer, code, said) => {
  const screen = cli.terminal(['node', 'save', 'a', 'mine']);
  await screen.shows("Save these changes as image 'mine'? (y/n)");
  screen.type(answer);
  expect(await screen.exit).toBe(code);
  expect(screen.text).toContain(said);
  expect([dropped, saved]).toEqual([['kept'], 0]);
});

test('ctrl-C ends the save itself', async () => {
  const { handler, cancelled } = endless('Adding 1 files (0.0 MB)');
  cli.handlers['node.save'] = handler;
  const screen = cli.terminal(['node', 'save', 'a', 'mine', '--yes']);
  await screen.shows('Adding 1 files');
  screen.type('\u0003');
  expect(await screen.exit).toBe(130);
  await cancelled;
});
