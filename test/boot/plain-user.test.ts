import { spawn as spawnPty } from '@lydell/node-pty';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repository, TestLab, until } from '../support/lab.ts';
import { makePlainUser, type PlainUser } from '../support/plain-user.ts';
import { isLong } from '../support/long.ts';

let user: PlainUser;
let lab: TestLab;
beforeAll(async () => {
  user = makePlainUser();
  lab = new TestLab({ home: user.home, env: user.env, command: [...user.prefix, user.bootyard] });
  await lab.importDefault('pc-x86-64-tiny');
});
afterAll(async () => {
  await lab.run('lab', 'stop');
  user.remove();
});

const ownerOf = (pid: number): number =>
  Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test('doctor finds nothing that stops a user without rights', async () => {
  const { status, stdout } = await lab.run('doctor');
  expect([status, stdout]).toEqual([0, expect.not.stringContaining('FAIL')]);
});

test('a node boots, its shell works, and all of it belongs to the user', async () => {
  await lab.bootyard('node', 'create', '--wait', 'n1', '--image', 'pc-x86-64-tiny');
  expect(await lab.inNode('n1', 'id -u; cat /proc/cmdline')).toMatch(/^0\n.*nfsroot=.*init=\/bin\/walt-init/);
  const { daemon } = await lab.status();
  expect(ownerOf(daemon?.pid ?? 0)).toBe(user.uid);
});

/** Owners and paths in the top layer of an image. */
async function topLayer(image: string): Promise<string[]> {
  const [step] = JSON.parse(await lab.bootyard('image', 'history', image, '--json')) as { digest: string }[];
  const blob = join(lab.paths.images, 'blobs/sha256', step?.digest ?? '');
  const list = execFileSync('tar', ['--numeric-owner', '-tvf', blob], { encoding: 'utf8' });
  const entries = list.trim().split('\n');
  return entries
    .map((line) => line.replace(/^\S+ +(\S+) .* (\S+)$/, '$1 $2'))
    .filter((line) => !line.endsWith('/'));
}

test('what the user copies into an image is root’s there, or keeps its owner', async () => {
  const own = join(user.home, 'own');
  execFileSync(user.prefix[0] ?? '', [...user.prefix.slice(1), 'sh', '-c', `echo x >${own}`]);
  await lab.bootyard('image', 'duplicate', 'pc-x86-64-tiny', 'mine');
  await lab.bootyard('image', 'cp', own, 'mine:/srv/roots');
  expect(await topLayer('mine')).toEqual(['0/0 srv/roots']);
  await lab.bootyard('image', 'cp', '--archive', own, 'mine:/srv/kept');
  expect(await topLayer('mine')).toEqual([`${user.uid}/${statSync(own).gid} srv/kept`]);
});

// One more boot.
test.runIf(isLong)('what a shell in an image makes has the owners of the node', async () => {
  const script = 'set -e; cp /etc/group /srv/roots2; cp /etc/group /srv/given; chown 12:34 /srv/given';
  await lab.bootyard('image', 'shell', 'mine', '--force', '--', script);
  expect((await topLayer('mine')).toSorted()).toEqual(['0/0 srv/roots2', '12/34 srv/given']);
});

test('the node outlives the daemon, and lab stop ends everything', async () => {
  const before = (await lab.status()).daemon?.pid ?? 0;
  process.kill(before, 'SIGKILL');
  await until(
    'a new daemon',
    () => lab.status(),
    ({ daemon }) => daemon !== undefined && daemon.pid !== before,
  );
  expect(await lab.inNode('n1', 'hostname')).toBe('n1\n');
  await lab.bootyard('node', 'reboot', 'n1');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
  await lab.bootyard('lab', 'stop');
  expect(await lab.status()).toMatchObject({ state: 'stopped' });
});

// About three minutes, most of them mmdebstrap's: `npm run test:all` runs it.
test.runIf(isLong)(
  'npm start, typed in a checkout of the user’s own, ends in a root shell and never asks for sudo',
  async () => {
    const checkout = copyCheckout(join(dirname(user.home), 'bootyard'), user.uid);
    const asked = join(user.home, 'sudo-was-asked');
    const programs = join(user.home, 'bin');
    mkdirSync(programs);
    writeFileSync(join(programs, 'sudo'), `#!/bin/sh\ntouch ${asked}\nexit 1\n`, { mode: 0o755 });
    const { BOOTYARD_NODE: _, ...own } = user.env;
    const env = { ...own, PATH: `${programs}:${own.PATH}`, PS1: 'typed> ' };
    const [program = '', ...words] = [...user.prefix, '/bin/sh', '-i'];
    const terminal = spawnPty(program, words, { cwd: checkout, env, cols: 120, rows: 40 });
    let shown = '';
    terminal.onData((text) => (shown += text));
    const shows = (pattern: RegExp, limitMs: number): Promise<string> =>
      until(
        String(pattern),
        () => shown,
        (text) => pattern.test(text),
        limitMs,
      );
    try {
      await shows(/typed> $/, 10_000);
      terminal.write('npm start\r');
      await shows(/npm start[^]*(root@vnode1:~# |typed> )$/, 900_000);
      expect(shown).toMatch(/\d+\.\d s {2}booted[^]*root@vnode1:/);
      terminal.write('echo "in:$(uname -n):$((6*7))"; cut -c1-60 /proc/cmdline; exit\r');
      await shows(/\rin:vnode1:42\r\n[^]*root=\/dev\/nfs[^]*typed> $/, 60_000);
      expect(shown).not.toContain('setup: installing');
      expect(existsSync(asked)).toBe(false);
    } finally {
      terminal.kill();
      const stop = [...user.prefix, join(checkout, 'bin/bootyard'), 'lab', 'stop'];
      spawnSync(stop[0] ?? '', stop.slice(1), { env, cwd: checkout });
      rmSync(`/tmp/bootyard-${user.uid}`, { recursive: true, force: true });
    }
  },
  1_200_000,
);

/** What a clone holds, and the npm packages as `npm ci` left them: the user's, save for those, which are linked. */
function copyCheckout(folder: string, uid: number): string {
  mkdirSync(folder);
  const made = ['node_modules', 'dist', '.cache', '.git'];
  for (const name of readdirSync(repository).filter((name) => !made.includes(name))) {
    cpSync(join(repository, name), join(folder, name), { recursive: true, preserveTimestamps: true });
  }
  execFileSync('chown', ['-R', String(uid), folder]);
  const [from, to] = [join(repository, 'node_modules'), join(folder, 'node_modules')];
  // Links cost no space; they are no way out on another file system.
  if (spawnSync('cp', ['-al', from, to]).status !== 0) execFileSync('cp', ['-a', from, folder]);
  return folder;
}
