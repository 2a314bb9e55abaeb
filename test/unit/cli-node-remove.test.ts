import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { BootyardError } from '../../backend/errors.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
const LOSS = 'Removing a deletes 3 files and folders in its /persist (1.2 MB) and its snapshot first.';
const forced: boolean[] = [];
afterAll(() => cli.remove());
beforeEach(async () => {
  await cli.startDaemon();
  forced.length = 0;
  cli.handlers['node.remove'] = ({ force }) => {
    forced.push(force);
    if (!force) throw new BootyardError('node.loses', LOSS);
    return {};
  };
});
afterEach(() => cli.stopDaemon());

test('without a terminal a node that has data needs --force', async () => {
  expect(await cli.run(['node', 'remove', 'a'])).toEqual({
    code: 1,
    stdout: '',
    stderr: `${LOSS} Use --force to go on.\n`,
  });
  expect(await cli.run(['node', 'remove', 'a', '--force'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(forced).toEqual([false, true]);
});

test('on a terminal it is asked for once, and a no removes nothing', async () => {
  for (const [answer, code] of [
    ['n\r', 1],
    ['y\r', 0],
  ] as const) {
    const screen = cli.terminal(['node', 'remove', 'a']);
    await screen.shows(LOSS);
    await screen.shows('Remove anyway? (y/n)');
    screen.type(answer);
    expect(await screen.exit).toBe(code);
  }
  expect(forced).toEqual([false, false, true]);
});
