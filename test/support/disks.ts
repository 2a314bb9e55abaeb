import { buildSync } from 'esbuild';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { applyDisks } from '../../backend/nodes/disks/apply.ts';
import { listDisks } from '../../backend/nodes/disks/files.ts';
import { planDisks } from '../../backend/nodes/disks/plan.ts';
import { parseDisks } from '../../backend/nodes/disks/setting.ts';
import { repository } from './lab.ts';

export const OFFSET = 1 << 20;
export const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
export const scratch = mkdtempSync(join(tmpdir(), 'disks-'));
let nodes = 0;
/** the folders of the test's node, and of its disks */
export let node = '';
export let disks = '';

/** Hooks for tests of disks: a node's folder for each. */
export function diskHooks(): void {
  beforeEach(() => {
    node = join(scratch, `node, ${++nodes}?`);
    disks = join(node, 'disks');
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }), 60_000);
}

/** A program's output on both streams; it must succeed. Runs in the folder of the disks. */
export function tool(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { env, cwd: disks, encoding: 'utf8' });
  expect([program, status, stdout + stderr]).toEqual([program, 0, expect.anything()]);
  return stdout + stderr;
}
export function debugfs(name: string, ...commands: string[]): string {
  const input = `${commands.join('\n')}\n`;
  const args = ['-w', '-f', '-', `${name}?offset=${OFFSET}`];
  return execFileSync('debugfs', args, { env, cwd: disks, encoding: 'utf8', input, stdio: 'pipe' });
}
export const isSound = (name: string) => tool('e2fsck', '-fn', `${name}?offset=${OFFSET}`);
export const apply = (text: string, control = {}) => applyDisks(node, parseDisks(text), control);
export const list = (text: string) => listDisks(node, parseDisks(text));
export const plan = async (text: string) => planDisks(await list(text), parseDisks(text));
export const files = () => readdirSync(disks).sort();
export const usedKib = (name: string) => statSync(join(disks, name)).blocks / 2;

export interface Table {
  label: string;
  partitions: { start: number; size: number; type: string; uuid?: string }[];
  id: string;
}
export function table(name: string): Table {
  const listing = execFileSync('sfdisk', ['-J', name], { env, cwd: disks, encoding: 'utf8', stdio: 'pipe' });
  const { partitiontable } = JSON.parse(listing) as { partitiontable: Table };
  return partitiontable;
}
export function blkid(name: string): string {
  return tool('blkid', '-p', '-O', String(OFFSET), '-s', 'TYPE', '-s', 'VERSION', '-o', 'export', name);
}

/** The library and a Node, where every user may read them. */
const program = join(scratch, 'program');
/** For `asPlainUser` and `onSmallDisk`. */
export function buildDiskProgram(): void {
  beforeAll(() => {
    chmodSync(scratch, 0o755);
    mkdirSync(program);
    copyFileSync(process.execPath, join(program, 'node'));
    const contents = ['apply', 'files', 'plan'].map(
      (part) => `export * from './backend/nodes/disks/${part}.ts';`,
    );
    buildSync({
      stdin: {
        contents: [...contents, `export { parseDisks } from './backend/nodes/disks/setting.ts';`].join('\n'),
        resolveDir: repository,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: join(program, 'disks.mjs'),
    });
  }, 60_000);
}

/** Runs a program's text that uses the library on `folder`, after `prefix`. */
function runScript(prefix: string[], folder: string, text: string) {
  const file = join(program, `${nodes}.mjs`);
  const library = 'applyDisks, listDisks, markAttached, parseDisks';
  const imports = [
    `import { execFileSync } from 'node:child_process';`,
    `import { readdirSync, statSync } from 'node:fs';`,
    `import { ${library} } from './disks.mjs';`,
    `const folder = ${JSON.stringify(folder)};`,
  ];
  writeFileSync(file, `${imports.join('\n')}\n${text}\n`);
  const [command = '', ...rest] = [...prefix, join(program, 'node'), file];
  const { status, stdout, stderr } = spawnSync(command, rest, { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

export function asPlainUser(text: string) {
  mkdirSync(node);
  chmodSync(node, 0o777);
  // The usual PATH of a user, without the administrator's programs.
  const rights = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ];
  const prefix = process.getuid?.() === 0 ? ['setpriv', ...rights] : [];
  return runScript([...prefix, 'env', 'PATH=/usr/bin:/bin'], node, text);
}

/** In a tmpfs of `size`, which needs no right. */
export function onSmallDisk(size: string, text: string, before = ':') {
  mkdirSync(join(node, 'disks'), { recursive: true });
  const script = `mount -t tmpfs -o size=${size},nr_inodes=100 small "$0"; mkdir "$0/disks"; ${before}; exec "$@"`;
  const prefix = ['unshare', '--user', '--map-root-user', '--mount', 'bash', '-c', script, node];
  const result = runScript(prefix, node, text);
  expect(result.stderr).toBe('');
  expect(existsSync(join(disks, 'disk_0.dd')), 'outside the tmpfs').toBe(false);
  return result;
}
