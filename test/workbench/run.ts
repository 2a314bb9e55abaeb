// The editor's tests in a real VS Code (code-server in headless Chromium), with the packaged extension installed and a
// lab of their own: the mocha suite inside the extension host, jobs by mouse and keyboard, and the start of one as a user
// without rights, whom only root can make. `keep`, `wall`, `loop`, `files`, `debug`, `tests`, `labfile`,
// `agents` and `plain` are long: with BOOTYARD_TEST_ALL, or when named.
//   test/workbench/run.ts [host|main|work|keep|wall|loop|files|debug|tests|labfile|agents|plain…] [--pictures]     --pictures makes those in docs/ anew
//   test/workbench/run.ts loop [--docker] [--podman] [--none]      the loop with these alone
// BOOTYARD_TEST_VSIX names a .vsix to test instead of packaging dist/.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { installCodeServer } from '../../scripts/install-code-server.ts';
import { packageExtension } from '../../scripts/package.ts';
import { TestLab } from '../support/lab.ts';
import { runAgentsJob } from './agents-job.ts';
import { bundleSuite } from './bundle.ts';
import { runDebugJob } from './debug-job.ts';
import { runHostSuite } from './host.ts';
import { runImagefsJob } from './imagefs-job.ts';
import { runKeepJob } from './keep-job.ts';
import { runLabFileJob } from './lab-file-job.ts';
import { LOOPS, runLoopJob } from './loop-job.ts';
import { runMainJob } from './main-job.ts';
import { runPlainJob } from './plain-job.ts';
import { printResult, writeSummary, type TestResult } from './results.ts';
import { runTestsJob } from './tests-job.ts';
import { runWallJob } from './wall-job.ts';
import { runWorkJob } from './work-job.ts';
import { launchChromium, Workbench } from './workbench.ts';
import { isLong } from '../support/long.ts';

const cache = join(import.meta.dirname, '../../.cache');
const logs = join(import.meta.dirname, 'shots');
/** Pictures of the README. */
const docs = join(import.meta.dirname, '../../docs');
const summaryFile = join(cache, 'test-results/workbench.json');
const flags = process.argv.slice(2).filter((word) => word.startsWith('--'));
const loops = LOOPS.filter((loop) => flags.includes(`--${loop}`));
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

interface Job {
  name: string;
  heading: string;
  /** with BOOTYARD_TEST_ALL, or when it is named */
  isLong?: boolean;
  run: (browser: Browser, vsix: string) => Promise<TestResult[]>;
}
type InWorkbench = (workbench: Workbench, lab: TestLab) => Promise<TestResult[]>;

function job(name: string, heading: string, run: InWorkbench, isLongJob = false): Job {
  return {
    name,
    heading,
    isLong: isLongJob,
    run: async (browser, vsix) =>
      await inWorkbench(browser, name, vsix, (workbench, _, lab) => run(workbench, lab)),
  };
}

async function inHost(browser: Browser, vsix: string): Promise<TestResult[]> {
  const suite = await bundleSuite();
  const results = await inWorkbench(browser, 'host', vsix, (workbench, resultsFile) =>
    runHostSuite(workbench, suite, resultsFile, logs),
  );
  results.forEach(printResult);
  return results;
}

const pictures = flags.includes('--pictures');
/** The longest first. */
const jobs: Job[] = [
  job('work', 'work with nodes, by mouse and keyboard', (workbench, lab) =>
    runWorkJob(workbench, lab, logs, pictures),
  ),
  job(
    'keep',
    'what is kept of nodes, by mouse and keyboard',
    (workbench, lab) => runKeepJob(workbench, lab, { logs, pictures, everything: isLong }),
    true,
  ),
  job(
    'wall',
    'many nodes at a glance, by mouse and keyboard',
    (workbench, lab) => runWallJob(workbench, lab, { logs, album: pictures ? docs : logs }),
    true,
  ),
  job('main', 'the main job, by mouse and keyboard', (workbench, lab) =>
    runMainJob(workbench, logs, pictures, lab),
  ),
  { name: 'host', heading: 'in the extension host', run: inHost },
  job(
    'loop',
    'from a Dockerfile or a shell to a booted node, and again, by mouse and keyboard',
    (workbench, lab) => runLoopJob(workbench, lab, logs, loops.length > 0 ? loops : LOOPS),
    true,
  ),
  job(
    'files',
    'images and nodes as folders, by mouse and keyboard',
    (workbench, lab) => runImagefsJob(workbench, lab, logs),
    true,
  ),
  job(
    'tests',
    'boot tests in the Testing view, by mouse and keyboard',
    (workbench, lab) => runTestsJob(workbench, lab, logs, pictures),
    true,
  ),
  job(
    'labfile',
    'a lab as a file, by mouse and keyboard',
    (workbench) => runLabFileJob(workbench, logs),
    true,
  ),
  job(
    'agents',
    "agents' tools that change things, by mouse and keyboard",
    (workbench, lab) => runAgentsJob(workbench, lab, logs),
    true,
  ),
  job(
    'debug',
    'debuggers of a kernel and of programs in a node, from F5',
    (workbench, lab) => runDebugJob(workbench, lab, { logs, album: pictures ? docs : logs }),
    true,
  ),
  {
    name: 'plain',
    heading: 'as a plain user',
    isLong: true,
    run: (browser, vsix) => runPlainJob(browser, vsix, logs),
  },
];

function isWanted({ name, isLong: needsAll = false }: Job): boolean {
  if (parts.length > 0) return parts.includes(name);
  // Only root can make a user without rights.
  return (isLong || !needsAll) && (name !== 'plain' || process.getuid?.() === 0);
}

/** Each job has a lab and a workbench of its own, and waits much: two run side by side. */
async function runAll(): Promise<TestResult[]> {
  const results: TestResult[] = [];
  installCodeServer((line) => console.log(line));
  const vsix =
    process.env.BOOTYARD_TEST_VSIX ?? (await packageExtension({ folder: join(cache, 'test-vsix') }));
  const browser = await launchChromium();
  const due = jobs.filter(isWanted);
  const lane = async (): Promise<void> => {
    for (let next = due.shift(); next; next = due.shift()) {
      console.log(`\n${next.heading}`);
      results.push(...(await next.run(browser, vsix)));
    }
  };
  try {
    await Promise.all([lane(), lane()]);
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
