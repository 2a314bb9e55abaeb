import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';
import { makePlainUser, type PlainUser } from '../support/plain-user.ts';

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
  await lab.bootyard('node', 'wait', '--timeout', '120', 'n1');
  await lab.bootyard('lab', 'stop');
  expect(await lab.status()).toMatchObject({ state: 'stopped' });
});
