// Runs every suite and ends with the tests that failed and `N passed, N failed`, summed over all. `--all` adds what is too
// slow for each change.
// `scripts/test.ts unit boot` runs only the suites named.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as z from 'zod';

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
  /** runs beside the next ones up to one that is not, and is printed as a whole when it has ended */
  isBeside?: boolean;
}
interface Sum {
  passed: number;
  failed: number;
  /** a line for each test that failed */
  failures: string[];
}
const VitestResults = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numFailedTestSuites: z.number(),
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});
type VitestResults = z.infer<typeof VitestResults>;

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
  // Tests of protocols wait much for limits of time: beside each other and the unit tests they cost little of it.
  { ...vitest('protocol', join(root, 'scripts/in-namespace')), isBeside: true },
  { ...vitest('registry', join(root, 'scripts/in-namespace')), isBeside: true },
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
  const { passed, failed, failures } = suite.counts ? counted(suite.counts) : noTests;
  const seconds = Math.round((Date.now() - started) / 1000);
  // A suite that failed without a failed test (it did not start, or broke off) counts as one failure.
  const ended = status === 0 && failed === 0;
  const sum = {
    passed: passed + (ended && !suite.counts ? 1 : 0),
    failed: ended ? 0 : Math.max(failed, 1),
    failures: ended || failures.length > 0 ? failures : [`exit code ${status ?? 'none'}`],
  };
  console.log(`== ${suite.name}: ${sum.passed} passed, ${sum.failed} failed (${seconds} s)`);
  return { ...sum, failures: sum.failures.map((line) => `${suite.name}: ${line}`) };
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
  let beside: Promise<Sum>[] = [];
  for (const suite of chosen) {
    if (suite.isBeside && suite !== chosen.at(-1)) {
      beside.push(run(suite, join(results, `${suite.name}.log`)));
      continue;
    }
    sums.push(await run(suite), ...(await Promise.all(beside)));
    beside = [];
  }
  return sums;
}

const noTests: Sum = { passed: 0, failed: 0, failures: [] };

function counted(file: string): Sum {
  if (!existsSync(file)) return { passed: 0, failed: 1, failures: ['no test has run'] };
  const told = VitestResults.parse(JSON.parse(readFileSync(file, 'utf8')));
  const { numPassedTests: passed, numFailedTests, numFailedTestSuites, success } = told;
  // A file that could not be loaded is a failed suite without a failed test.
  const failed = success ? 0 : numFailedTests || numFailedTestSuites || 1;
  return { passed, failed, failures: failed > 0 ? failuresOf(told) : [] };
}

function failuresOf({ testResults }: VitestResults): string[] {
  const firstLine = (text: string | undefined): string => text?.split('\n', 1)[0] ?? '';
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = name.startsWith('/') ? relative(root, name) : name;
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    if (failed.length === 0 && message) return [`${file}: ${firstLine(message)}`];
    return failed.map(
      ({ fullName, failureMessages }) => `${file} > ${fullName}: ${firstLine(failureMessages?.[0])}`,
    );
  });
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
const failures = sums.flatMap((sum) => sum.failures);
if (failures.length > 0) console.log(['\nFailed:', ...failures].join('\n  '));
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
