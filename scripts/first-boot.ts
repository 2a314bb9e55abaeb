// `npm start` after setup and build: default images once, lab, node vnode1, its boot stage by stage, a root shell in it.
// Not on a terminal: three commands in the node instead of the shell, then the end.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const NODE = 'vnode1';
const IMAGE = 'pc-x86-64-default';
const command = join(import.meta.dirname, '../bin/bootyard');

function bootyard(...args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
function names(noun: 'node' | 'image'): string[] {
  const { status, stdout } = spawnSync(command, [noun, 'show', '--names-only'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
  return stdout.split('\n').filter((name) => name !== '');
}

bootyard('lab', 'start');
bootyard('image', 'build-default');
if (names('node').includes(NODE)) bootyard('node', 'boot', '--wait', NODE);
else bootyard('node', 'create', '--wait', NODE, '--image', IMAGE);
if (process.stdin.isTTY && process.stdout.isTTY) bootyard('node', 'shell', NODE);
else bootyard('node', 'run', NODE, 'cat /proc/cmdline; df -h /; uname -a');
