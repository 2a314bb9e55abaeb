// The editor's tests in a real VS Code (code-server in headless Chromium), with the packaged extension installed and a
// lab of their own: the mocha suite inside the extension host, three jobs by mouse and keyboard, and the start of one
// as a user without rights, whom only root can make (about a minute: with BOOTYARD_TEST_ALL, or when it is named).
//   test/workbench/run.ts [host] [main] [work] [keep] [plain] [--pictures]     --pictures makes those in docs/ anew
// BOOTYARD_TEST_VSIX names a .vsix to test instead of packaging dist/.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { installCodeServer } from '../../scripts/install-code-server.ts';
import { packageExtension } from '../../scripts/package.ts';
import { TestLab } from '../support/lab.ts';
import { bundleSuite } from './bundle.ts';
import { runHostSuite } from './host.ts';
import { runKeepJob } from './keep-job.ts';
import { runMainJob } from './main-job.ts';
import { runPlainJob } from './plain-job.ts';
import { printResult, writeSummary, type TestResult } from './results.ts';
import { runWorkJob } from './work-job.ts';
import { launchChromium, Workbench } from './workbench.ts';
import { isLong } from '../support/long.ts';

const cache = join(import.meta.dirname, '../../.cache');
const logs = join(import.meta.dirname, 'shots');
const summaryFile = join(cache, 'test-results/workbench.json');
const flags = process.argv.slice(2).filter((word) => word.startsWith('--'));
const parts = process.argv.slice(2).filter((word) => !flags.includes(word));

/** A stopped lab with the tiny image, and a workbench that uses it; both are gone afterwards. */
async function inWorkbench<T>(
  browser: Browser,
  name: string,
  vsix: string,
  run: (workbench: Workbench, resultsFile: string, lab: TestLab) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'byw-'));
  const resultsFile = join(folder, 'results.json');
  const lab = new TestLab();
  try {
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('lab', 'stop');
    const { BOOTYARD_HOME, XDG_RUNTIME_DIR } = lab.env;
    const env: NodeJS.ProcessEnv = { BOOTYARD_HOME, XDG_RUNTIME_DIR, BOOTYARD_TEST_RESULTS: resultsFile };
    // The suite builds a default image, which this checkout has built before; the main job begins with nothing.
    if (name === 'host') env.XDG_CACHE_HOME = cache;
    const workbench = await Workbench.start(browser, {
      folder,
      logs,
      name,
      vsix,
      env,
      testDriver: name === 'host',
    });
    try {
      return await run(workbench, resultsFile, lab);
    } finally {
      await workbench.stop();
      if (workbench.strays.size > 0)
        console.log(`  (asked for and not answered: ${[...workbench.strays].join(' ')})`);
    }
  } finally {
    await lab.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

function wanted(part: 'host' | 'main' | 'work' | 'keep'): boolean {
  return parts.length === 0 || parts.includes(part);
}

async function runAll(): Promise<TestResult[]> {
  const results: TestResult[] = [];
  installCodeServer((line) => console.log(line));
  const vsix =
    process.env.BOOTYARD_TEST_VSIX ?? (await packageExtension({ folder: join(cache, 'test-vsix') }));
  const browser = await launchChromium();
  try {
    if (wanted('host')) {
      console.log('\nin the extension host');
      const suite = await bundleSuite();
      const host = await inWorkbench(browser, 'host', vsix, (workbench, resultsFile) =>
        runHostSuite(workbench, suite, resultsFile, logs),
      );
      host.forEach(printResult);
      results.push(...host);
    }
    if (wanted('main')) {
      console.log('\nthe main job, by mouse and keyboard');
      results.push(
        ...(await inWorkbench(browser, 'main', vsix, (workbench, _, lab) =>
          runMainJob(workbench, logs, flags.includes('--pictures'), lab),
        )),
      );
    }
    if (wanted('work')) {
      console.log('\nwork with nodes, by mouse and keyboard');
      results.push(
        ...(await inWorkbench(browser, 'work', vsix, (workbench, _, lab) =>
          runWorkJob(workbench, lab, logs, flags.includes('--pictures')),
        )),
      );
    }
    const everything = isLong;
    if (wanted('keep')) {
      console.log('\nwhat is kept of nodes, by mouse and keyboard');
      const options = { logs, pictures: flags.includes('--pictures'), everything };
      results.push(
        ...(await inWorkbench(browser, 'keep', vsix, (workbench, _, lab) =>
          runKeepJob(workbench, lab, options),
        )),
      );
    }
    if ((parts.length === 0 && everything && process.getuid?.() === 0) || parts.includes('plain')) {
      console.log('\nas a plain user');
      results.push(...(await runPlainJob(browser, vsix, logs)));
    }
  } finally {
    await browser.close();
  }
  return results;
}

rmSync(logs, { recursive: true, force: true });
mkdirSync(logs, { recursive: true });
let results: TestResult[];
try {
  results = await runAll();
} catch (error) {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  results = [{ title: 'the workbench starts', state: 'failed', ms: 0, error: text }];
  results.forEach(printResult);
}
const { passed, failed } = writeSummary(summaryFile, results);
console.log(`\nworkbench: ${passed} passed, ${failed} failed (${summaryFile})`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
