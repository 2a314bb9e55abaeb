import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { TestResult } from './results.ts';
import type { Workbench } from './workbench.ts';

const LIMIT_MS = 20 * 60_000;

/**
 * Runs the mocha suite inside the extension host of a workbench in which the packaged extension is installed. An empty
 * extension plays the one under development, without which VS Code runs no tests.
 */
export async function runHostSuite(
  workbench: Workbench,
  suite: string,
  resultsFile: string,
  logs: string,
): Promise<TestResult[]> {
  const { page } = workbench;
  const exit = Promise.withResolvers<number>();
  const output = createWriteStream(join(logs, 'host.console.log'));
  await page.exposeFunction('codeAutomationLog', (type: string, args: unknown[]) => {
    output.write(`${type} ${args.map(String).join(' ')}\n`);
  });
  await page.exposeFunction('codeAutomationExit', (code: number) => exit.resolve(code));
  const timer = setTimeout(() => exit.reject(new Error('the suite did not end in time')), LIMIT_MS);
  const trouble: TestResult[] = [];
  try {
    await page.goto(
      workbench.address([
        ['extensionDevelopmentPath', workbench.remote(join(import.meta.dirname, 'host-shell'))],
        ['extensionTestsPath', workbench.remote(suite)],
        ['skipWelcome', 'true'],
      ]),
    );
    const code = await exit.promise;
    if (code !== 0 && !existsSync(resultsFile)) throw new Error(`the extension host ended with ${code}`);
  } catch (error) {
    await page.screenshot({ path: join(logs, 'host-trouble.png') });
    trouble.push({ title: 'extension host suite', state: 'failed', ms: 0, error: String(error) });
  } finally {
    clearTimeout(timer);
    output.end();
  }
  const results = existsSync(resultsFile)
    ? z.array(TestResult).parse(JSON.parse(readFileSync(resultsFile, 'utf8')))
    : [];
  return [...results, ...trouble];
}
