// Runs inside the extension host: VS Code calls run() and ends when its promise does. Results go to a file, because the
// host's exit code only says whether all was well.
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import type { TestResult } from '../results.ts';

/** In this order: each file goes on with the lab as the one before left it. */
const files = [
  'activation',
  'lab',
  'lab-file',
  'images',
  'image-rows',
  'image-files',
  'image-fix',
  'nodes',
  'agents',
  'files',
  'survival',
  'removal',
];

export async function run(): Promise<void> {
  const mocha = new Mocha({ timeout: 240_000, bail: false });
  const only = process.env.BOOTYARD_TEST_FILES?.split(',');
  for (const file of only ?? files) mocha.addFile(`${__dirname}/${file}.test.js`);
  const results: TestResult[] = [];
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    runner.on('pass', (test) => {
      results.push({ title: test.fullTitle(), state: 'passed', ms: test.duration ?? 0 });
    });
    runner.on('pending', (test) => results.push({ title: test.fullTitle(), state: 'skipped', ms: 0 }));
    runner.on('fail', (test, error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      results.push({ title: test.fullTitle(), state: 'failed', ms: 0, error: text });
    });
  });
  const out = process.env.BOOTYARD_TEST_RESULTS;
  if (out) writeFileSync(out, JSON.stringify(results));
  if (failures > 0) throw new Error(`${failures} tests failed`);
}
