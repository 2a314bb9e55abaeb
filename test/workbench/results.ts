import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';

export const TestResult = z.object({
  title: z.string(),
  state: z.enum(['passed', 'failed', 'skipped']),
  ms: z.number(),
  error: z.string().optional(),
});
export type TestResult = z.infer<typeof TestResult>;

/** A line per test, as soon as it is known. */
export function printResult({ title, state, ms, error }: TestResult): void {
  console.log(
    `  ${state} ${title} (${Math.round(ms)} ms)${error ? `\n${error.replace(/^/gm, '      ')}` : ''}`,
  );
}

/** Writes the summary in the shape of vitest's JSON reporter, so that all suites are counted alike. */
export function writeSummary(file: string, results: TestResult[]): { passed: number; failed: number } {
  const count = (state: TestResult['state']): number =>
    results.filter((result) => result.state === state).length;
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')];
  const summary = {
    success: failed === 0 && passed > 0,
    numTotalTests: results.length,
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numFailedTestSuites: 0,
    testResults: [
      {
        name: 'workbench',
        assertionResults: results.map(({ title, state, error }) => ({
          fullName: title,
          status: state,
          failureMessages: error === undefined ? [] : [error],
        })),
      },
    ],
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(summary, undefined, 2));
  return { passed, failed };
}
