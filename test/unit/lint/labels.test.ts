import { expect, test } from 'vitest';
import { rules } from '../../../backend/boot/lint/linter.ts';
import { expectCase, type LintCase, lintChanged } from './support.ts';

const MODELS = 'walt.node.models';
const MINVERSION = 'walt.server.minversion';

const cases: LintCase[] = [
  ['no labels', { labels: {} }, [['labels.no-models', MODELS, 'no node can boot it']]],
  ['an empty list', { labels: { [MODELS]: ' , ' } }, [['labels.no-models', MODELS, 'no label']]],
  [
    'a model that WalT has and we have not, beside one of ours',
    { labels: { [MODELS]: 'pc-x86-64, rpi-4' } },
    [['labels.unknown-model', MODELS, "'rpi-4'"]],
  ],
  [
    'only unknown models',
    { labels: { [MODELS]: 'rpi-4' } },
    [
      ['labels.unknown-model', MODELS, "'rpi-4'"],
      ['labels.no-known-model', MODELS, 'no model that can be booted'],
    ],
  ],
  ['no minimal version', { labels: { [MODELS]: 'pc-x86-64' } }, []],
  [
    'a version that is no number',
    { labels: { [MODELS]: 'pc-x86-64', [MINVERSION]: 'v4' } },
    [['labels.minversion', MINVERSION, 'not a number']],
  ],
  [
    'a version of the future',
    { labels: { [MODELS]: 'pc-x86-64', [MINVERSION]: '11' } },
    [['labels.minversion', MINVERSION, 'version 11']],
  ],
  ['another architecture', { architecture: 'arm64' }, [['labels.architecture', MODELS, "is for 'arm64'"]]],
];

test('the good image has nothing to say of', async () => {
  expect(await lintChanged()).toEqual([]);
});

test.each(cases)('labels: %s', async (...row) => expectCase(row));

test('rules have ids of their own', () => {
  const ids = rules.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z]+\.[a-z0-9-]+$/);
});
