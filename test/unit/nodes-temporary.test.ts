import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TemporaryNodes } from '../../backend/nodes/temporary-node.ts';
import { home, lab, never, newManager, until } from '../support/manager-nodes.ts';

const progress: string[] = [];
const control = (signal = never) => ({
  signal,
  progress: ({ message }: { message: string }) => void progress.push(message),
});
const WISH = { image: 'tiny', name: 'job', settings: { 'boot.mode': 'auto', ram: '128M' } };

/** `ssh`: what answers for the node's ssh server */
function temporaries(ssh = 'true', graceMs = 60_000): TemporaryNodes {
  const log = (line: string) => void lab.logged.push(line);
  return new TemporaryNodes({ nodes: lab.manager, argv: () => ['sh', '-c', ssh], log, graceMs });
}
const folders = () => readdirSync(join(home, 'nodes'));
async function booted(nodes: TemporaryNodes, name = 'job') {
  const booting = nodes.boot(WISH, control());
  await lab.guestRuns(name);
  lab.agent('booted', name);
  return await booting;
}

test('one is seen by its name alone, waits for ssh, and goes with all it has', async () => {
  await lab.manager.create({ name: 'n1', settings: { ram: '128M' } });
  const answers = join(home, 'ssh');
  const nodes = temporaries(`test -e '${answers}' || { >'${answers}'; exit 255; }`);
  const node = await booted(nodes);
  expect(existsSync(answers)).toBe(true);
  expect(lab.manager.list().map(({ name }) => name)).toEqual(['n1']);
  expect(lab.manager.list(['all-nodes']).map(({ name }) => name)).toEqual(['n1']);
  expect(lab.manager.one('job')).toMatchObject({ state: 'booted', ip: node.ip, image: 'tiny' });
  expect([...lab.states, ...lab.stages.map(({ name }) => name)].join(' ')).not.toContain('job');
  expect(progress).toContainEqual(expect.stringMatching(/^Booting a temporary node on tiny: /));
  const second = await booted(nodes, 'job-2');
  expect(second.name).toBe('job-2');
  await Promise.all([node.remove(), node.remove(), second.remove()]);
  expect([folders().length, lab.manager.temporary(), lab.removed]).toEqual([1, [], []]);
});

test('one that is cancelled, that fails to start or whose ssh never answers leaves nothing', async () => {
  const nodes = temporaries('exit 255');
  const controller = new AbortController();
  const booting = nodes.boot(WISH, control(controller.signal));
  await lab.guestRuns('job');
  lab.agent('booted', 'job');
  await until('booted', () => lab.manager.one('job').state === 'booted');
  controller.abort(new Error('enough'));
  await expect(booting).rejects.toThrow('enough');
  lab.planError = new Error('no plan');
  await expect(nodes.boot(WISH, control())).rejects.toThrow('no plan');
  await expect(nodes.boot({ ...WISH, image: 'no' }, control())).rejects.toThrow("No such image 'no'");
  expect([folders(), lab.manager.temporary()]).toEqual([[], []]);
});

test('a new daemon keeps one that runs for its user for a while, and removes the others', async () => {
  const before = temporaries();
  for (const name of ['job', 'job-2', 'job-3']) await booted(before, name);
  await lab.manager.stop(['job-3']);
  await lab.manager.close();
  newManager();
  await lab.manager.start();
  const nodes = temporaries('true', 1500);
  await nodes.start();
  expect(lab.manager.temporary().map(({ name }) => name)).toEqual(['job', 'job-2']);
  const taken = nodes.take('job');
  expect(taken.ip).toBe(lab.manager.one('job').ip);
  await until('the other one is removed', () => lab.manager.temporary().length === 1);
  expect(() => nodes.take('job-2')).toThrow('The temporary node job-2 is gone.');
  await taken.remove();
  expect(folders()).toEqual([]);
});
