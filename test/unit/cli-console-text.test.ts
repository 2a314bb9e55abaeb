import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
let asked: unknown[];
beforeEach(async () => {
  await cli.startDaemon();
  asked = [];
  cli.handlers['node.consoleText'] = (params, context) => {
    asked.push(params);
    const stream = context.openStream();
    if (params.search !== 'nowhere') stream.write(Buffer.from('line\n'));
    stream.end();
    return { stream: stream.id };
  };
});
afterEach(() => cli.stopDaemon());
const show = (...words: string[]) => cli.run(['node', 'console', 'a', ...words]);

test('what was printed is asked for as the options say; a search looks through all power-ons', async () => {
  expect(await show('--timestamps')).toEqual({ code: 0, stdout: 'line\n', stderr: '' });
  await show('--history');
  await show('--search', 'a|b', '--follow');
  const none = { history: false, timestamps: false, follow: false };
  expect(asked).toEqual([
    { node: 'a', ...none, timestamps: true },
    { node: 'a', ...none, history: true },
    { node: 'a', ...none, history: true, search: 'a|b', follow: true },
  ]);
});

test('a search that finds nothing fails; options that do not fit are refused', async () => {
  const stderr = "No line of the console of a matches 'nowhere'.\n";
  expect(await show('--search', 'nowhere')).toEqual({ code: 1, stdout: '', stderr });
  expect((await show('--follow')).code).toBe(2);
  expect((await show('--force')).code).toBe(2);
  expect((await show('--replay', 'full', '--search', 'x')).code).toBe(2);
  expect(asked).toHaveLength(1);
});

test('it is saved to a file, and overwrites none unasked', async () => {
  const file = join(cli.folder, 'console.log');
  expect(await show('--save', file)).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(file, 'utf8')).toBe('line\n');
  expect(await show('--save', file)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is there already: --force overwrites it.'),
  });
  expect((await show('--save', file, '--force')).code).toBe(0);
  expect((await show('--save', '/nowhere/x')).stderr).toContain('/nowhere/x cannot be written');
});
