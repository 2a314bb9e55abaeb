import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { ConsoleWatch } from '../../backend/api/boot-test/console-watch.ts';
import { caseLines, junit, summary, tapBegin, tapPoint } from '../../backend/api/boot-test/report.ts';
import type { CaseResult } from '../../backend/api/boot-test/run.ts';

const base: CaseResult = {
  name: 'a',
  file: 'lab/a.boot.yaml',
  failures: [],
  seconds: 1.5,
  bootSeconds: 1,
  console: [],
  node: null,
};
const failed: CaseResult = {
  ...base,
  name: 'b #1 \\ "x" <y> & z',
  failures: [
    { line: 3, column: 5, message: 'No "good": <& line' },
    { line: 4, column: 1, message: 'second' },
  ],
  console: ['\u001b[1mbad\u0000', 'ok \u{1F600}', ']]>'],
  node: 'test-b',
};

test('lines for people', () => {
  expect([...caseLines(base), ...caseLines(failed), summary([base, failed])]).toEqual([
    'ok    a (1.5 s)',
    'FAIL  b #1 \\ "x" <y> & z (1.5 s)',
    '      lab/a.boot.yaml:3:5: No "good": <& line',
    '      lab/a.boot.yaml:4:1: second',
    '      its node is test-b: bootyard node console test-b',
    '1 passed, 1 failed',
  ]);
});

test('TAP 14: a plan, points with escaped names, diagnostics that are YAML', () => {
  expect(tapBegin(2)).toBe('TAP version 14\n1..2');
  expect(tapPoint(1, base)).toBe('ok 1 - a\n  ---\n  duration_ms: 1500\n  ...');
  const [point, begin, ...rest] = tapPoint(2, failed).split('\n');
  expect([point, begin, rest.pop()]).toEqual(['not ok 2 - b \\#1 \\\\ "x" <y> & z', '  ---', '  ...']);
  expect(parse(rest.join('\n'))).toEqual({
    duration_ms: 1500,
    message: 'No "good": <& line',
    at: 'lab/a.boot.yaml:3:5',
    more: ['lab/a.boot.yaml:4:1: second'],
    node: 'test-b',
  });
});

test("JUnit's XML is valid, whatever names and consoles hold", () => {
  const xml = junit([base, failed, { ...base, file: 'c.boot.yaml' }], new Date(0));
  const schema = join(import.meta.dirname, '../support/junit.xsd');
  execFileSync('xmllint', ['--noout', '--schema', schema, '-'], { input: xml, stdio: 'pipe' });
  const ask = (path: string) =>
    execFileSync('xmllint', ['--xpath', path, '-'], { input: xml, encoding: 'utf8' }).trim();
  expect(ask('string(/testsuites/@tests)')).toBe('3');
  expect(ask('string(/testsuites/testsuite[1]/@failures)')).toBe('1');
  expect(ask('string(//testcase[2]/@name)')).toBe(failed.name);
  expect(ask('string(//failure[1]/@message)')).toBe('No "good": <& line');
  expect(ask('string(//failure[1])')).toBe('lab/a.boot.yaml:3:5');
  expect(ask('string(//system-out)')).toContain('\uFFFD[1mbad\uFFFD\nok \u{1F600}\n]]>');
});

test('the console is looked at line by line, prompts too, without colours, in any pieces', () => {
  const watch = new ConsoleWatch(
    ['^\\*\\*\\* Done \\*\\*\\*$', 'login: ?$', 'never', '^héllo$'].map((seen) => ({ seen })),
  );
  for (const byte of Buffer.from('\u001b[1m*** Done ***\u001b[0m\r\nhéllo\nsome\u0007thing\rvnode login:'))
    watch.feed(Buffer.from([byte]));
  expect([0, 1, 2, 3].map((index) => watch.found(index))).toEqual([
    '*** Done ***',
    'vnode login:',
    undefined,
    'héllo',
  ]);
  expect(watch.lines).toEqual(['*** Done ***', 'héllo', 'something', 'vnode login:']);
});

test('a guest that prints without end is held to some lines', () => {
  const watch = new ConsoleWatch([{ seen: 'late$' }]);
  for (let count = 0; count < 100; count++) watch.feed(Buffer.alloc(20_000, 'x'));
  watch.feed(Buffer.from(`\n${'y\n'.repeat(5000)}late`));
  expect(watch.found(0)).toBe('late');
  expect(watch.lines).toHaveLength(501);
});
