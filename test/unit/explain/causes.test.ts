import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { causes } from '../../../backend/nodes/explain/causes.ts';
import { explain } from '../../../backend/nodes/explain/explain.ts';
import { earlyCases } from './cases-early.ts';
import { lateCases } from './cases-late.ts';
import { boot } from './support.ts';

test.each([...earlyCases, ...lateCases])('%s', (cause, change, ...words) => {
  const explanation = explain(boot(change));
  expect([explanation.cause, explanation.sentence]).toEqual([cause, expect.any(String)]);
  for (const word of words) expect(explanation.sentence).toContain(word);
  expect(explanation.sentence).toMatch(/^[^\n]+\.$/);
  expect(explanation.fix).not.toBe('');
  expect(explanation.evidence.length).toBeGreaterThan(0);
});

test('every cause has its case', () => {
  const seen = new Set([...earlyCases, ...lateCases].map(([cause]) => cause));
  expect(causes.map(({ id }) => id).filter((id) => !seen.has(id))).toEqual([]);
  expect(new Set(causes.map(({ id }) => id)).size).toBe(causes.length);
});

test('a boot of which nothing is known keeps the words of before', () => {
  const explanation = explain(boot({ stage: 'init', console: ['hello', 'world'] }));
  expect(explanation).toMatchObject({
    cause: 'unknown',
    sentence: 'no progress for 60 s; last: boot files.',
    evidence: [],
  });
});

test('README lists the same causes', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  const section = readme.split('\n## Why does it not boot?\n')[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| `([\w.-]+)` +\| (.+?) +\|$/gm)].map(([, id, title]) => [id, title]);
  expect(rows).toEqual(causes.map(({ id, title }) => [id, title]));
});

test('what a node prints can neither break the sentence nor make it long', () => {
  const line = `Kernel panic - not syncing: \u001b[2J${'x'.repeat(5000)}`;
  const { sentence } = explain(
    boot({ stage: 'init', console: [line], end: { kind: 'panicked', text: line } }),
  );
  expect(sentence).not.toContain('\u001b');
  expect(sentence.length).toBeLessThan(1100);
});
