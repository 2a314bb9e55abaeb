import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
afterAll(() => lab.remove());
let images: Record<string, unknown>;
beforeAll(async () => {
  const { tar, labels } = await defaultImageTar('pc-x86-64-tiny');
  images = { box: { import: tar, labels } };
});

const file = join(lab.home, 'bootyard.yaml');
/** JSON is YAML. */
const write = (nodes: Record<string, unknown>): void =>
  writeFileSync(file, JSON.stringify({ images, nodes }));
const NOTHING = `Nothing to do: the lab is as ${file} says.\n`;

/** `lab apply`, until it prints something; then the caller does what it likes. */
async function applyUntil(text: string): Promise<{ pid: number; ended: Promise<string> }> {
  const child = lab.spawn('lab', 'apply', file, '--force');
  let said = '';
  for (const out of [child.stdout, child.stderr]) out?.on('data', (chunk) => (said += String(chunk)));
  const ended = once(child, 'close').then(() => said);
  await until(
    text,
    () => said,
    (all) => all.includes(text),
  );
  return { pid: child.pid ?? 0, ended };
}

test('apply, killed in the middle, is completed by the next; then there is nothing to do', async () => {
  write({ n1: { image: 'box', settings: { ram: '192M' } }, n2: { image: 'box', power: 'off' } });
  const { pid, ended } = await applyUntil('make image box...');
  process.kill(pid, 'SIGKILL');
  expect(await ended).not.toContain('The lab is as');
  const second = await lab.bootyard('lab', 'apply', file, '--wait');
  expect(second).toContain(`The lab is as ${file} says.`);
  expect(await lab.nodes()).toMatchObject([
    { name: 'n1', state: 'booted', image: 'box', settings: { ram: '192M' } },
    { name: 'n2', state: 'off' },
  ]);
  expect(await lab.bootyard('lab', 'apply', file)).toBe(NOTHING);
});

test.runIf(isLong)('the daemon, killed in the middle: the next apply goes on from there', async () => {
  write({
    n1: { image: 'box', settings: { ram: '256M' } },
    n2: { image: 'box', power: 'off', settings: { ram: '192M' } },
  });
  const { daemon } = await lab.status();
  const { ended } = await applyUntil('configure node n1...');
  process.kill(daemon?.pid ?? 0, 'SIGKILL');
  const said = await ended;
  // It may have been quicker than the kill.
  if (!said.includes('The lab is as')) expect(said).toContain('lab apply');
  await lab.bootyard('lab', 'apply', file, '--force', '--wait');
  expect(await lab.bootyard('lab', 'apply', file)).toBe(NOTHING);
  expect(await lab.inNode('n1', 'grep MemTotal /proc/meminfo')).toMatch(/ 2\d{5} kB/);
});

test('export writes what apply has made; destroy removes it', async () => {
  await lab.bootyard('lab', 'export', file, '--force');
  expect(await lab.bootyard('lab', 'apply', file)).toBe(NOTHING);
  await lab.bootyard('lab', 'destroy', file, '--force');
  expect(await lab.nodes()).toEqual([]);
  expect(await lab.images()).toEqual([]);
});
