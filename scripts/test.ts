// Runs every suite and ends with `N passed, N failed`, summed over all. `--all` adds what is too slow for each change.
// `scripts/test.ts unit boot` runs only the suites named.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
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
  vitest('unit'),
  vitest('protocol', join(root, 'scripts/in-namespace')),
  vitest('boot'),
  vitest('boot-alone'),
  { name: 'workbench', command: ['node', 'test/workbench/run.ts'], counts: join(results, 'workbench.json') },
];

function run(suite: Suite): { passed: number; failed: number } {
  console.log(`\n== ${suite.name}`);
  const started = Date.now();
  const [program, ...args] = suite.command;
  const { status, error } = spawnSync(program ?? '', args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) console.error(`${suite.name}: ${error.message}`);
  const { passed, failed } = suite.counts ? counted(suite.counts) : { passed: 0, failed: 0 };
  const seconds = Math.round((Date.now() - started) / 1000);
  // A suite that failed without a failed test (it did not start, or broke off) counts as one failure.
  const ended = status === 0 && failed === 0;
  const sum = { passed: passed + (ended && !suite.counts ? 1 : 0), failed: ended ? 0 : Math.max(failed, 1) };
  console.log(`== ${suite.name}: ${sum.passed} passed, ${sum.failed} failed (${seconds} s)`);
  return sum;
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
const sums = suites.filter((suite) => only.length === 0 || only.includes(suite.name)).map(run);
const passed = sums.reduce((total, sum) => total + sum.passed, 0);
const failed = sums.reduce((total, sum) => total + sum.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
