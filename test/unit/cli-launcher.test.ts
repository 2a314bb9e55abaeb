import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** An installation of its own, in a folder with a space: the launcher, a bundle that tells what it got, and no Node. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync('/tmp/bootyard launcher-');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'dist'));
  mkdirSync(join(folder, 'path'));
  copyFileSync(join(import.meta.dirname, '../../bin/bootyard'), join(folder, 'bin/bootyard'));
  writeFileSync(
    join(folder, 'dist/cli.cjs'),
    'console.log(JSON.stringify(process.argv.slice(2))); process.exit(7)',
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
const real = `exec '${process.execPath}' "$@"`;
function launch(env: Record<string, string>, command = join(folder, 'bin/bootyard')) {
  const { status, stdout, stderr } = spawnSync(command, ['node', 'run', 'a b', '*'], {
    env: { PATH: `${join(folder, 'path')}:/bin`, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
const ran = { status: 7, stdout: '["node","run","a b","*"]\n', stderr: '' };

describe('bin/bootyard', () => {
  test('takes BOOTYARD_NODE first', () => {
    program(join(folder, 'path/node'), 'echo 24.0.0');
    expect(launch({ BOOTYARD_NODE: process.execPath })).toEqual(ran);
  });

  test('takes the Node of its own packages before that of PATH', () => {
    const arch = process.arch === 'x64' ? 'x64' : 'arm64';
    const own = join(folder, `node_modules/node-linux-${arch}/bin`);
    mkdirSync(own, { recursive: true });
    program(join(own, 'node'), real);
    program(join(folder, 'path/node'), 'echo 24.0.0');
    expect(launch({})).toEqual(ran);
  });

  test('takes the Node of PATH, and works through a link', () => {
    program(join(folder, 'path/node'), real);
    symlinkSync(join(folder, 'bin/bootyard'), join(folder, 'path/bootyard'));
    expect(launch({}, join(folder, 'path/bootyard'))).toEqual(ran);
  });

  test.each(['20.19.0', '22.12.0', 'junk', ''])('says what to do when there is only Node %j', (version) => {
    program(join(folder, 'path/node'), `echo ${version}`);
    const { status, stdout, stderr } = launch({});
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^bootyard: needs Node 22\.13 or later: .*\n$/);
  });

  test('a wrong BOOTYARD_NODE is said, not passed over', () => {
    program(join(folder, 'path/node'), real);
    expect(launch({ BOOTYARD_NODE: '/no/node' })).toMatchObject({ status: 1, stdout: '' });
    expect(launch({ BOOTYARD_NODE: '/no/node' }).stderr).toContain('BOOTYARD_NODE (/no/node) is not a Node');
  });

  test('a bundle that is missing is said', () => {
    rmSync(join(folder, 'dist'), { recursive: true });
    expect(launch({ BOOTYARD_NODE: process.execPath }).stderr).toContain('npm run build');
  });
});
