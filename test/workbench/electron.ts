// The same mocha suite in desktop VS Code, for machines that can download it. On a machine without a display:
// xvfb-run npm run test:electron
import { runTests } from '@vscode/test-electron';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { TestLab } from '../support/lab.ts';
import { bundleSuite } from './bundle.ts';
import { printResult, TestResult } from './results.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'bye-'));
const resultsFile = join(folder, 'results.json');
const lab = new TestLab();
try {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('lab', 'stop');
  const { BOOTYARD_HOME, XDG_RUNTIME_DIR } = lab.env;
  await runTests({
    extensionDevelopmentPath: root,
    extensionTestsPath: await bundleSuite(),
    extensionTestsEnv: { BOOTYARD_HOME, XDG_RUNTIME_DIR, BOOTYARD_TEST_RESULTS: resultsFile },
    // The user's own data stays out of it; the folder is short because VS Code puts sockets there.
    launchArgs: [
      folder,
      '--user-data-dir',
      join(folder, 'u'),
      '--extensions-dir',
      join(folder, 'e'),
      '--disable-workspace-trust',
    ],
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  if (existsSync(resultsFile)) {
    z.array(TestResult)
      .parse(JSON.parse(readFileSync(resultsFile, 'utf8')))
      .forEach(printResult);
  }
  await lab.remove();
  rmSync(folder, { recursive: true, force: true });
}
