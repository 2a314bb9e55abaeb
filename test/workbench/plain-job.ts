import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { installFolder } from '../../scripts/code-server.ts';
import { TestLab } from '../support/lab.ts';
import { makePlainUser, type PlainUser } from '../support/plain-user.ts';
import { NodeJob } from './node-job.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps } from './steps.ts';
import { Workbench } from './workbench.ts';

/** The short main job of a user without any right, whose code-server, lab and machines all run as that user. Root only. */
export async function runPlainJob(browser: Browser, vsix: string, logs: string): Promise<TestResult[]> {
  const user = makePlainUser();
  const lab = new TestLab({
    home: user.home,
    env: user.env,
    command: [...user.prefix, user.bootyard],
  });
  const folder = mkdtempSync(join(tmpdir(), 'byp-'));
  try {
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('lab', 'stop');
    const workbench = await startWorkbench(browser, user, lab, { folder, vsix, logs });
    try {
      return await runSteps(workbench.page, 'plain user', steps(workbench, user.uid), { logs, album: logs });
    } finally {
      await workbench.stop();
    }
  } finally {
    await lab.run('lab', 'stop');
    rmSync(folder, { recursive: true, force: true });
    user.remove();
  }
}

async function startWorkbench(
  browser: Browser,
  user: PlainUser,
  lab: TestLab,
  { folder, vsix, logs }: { folder: string; vsix: string; logs: string },
): Promise<Workbench> {
  const { HOME: _, ...env } = user.env;
  const { BOOTYARD_HOME, XDG_RUNTIME_DIR } = lab.env;
  // Where the user may read them: the checkout's own folder may be closed.
  const product = join(folder, 'c');
  execFileSync('cp', ['-a', installFolder, product]);
  const extension = join(folder, 'bootyard.vsix');
  cpSync(vsix, extension);
  const entry = join(product, 'node_modules/code-server/out/node/entry.js');
  return Workbench.start(browser, {
    folder,
    logs,
    name: 'plain',
    vsix: extension,
    env: { ...env, BOOTYARD_HOME, XDG_RUNTIME_DIR },
    testDriver: false,
    user: { uid: user.uid, command: [...user.prefix, env.BOOTYARD_NODE ?? '', entry] },
  });
}

function steps(
  workbench: Workbench,
  uid: number,
): { title: string; run: () => Promise<void>; picture?: string }[] {
  const nodes = new NodeJob(new Person(workbench));
  return [
    { title: 'the Bootyard view opens', run: () => nodes.openView() },
    { title: 'Start Lab starts the lab', run: () => nodes.startLab() },
    { title: 'Create Node boots the image', run: () => nodes.createNode('vnode1') },
    { title: 'the row says booted', run: () => nodes.waitBooted('vnode1'), picture: 'plain-booted' },
    { title: 'the shell takes a command', run: () => nodes.useShell('vnode1') },
    { title: 'the machine is a process of the user', run: async () => checkOwner(uid) },
    { title: 'Stop Lab stops the lab', run: () => nodes.stopLabWith(1) },
  ];
}

function checkOwner(uid: number): void {
  // The user was made for this test, so its machines are this lab's.
  const machines = execFileSync('pgrep', ['-u', String(uid), '-x', 'qemu-system-x86'], { encoding: 'utf8' });
  if (machines.trim().split('\n').length !== 1) throw new Error(`machines of the user: ${machines}`);
}
