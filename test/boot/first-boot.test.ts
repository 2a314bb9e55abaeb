import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { repository, TestLab, until, type Finished } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

// The cache of built tars is that of the other tests: the Debian image is built once for all.
const lab = new TestLab({ env: { ...process.env, XDG_CACHE_HOME: join(repository, '.cache') } });
afterAll(() => lab.remove());

/** What `npm start` does after setup and build, without a terminal. */
function start(): Promise<Finished> {
  const child = spawn(process.execPath, [join(repository, 'scripts/first-boot.ts')], {
    env: lab.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}
/** Every file below a folder with its size and the time of its last change. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${file} ${statSync(file).size} ${statSync(file).mtimeMs}`)
    .sort();
}

test('the first start ends with the word of a netbooted Debian', async () => {
  const { status, stdout, stderr } = await start();
  expect([status, stderr]).toEqual([0, expect.anything()]);
  for (const stage of ['firmware', 'dhcp', 'boot files', 'kernel', 'root', 'walt-init', 'init', 'booted']) {
    expect(stdout).toMatch(new RegExp(`^ *\\d+\\.\\d s  ${stage}`, 'm'));
  }
  expect(stdout).toMatch(/nfsroot=192\.168\.152\.1:\S+\/fs.* init=\/bin\/walt-init/);
  expect(stdout).toMatch(/^union +\d/m);
  expect(stdout).toMatch(/^Linux vnode1 /m);
});

test('Debian runs with systemd and no failed unit', async () => {
  expect(await lab.inNode('vnode1', 'systemctl is-system-running --wait')).toBe('running\n');
  expect(await lab.inNode('vnode1', 'systemctl --failed --no-legend | wc -l')).toBe('0\n');
  expect((await lab.node('vnode1')).image).toBe('pc-x86-64-default');
  const services = await until(
    'the services of systemd',
    async () => (await lab.timeline('vnode1')).steps.filter(({ kind }) => kind === 'service'),
    (found) => found.length > 0,
  );
  const names = services.map(({ name }) => name);
  expect(names).toContain('systemd-journald.service');
  const { stages } = await lab.timeline('vnode1');
  const init = stages.find(({ name }) => name === 'init')?.startMs ?? 0;
  expect(services.find(({ name }) => name === 'systemd-journald.service')?.startMs).toBeGreaterThan(
    init - 1000,
  );
});

test.runIf(isLong)('a second start reuses everything: no image changes, only a boot', async () => {
  const before = filesOf(lab.paths.images);
  const { status, stdout } = await start();
  expect(status).toBe(0);
  expect(stdout).toMatch(/booted/);
  expect(filesOf(lab.paths.images)).toEqual(before);
  expect((await lab.nodes()).map((node) => node.name)).toEqual(['vnode1']);
});
