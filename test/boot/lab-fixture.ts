import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { closeTun, openTun } from '../support/tun.ts';

const backend = join(import.meta.dirname, '../../backend');

/**
 * Somebody who owns labs: the caller, or a plain user made for the test. Everything is done by Node programs that run as
 * that user, because what the tests ask is what a user's own process may do.
 */
export interface LabUser {
  readonly folder: string;
  readonly env: Record<string, string>;
  /**
   * Runs an ES module whose last expression is `export default`-like: it must call `answer(value)` once. In scope are
   * `paths`, `env`, `options`, the exports of launch.ts and host-process.ts. Rejects with what it wrote to stderr.
   */
  run(body: string): Promise<unknown>;
  dispose(): Promise<void>;
}

/** A daemon that listens, greets with its pid and says so in the log: all that the launcher asks of one. */
const DAEMON = `
import net from 'node:net';
import { rmSync } from 'node:fs';
import { labPaths } from '${backend}/state/paths.ts';
const { daemonSocket } = labPaths();
rmSync(daemonSocket, { force: true });
net.createServer((socket) => socket.on('error', () => {}).end(process.pid + '\\n')).listen(daemonSocket);
console.log('daemon', process.pid, 'listens as uid', process.getuid());
`;

export function callersLab(): LabUser {
  return makeUser('/tmp/bootyard-lab-', (file) => [process.execPath, file], process.getuid?.() ?? 0);
}

/** Makes a system user without any right, and opens /dev/net/tun while it lives. Root only. */
export function plainUsersLab(): LabUser {
  const name = `bylab${process.pid}`;
  execFileSync('useradd', ['--no-create-home', '--shell', '/bin/sh', name]);
  const uid = Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
  openTun();
  const as = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--init-groups', '--inh-caps=-all'];
  const user = makeUser('/tmp/bootyard-plain-', (file) => [...as, process.execPath, file], uid);
  return {
    ...user,
    async dispose() {
      await user.dispose();
      execFileSync('userdel', [name]);
      closeTun();
    },
  };
}

/** Root exercises both; without root the caller is a plain user already, and there is nobody to make another one. */
export const labOwners: [string, () => LabUser][] = [['the caller', callersLab]];
if (process.getuid?.() === 0) labOwners.push(['a plain user', plainUsersLab]);

/** A lab for the tests of one `describe`. The function that it returns runs `prelude` and code inside, as the daemon would. */
export function labForTests(make: () => LabUser, prelude: string): (code: string) => Promise<unknown> {
  let user: LabUser;
  beforeAll(async () => {
    user = make();
    await user.run('answer(await startLab(paths, options));');
  });
  afterAll(async () => {
    await user.dispose();
  });
  return (code) => user.run(`answer(inLab(\`${prelude}${code}\`));`);
}

function makeUser(prefix: string, argvOf: (file: string) => string[], uid: number): LabUser {
  const folder = mkdtempSync(prefix);
  const home = join(folder, 'home');
  const runtime = join(folder, 'run');
  mkdirSync(home);
  mkdirSync(runtime, { mode: 0o700 });
  const daemon = join(folder, 'daemon.mjs');
  writeFileSync(daemon, DAEMON);
  for (const path of [folder, home, runtime, daemon]) chownSync(path, uid, uid);
  chmodSync(folder, 0o755);
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    BOOTYARD_HOME: join(home, 'lab'),
    XDG_RUNTIME_DIR: runtime,
  };
  let count = 0;
  const run = async (body: string) => {
    const file = join(folder, `program${count++}.mjs`);
    writeFileSync(file, program(body, daemon));
    chmodSync(file, 0o644);
    return await answerOf(argvOf(file), env);
  };
  const dispose = async () => {
    await run('await stopLab(paths); answer(true);');
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, env, run, dispose };
}

function program(body: string, daemon: string): string {
  return `
import { setTimeout as delay } from 'node:timers/promises';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { labPaths } from '${backend}/state/paths.ts';
import { startLab, stopLab, labState, enterArgv } from '${backend}/lab/launch.ts';
const env = process.env;
const paths = labPaths(env);
const options = { node: process.execPath, daemon: ${JSON.stringify(daemon)}, env };
const answer = (value) => fs.writeSync(1, '\\u0001' + JSON.stringify(value));
/** Runs an ES module inside the lab; it prints JSON. */
const inLab = (code, ...rest) => {
  const [program, ...argv] = enterArgv(paths, [process.execPath, '--input-type=module', '-e', code, ...rest], paths.run);
  return JSON.parse(execFileSync(program, argv, { encoding: 'utf8' }));
};
const shellInLab = (script) => {
  const [program, ...argv] = enterArgv(paths, ['sh', '-c', script]);
  return execFileSync(program, argv, { encoding: 'utf8' }).trim();
};
const lab = '${backend}/lab';
${body}
`;
}

async function answerOf(argv: string[], env: Record<string, string>): Promise<unknown> {
  const [file = '', ...rest] = argv;
  return await new Promise((resolve, reject) => {
    execFile(file, rest, { env, cwd: '/' }, (error, stdout, stderr) => {
      const text = stdout.split('\u0001')[1];
      if (error || text === undefined) reject(new Error(stderr || error?.message || 'no answer'));
      else resolve(JSON.parse(text));
    });
  });
}

/** Waits for a condition that some other process brings about. */
export async function eventually(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(25);
  }
}
