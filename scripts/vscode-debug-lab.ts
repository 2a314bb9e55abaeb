// F5 on the daemon. A debugger reaches a process by what it puts into its environment, and the lab's daemon is started
// by a keeper, in namespaces, with an environment of its own. So the daemon's Node is, for this session, a script that
// puts the debugger's variables back; each daemon that the keeper starts is debugged, too.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const wrapper = join(root, '.cache/debug-node');
const variables = ['NODE_OPTIONS', 'VSCODE_INSPECTOR_OPTIONS'];

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The daemon's network namespace is new, and the debugger's port is on its loopback, which is down at first. */
function writeWrapper(): void {
  const exports = variables
    .filter((name) => process.env[name] !== undefined)
    .map((name) => `export ${name}=${quoted(process.env[name] ?? '')}`);
  const node = quoted(process.execPath);
  const lines = [
    '#!/bin/sh',
    `[ "$1" != -p ] || exec ${node} "$@"`,
    'ip link set lo up',
    ...exports,
    `exec ${node} "$@"`,
  ];
  mkdirSync(join(root, '.cache'), { recursive: true });
  rmSync(wrapper, { force: true });
  writeFileSync(wrapper, `${lines.join('\n')}\n`, { mode: 0o755 });
}

function bootyard(...args: string[]): number {
  // The command line itself is not debugged: it would only add sessions that end at once.
  const env: NodeJS.ProcessEnv = { ...process.env, BOOTYARD_NODE: wrapper };
  for (const name of variables) delete env[name];
  const { status } = spawnSync(process.execPath, [join(root, 'dist/cli.cjs'), ...args], {
    stdio: 'inherit',
    env,
  });
  return status ?? 1;
}

function stop(): void {
  bootyard('lab', 'stop');
  process.exit();
}

writeWrapper();
bootyard('lab', 'stop');
if (bootyard('lab', 'start') !== 0) process.exit(1);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
console.log('The lab runs under the debugger; ending this session stops it.');
setInterval(() => undefined, 1 << 30);
