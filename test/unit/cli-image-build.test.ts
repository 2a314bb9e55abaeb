import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CommandLine } from '../support/cli.ts';

const THERE = {
  name: 'mine',
  id: '0'.repeat(64),
  labels: {},
  sizeBytes: 0,
  ownBytes: 0,
  created: '',
  inUse: false,
  nodes: [],
  layers: 1,
  models: [],
};
const cli = new CommandLine();
const source = join(cli.folder, 'source');

beforeAll(async () => {
  mkdirSync(source);
  writeFileSync(join(source, 'Dockerfile'), 'FROM x\n');
  await cli.startDaemon();
});
afterAll(async () => {
  await cli.stopDaemon();
  cli.remove();
});
beforeEach(() => {
  cli.handlers = {};
});

describe('image build', () => {
  test.each([
    [[], 'Name one thing to build from'],
    [[source, '--from-url', 'https://x'], 'Name one thing to build from'],
    [['--from-url', 'https://x', '--watch'], '--watch works with a folder only.'],
    [[source, '--watch', '--json'], '--watch and --json do not go together.'],
    [[source, '--build-arg', 'no'], 'Please provide build arguments as `<name>=<value>`.'],
  ])('takes %j for a wrong use', async (words, sentence) => {
    const { code, stderr } = await cli.run(['image', 'build', 'mine', ...words]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)]);
  });

  test('says in one sentence that no engine answers, and what to do', async () => {
    const { code, stderr } = await cli.run(['image', 'build', 'mine', source]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^No Docker or Podman answers: start one, .*\.\n$/),
    ]);
  });

  test('asks before an image is replaced: --force where nobody can answer', async () => {
    cli.handlers['image.list'] = () => [THERE];
    for (const more of [[], ['--watch']]) {
      const { code, stderr } = await cli.run(['image', 'build', 'mine', source, ...more]);
      expect([code, stderr]).toEqual([1, "Error: Image 'mine' already exists. Use --force to go on.\n"]);
    }
  });

  test('refuses a name that no image can have', async () => {
    const { code, stderr } = await cli.run(['image', 'build', 'Mine', source]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^Bad name: /)]);
  });
});
