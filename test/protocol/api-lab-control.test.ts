import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../backend/api/client.ts';
import { connectToLab, labPaths, labStatus, type Paths, stopLab } from '../../backend/api/lab-control.ts';
import { BootyardError } from '../../backend/errors.ts';

/** A daemon that has the API and nothing behind it. */
const DAEMON = `
import { ApiServer } from '${join(import.meta.dirname, '../../backend/api/server.ts')}';
import { basicHandlers, LAB } from '${join(import.meta.dirname, '../support/api-lab.ts')}';
import { labPaths } from '${join(import.meta.dirname, '../../backend/state/paths.ts')}';
import { writeFileSync } from 'node:fs';
const server = new ApiServer({
  socketPath: labPaths().daemonSocket,
  handlers: { ...basicHandlers, 'lab.shutdown': () => {
    writeFileSync(process.env.BOOTYARD_HOME + '/asked', process.env.NODE_OPTIONS ?? 'clean');
    return {};
  } },
  snapshot: () => ({ nodes: [], images: [], lab: LAB }),
  version: String(process.pid),
  log: console.error,
});
await server.start();
process.on('SIGTERM', () => void server.close().then(() => process.exit()));
`;

let folder: string;
let daemon: string;
let env: NodeJS.ProcessEnv;
let paths: Paths;
beforeEach(() => {
  folder = mkdtempSync('/tmp/bootyard-control-');
  daemon = join(folder, 'daemon.mjs');
  writeFileSync(daemon, DAEMON);
  env = {
    PATH: process.env.PATH,
    BOOTYARD_HOME: join(folder, 'home'),
    XDG_RUNTIME_DIR: folder,
    NODE_OPTIONS: '--no-such-option',
  };
  mkdirSync(join(folder, 'home'));
  paths = labPaths(env);
});
afterEach(async () => {
  await stopLab(paths);
  rmSync(folder, { recursive: true });
});

async function errorOf(promise: Promise<unknown>): Promise<BootyardError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BootyardError)) throw new Error(`no BootyardError but ${String(error)}`);
  return error;
}

test('a lab that does not run is said so, or started; many callers make one', async () => {
  expect((await errorOf(connectToLab({ start: false, paths, env }))).code).toBe('lab.stopped');
  expect(await labStatus(paths)).toMatchObject({ state: 'stopped' });
  const progress: string[] = [];
  const start = () =>
    connectToLab({ start: true, paths, env, daemon, onProgress: ({ message }) => progress.push(message) });
  const clients = await Promise.all([start(), start(), start()]);
  expect(new Set(clients.map((client) => client.serverVersion)).size).toBe(1);
  expect(progress).toContain('Starting the lab');
  expect(await labStatus(paths)).toMatchObject({ state: 'running', acceleration: 'tcg' });
  for (const client of clients) client.dispose();
});

test('stopping asks the daemon, then ends all; a second stop has nothing to do', async () => {
  const client = await connectToLab({ start: true, paths, env, daemon });
  const closed = new Promise<void>((resolve) => client.onClose(resolve));
  expect(await stopLab(paths)).toBe(true);
  await closed;
  const { readFileSync } = await import('node:fs');
  // an editor's own Node options do not reach the daemon
  expect(readFileSync(join(folder, 'home/asked'), 'utf8')).toBe('clean');
  expect(await labStatus(paths)).toMatchObject({ state: 'stopped' });
  expect(await stopLab(paths)).toBe(false);
});

test('a daemon that was killed is waited for', async () => {
  const first = await connectToLab({ start: true, paths, env, daemon });
  const { labState } = await import('../../backend/lab/launch.ts');
  for (let round = 0; round < 3; round++) {
    const state = labState(paths);
    if (state.state !== 'running' || state.daemon === undefined) throw new Error('no daemon');
    process.kill(state.daemon, 'SIGKILL');
    const next = await connectToLab({ start: false, paths, env });
    expect(await next.call('lab.status', {})).toMatchObject({ state: 'running' });
    next.dispose();
  }
  first.dispose();
});

test('a daemon that cannot start is told with its last words', async () => {
  writeFileSync(daemon, 'console.error("the disk is full"); process.exit(1)');
  const error = await errorOf(connectToLab({ start: true, paths, env, daemon }));
  expect(error.message).toContain('the disk is full');
});

test('a Node that is too old, or none, is told', async () => {
  const old = join(folder, 'node');
  writeFileSync(old, '#!/bin/sh\necho 20.11.1\n', { mode: 0o755 });
  const error = await errorOf(connectToLab({ start: true, paths, env, daemon, nodePath: old }));
  expect(error.message).toContain('needs Node 22.13 or later');
  const none = await errorOf(connectToLab({ start: true, paths, env, daemon, nodePath: '/no/node' }));
  expect(none).toMatchObject({ code: 'lab.node' });
  expect((await errorOf(connect(paths.daemonSocket, { version: '1' }))).code).toBe('api.unreachable');
});
