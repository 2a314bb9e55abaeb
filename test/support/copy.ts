import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { booted, CommandLine, type Outcome, program } from './cli.ts';

export const cli = new CommandLine();
const { folder } = cli;
/** for the paths of this host, and of the node, which is this host under another name */
export let host: string;
export let guest: string;

/** Hooks for tests of `node cp`: a daemon, and for each test two empty folders. */
export function copyHooks(): void {
  beforeAll(async () => {
    mkdirSync(join(folder, 'busybox'));
    execFileSync('busybox', ['--install', '-s', join(folder, 'busybox')]);
    await cli.startDaemon();
  });
  afterAll(async () => {
    await cli.stopDaemon();
    execFileSync('chmod', ['-R', 'u+rwX', folder]);
    cli.remove();
  });
  beforeEach(() => {
    host = mkdtempSync(join(folder, 'host-'));
    guest = mkdtempSync(join(folder, 'guest-'));
    cli.handlers = {
      'node.list': booted,
      'node.shellCommand': ({ command = '' }) => ({ argv: gnu(command) }),
    };
  });
  afterEach(() => {
    // Whatever a test did, nothing of the work is left beside what was copied.
    const left = [host, guest].flatMap((place) =>
      readdirSync(place, { recursive: true, encoding: 'latin1' }),
    );
    const work = left.find((path) => path.includes('.bootyard-cp-'));
    if (work !== undefined) throw new Error(`left behind: ${work}`);
  });
}

export const gnu = (command: string) => ['sh', '-c', command];
export const busybox = (command: string) => [
  'env',
  `PATH=${join(folder, 'busybox')}`,
  join(folder, 'busybox/sh'),
  '-c',
  command,
];

export function startCopy(from: string, to: string) {
  const child = spawn(process.execPath, [program, 'node', 'cp', '--', from, to], { env: cli.env, cwd: host });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (outcome.stdout += String(data)));
  child.stderr.on('data', (data) => (outcome.stderr += String(data)));
  const ended = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ ...outcome, code })));
  return { child, ended };
}
export const copy = (from: string, to: string): Promise<Outcome> => startCopy(from, to).ended;
export const done: Outcome = { code: 0, stdout: '', stderr: '' };
