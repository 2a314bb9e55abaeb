import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { printResult, type TestResult } from './results.ts';

export interface Step {
  readonly title: string;
  readonly run: () => Promise<void>;
  /** name of a picture to take afterwards */
  readonly picture?: string;
  /** ends what the steps started: also when one has failed */
  readonly isCleanUp?: boolean;
}
export interface Folders {
  readonly logs: string;
  /** where pictures go */
  readonly album: string;
}

/** Runs steps that build on each other: those after one that failed are skipped, but for clean-ups. */
export async function runSteps(
  page: Page,
  job: string,
  steps: Step[],
  { logs, album }: Folders,
): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const [index, { title, run, picture, isCleanUp = false }] of steps.entries()) {
    const broken = results.some(({ state }) => state === 'failed');
    const result = broken && !isCleanUp ? skipped(title) : await runStep(title, run);
    const name = `${job.replaceAll(' ', '-')}-${index}`;
    if (result.state === 'failed') await page.screenshot({ path: join(logs, `${name}-failed.png`) });
    else if (picture && !broken)
      await page.screenshot({ path: join(album, `${picture}.png`), animations: 'disabled' });
    results.push({ ...result, title: `${job}: ${title}` });
    printResult({ ...result, title: `${job}: ${title}` });
  }
  return results;
}

function skipped(title: string): TestResult {
  return { title, state: 'skipped', ms: 0 };
}

async function runStep(title: string, run: () => Promise<void>): Promise<TestResult> {
  const started = performance.now();
  try {
    await run();
    return { title, state: 'passed', ms: performance.now() - started };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { title, state: 'failed', ms: performance.now() - started, error: text };
  }
}
