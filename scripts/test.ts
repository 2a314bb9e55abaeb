// Runs every suite and ends with `N passed, N failed`, summed over all. `--all` adds what is too slow for each change.
// `scripts/test.ts unit boot` runs only the suites named.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const root = join(import.meta.dirname, '..');
const results = join(root, '.cache/test-results');
const flags = process.argv.slice(2);
const only = flags.filter((flag) => !flag.startsWith('--'));
const env = { ...process.env, ...(flags.includes('--all') ? { BOOTYARD_TEST_ALL: '1' } : {}) };

interface Suite {
  name: string;
  command: string[];
  /** file in which the suite counts its tests; without one the suite is one test */
  counts?: string;
  /** runs beside the next one, and is printed as a whole when it has ended */
  isBeside?: boolean;
}
interface Sum {
  passed: number;
  failed: number;
}
const VitestResults = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numFailedTestSuites: z.number(),
  success: z.boolean(),
});

function vitest(name: string, ...wrapper: string[]): Suite {
  const counts = join(results, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${counts}`];
  return { name, counts, command: [...wrapper, 'vitest', 'run', '--project', name, ...reporters] };
}

const suites: Suite[] = [
  { name: 'types', command: ['tsc', '--noEmit'] },
  { name: 'webview-types', command: ['tsc', '--noEmit', '-p', 'media'] },
  {
    name: 'lint',
    command: [
      'oxlint',
      '--type-aware',
      '--deny-warnings',
      'backend',
      'extension',
      'media',
      'scripts',
      'test',
    ],
  },
  {
    name: 'layers',
    command: ['depcruise', '--config', '.dependency-cruiser.cjs', 'backend', 'extension', 'media'],
  },
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'build', command: ['node', 'scripts/build.ts'] },
  // Protocol tests wait much for one another's limits: beside the unit tests they cost little time.
  { ...vitest('protocol', join(root, 'scripts/in-namespace')), isBeside: true },
  vitest('unit'),
  vitest('boot'),
  vitest('boot-alone'),
  { name: 'workbench', command: ['node', 'test/workbench/run.ts'], counts: join(results, 'workbench.json') },
];

/** Runs a suite; what it prints goes to the terminal, or into `log`. */
async function run(suite: Suite, log?: string): Promise<Sum> {
  const started = Date.now();
  if (log === undefined) console.log(`\n== ${suite.name}`);
  const status = await statusOf(suite.command, log);
  if (log !== undefined) console.log(`\n== ${suite.name}\n${readFileSync(log, 'utf8')}`);
  const { passed, failed } = suite.counts ? counted(suite.counts) : { passed: 0, failed: 0 };
  const seconds = Math.round((Date.now() - started) / 1000);
  // A suite that failed without a failed test (it did not start, or broke off) counts as one failure.
  const ended = status === 0 && failed === 0;
  const sum = { passed: passed + (ended && !suite.counts ? 1 : 0), failed: ended ? 0 : Math.max(failed, 1) };
  console.log(`== ${suite.name}: ${sum.passed} passed, ${sum.failed} failed (${seconds} s)`);
  return sum;
}

/** The exit code of a command, or null. */
async function statusOf([program = '', ...args]: string[], log: string | undefined): Promise<number | null> {
  const output = log === undefined ? 'inherit' : openSync(log, 'w');
  try {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', output, output] });
    const [status] = (await once(child, 'close')) as [number | null];
    return status;
  } catch (error) {
    console.error(`${program}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  } finally {
    if (typeof output === 'number') closeSync(output);
  }
}

async function runAll(chosen: Suite[]): Promise<Sum[]> {
  const sums: Sum[] = [];
  let beside: Suite | undefined;
  for (const suite of chosen) {
    if (suite.isBeside && suite !== chosen.at(-1)) {
      beside = suite;
      continue;
    }
    const log = join(results, `${beside?.name}.log`);
    const other = beside && run(beside, log);
    sums.push(await run(suite));
    if (other) sums.push(await other);
    beside = undefined;
  }
  return sums;
}

function counted(file: string): { passed: number; failed: number } {
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites, success } = VitestResults.parse(
    JSON.parse(readFileSync(file, 'utf8')),
  );
  // A file that could not be loaded is a failed suite without a failed test.
  return { passed: numPassedTests, failed: success ? 0 : numFailedTests || numFailedTestSuites || 1 };
}

rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
const unknown = only.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(
    `No suite is named ${unknown.join(', ')}; there are ${suites.map((s) => s.name).join(', ')}.`,
  );
  process.exit(2);
}
const sums = await runAll(suites.filter((suite) => only.length === 0 || only.includes(suite.name)));
const passed = sums.reduce((total, sum) => total + sum.passed, 0);
const failed = sums.reduce((total, sum) => total + sum.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
