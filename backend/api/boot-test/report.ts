import { placed } from '../yaml-file.ts';
import type { CaseResult } from './run.ts';

/** A line for a case, and one for each expectation that was not met, which terminals make a link of. */
export function caseLines(result: CaseResult): string[] {
  const { name, file, failures, seconds, node } = result;
  const state = failures.length === 0 ? 'ok  ' : 'FAIL';
  return [
    `${state}  ${name} (${seconds.toFixed(1)} s)`,
    ...failures.map((failure) => `      ${placed(file, failure)}: ${failure.message}`),
    ...(node === null ? [] : [`      its node is ${node}: bootyard node console ${node}`]),
  ];
}

export function summary(results: readonly CaseResult[]): string {
  const failed = results.filter(({ failures }) => failures.length > 0).length;
  return `${results.length - failed} passed, ${failed} failed`;
}

/** TAP 14 (testanything.org): what comes before the first test point. */
export function tapBegin(count: number): string {
  return `TAP version 14\n1..${count}`;
}

/** A test point, with a YAML block that says what failed; its values are JSON, which YAML takes. */
export function tapPoint(number: number, { name, file, failures, seconds, node }: CaseResult): string {
  const title = name.replace(/[\\#]/g, String.raw`\$&`);
  const point = `${failures.length === 0 ? 'ok' : 'not ok'} ${number} - ${title}`;
  const first = failures[0];
  const entries: [string, unknown][] = [
    ['duration_ms', Math.round(seconds * 1000)],
    ...(first
      ? ([
          ['message', first.message],
          ['at', placed(file, first)],
        ] as const)
      : []),
    ...(failures.length > 1
      ? ([
          ['more', failures.slice(1).map((failure) => `${placed(file, failure)}: ${failure.message}`)],
        ] as const)
      : []),
    ...(node === null ? [] : ([['node', node]] as const)),
  ].map(([key, value]) => [String(key), value]);
  const block = entries.map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`);
  return [point, '  ---', ...block, '  ...'].join('\n');
}

/** JUnit's XML as Jenkins, GitLab and GitHub's actions read it: a suite for each file, seconds as numbers. */
export function junit(results: readonly CaseResult[], startedAt: Date): string {
  const files = [...new Set(results.map(({ file }) => file))];
  const suites = files.map((file) => {
    const cases = results.filter((result) => result.file === file);
    const body = cases.map((result) => testCase(result));
    const timestamp = startedAt.toISOString().replace(/\.\d+Z$/, '');
    return element('testsuite', { name: file, ...counts(cases), timestamp }, body.join(''));
  });
  const all = element('testsuites', { name: 'bootyard', ...counts(results) }, suites.join(''));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${all}`;
}

function counts(results: readonly CaseResult[]) {
  const failures = results.filter((result) => result.failures.length > 0).length;
  const time = results.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3);
  return { tests: results.length, failures, errors: 0, skipped: 0, time };
}

function testCase({ name, file, failures, seconds, console }: CaseResult): string {
  const body = failures.map((failure) =>
    element('failure', { message: failure.message, type: 'expectation' }, escaped(placed(file, failure))),
  );
  const output = failures.length > 0 ? [element('system-out', {}, escaped(console.join('\n')))] : [];
  const classname = file
    .replace(/\.boot\.yaml$/, '')
    .replaceAll('/', '.')
    .replace(/^\.+/, '');
  return element('testcase', { name, classname, time: seconds.toFixed(3) }, [...body, ...output].join(''));
}

function element(name: string, attributes: Record<string, string | number>, body: string): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return `<${name}${list.join('')}>${body}</${name}>\n`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** What XML 1.0 has no character for, which a console may print, is U+FFFD. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
