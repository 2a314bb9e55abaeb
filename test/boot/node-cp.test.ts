import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';

const lab = new TestLab();
const tree = join(lab.home, "it's a tree");
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--image', 'pc-x86-64-tiny');
  mkdirSync(join(tree, '-sub dir'), { recursive: true });
  for (const name of ['-rf', 'two\nlines', '*', '$HOME', '-sub dir/.hidden', 'n'.repeat(180)]) {
    writeFileSync(join(tree, name), randomBytes(5000));
  }
  chmodSync(join(tree, '*'), 0o751);
  symlinkSync('/no where', join(tree, 'link'));
  for (const path of ['-sub dir', '']) utimesSync(join(tree, path), 1_234_567_890, 1_234_567_890);
});
afterAll(() => lab.remove());

/** Names, modes, sizes, folders' times and content below a folder. */
const LISTING = `find . -not -type l | LC_ALL=C sort | tr '\\n' '/'; find . -type f -exec stat -c '%a %s %Y' {} + | sort
find . -type d -exec stat -c '%a %Y' {} + | sort; find . -type f -exec sh -c 'sha256sum <"$1"' - {} \\; | sort; readlink link`;
const here = (folder: string) =>
  execFileSync('sh', ['-c', `cd "$0" && ${LISTING}`, folder], { encoding: 'utf8' });

describe('node cp', () => {
  test('waits for the boot; a folder with odd names goes in and comes back the same', async () => {
    await lab.bootyard('node', 'cp', tree, 'vnode1:');
    const inNode = await lab.inNode('vnode1', `cd "/root/it's a tree" && ${LISTING}`);
    expect(inNode).toBe(here(tree));
    const back = join(lab.home, 'back');
    await lab.bootyard('node', 'cp', "vnode1:it's a tree", back);
    expect(here(back)).toBe(here(tree));
    expect(await lab.inNode('vnode1', 'ls -A /root')).not.toContain('.bootyard-cp-');
  });

  test('ctrl-C leaves nothing in the node', async () => {
    writeFileSync(join(lab.home, 'big'), randomBytes(64 << 20));
    const copying = lab.spawn('node', 'cp', 'big', 'vnode1:/root/big');
    const ended = new Promise((resolve) => copying.once('close', resolve));
    await until(
      'bytes in the node',
      () => lab.inNode('vnode1', 'ls -A /root/.bootyard-cp-*/in 2>/dev/null; true'),
      (names) => names.includes('big'),
    );
    copying.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(await lab.inNode('vnode1', 'ls -A /root')).not.toMatch(/big|bootyard-cp/);
    expect(await lab.inNode('vnode1', 'ps')).not.toContain('tar -xf');
  });

  test('a path that does not exist leaves nothing here', async () => {
    const refused = lab.run('node', 'cp', 'vnode1:/dev/zero/', 'x');
    expect((await refused).stderr).toBe('No such file or directory: vnode1:/dev/zero/\n');
    expect(existsSync(join(lab.home, 'x'))).toBe(false);
    expect(readdirSync(lab.home).filter((name) => name.startsWith('.bootyard-cp-'))).toEqual([]);
  });
});
