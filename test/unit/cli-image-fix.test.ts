import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { node } from '../support/api-lab.ts';
import { CommandLine, type Outcome } from '../support/cli.ts';
import { serveImages, type ServedImages } from '../support/cli-images.ts';
import { importLayers } from './images/nasty.ts';
import { textOf } from './images/store-support.ts';
import { file, tarOf } from './images/support.ts';
import { goodEntries } from './lint/support.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
let served: ServedImages;

/** Three findings: one that can be repaired, one whose value is the user's, one that is for the user to mend. */
beforeEach(async () => {
  await cli.startDaemon();
  served = serveImages(cli);
  const entries = goodEntries();
  entries.set('etc/machine-id', file('etc/machine-id', '0123456789abcdef0123456789abcdef\n'));
  entries.delete('usr/sbin/sshd');
  const labels = { 'walt.node.models': 'pc-x86-64', 'walt.server.minversion': 'four' };
  await importLayers(served.store, served.home, [tarOf([...entries.values()])], 'box', {
    config: { Labels: labels },
  });
});
afterEach(async () => {
  await cli.stopDaemon();
  rmSync(served.home, { recursive: true });
});

const image = (...words: string[]): Promise<Outcome> => cli.run(['image', ...words]);
const said = (stdout: string): Outcome => ({ code: 0, stdout, stderr: '' });
const rules = async (): Promise<string[]> => {
  const findings = JSON.parse((await image('lint', 'box', '--json')).stdout) as { rule: string }[];
  return findings.map(({ rule }) => rule).toSorted();
};
const EMPTIED = 'identity.machine-id: /etc/machine-id is empty now.\n';

test('a rule that is named is repaired, and the check finds it no more', async () => {
  expect(await rules()).toEqual(['identity.machine-id', 'labels.minversion', 'ssh.missing']);
  expect(await image('fix', 'box', 'identity.machine-id')).toEqual(said(EMPTIED));
  expect(await rules()).toEqual(['labels.minversion', 'ssh.missing']);
  expect(await textOf(served.store, 'box', '/etc/machine-id')).toBe('');
  expect(await image('fix', 'box', 'identity.machine-id')).toEqual(
    said('Image box has nothing that can be repaired: nothing was changed.\n'),
  );
});

test('what a named rule still finds is said, with the fix, and the exit code is 1', async () => {
  const { code, stdout, stderr } = await image('fix', 'box', 'ssh.missing', 'identity.machine-id');
  expect([code, stdout]).toEqual([1, EMPTIED]);
  expect(stderr).toMatch(/^ssh\.missing: [^\n]+\.\n$/);
});

test('--all repairs what can be, takes labels, and counts what is left', async () => {
  const all = await image('fix', 'box', '--all', '--label', 'walt.server.minversion=4');
  expect(all.code).toBe(0);
  expect(all.stdout.split('\n').toSorted()).toEqual([
    '',
    EMPTIED.trim(),
    "labels.minversion: The label walt.server.minversion is '4' now.",
  ]);
  expect(all.stderr).toBe('1 finding is left for you: bootyard image lint box\n');
  expect(await rules()).toEqual(['ssh.missing']);
  expect(served.store.named('box').layers).toHaveLength(2);
});

test('--json tells what was done and what is left', async () => {
  const { code, stdout } = await image('fix', 'box', '--all', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    image: { name: 'box' },
    changed: true,
    rebooted: [],
    repaired: [{ rule: 'identity.machine-id', path: '/etc/machine-id' }],
    left: [{ rule: 'labels.minversion' }, { rule: 'ssh.missing' }],
  });
});

test('nodes that run on the image are rebooted with consent', async () => {
  served.nodes = [{ ...node('vnode1'), image: 'box', state: 'booted' }];
  const sentence = 'This operation would reboot 1 node(s) currently using the image.';
  expect(await image('fix', 'box', '--all')).toEqual({
    ...{ code: 1, stdout: '', stderr: `${sentence} Use --force to go on.\n` },
  });
  expect(served.store.named('box').layers).toHaveLength(1);
  const { stdout } = await image('fix', 'box', 'identity.machine-id', '--force');
  expect(stdout).toBe(`${EMPTIED}Node vnode1: rebooted ok.\n`);
});

test('a wrong use is refused with 2, an unknown rule or image with 1, and nothing is changed', async () => {
  const { id } = served.store.named('box');
  const usage = { code: 2, stdout: '', stderr: 'Name the rules to repair, or give --all.\n' };
  expect(await image('fix', 'box')).toEqual(usage);
  expect(await image('fix', 'box', 'ssh.missing', '--all')).toEqual(usage);
  expect((await image('fix', 'box', '--all', '--label', 'x')).code).toBe(2);
  expect(await image('fix', 'box', 'no.rule')).toMatchObject({
    code: 1,
    stderr: "There is no rule 'no.rule': `bootyard image lint IMAGE` names those that find something.\n",
  });
  expect(await image('fix', 'no', '--all')).toMatchObject({
    code: 1,
    stderr: "Error: No such image 'no'. (tip: bootyard image show)\n",
  });
  const unused = await image('fix', 'box', '--all', '--label', 'other=1');
  expect(unused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Nothing is wrong with the label other') as string,
  });
  expect(served.store.named('box').id).toBe(id);
});

test('rules that can be repaired are completed', async () => {
  expect(await cli.complete('image', 'fix', 'box', '')).toEqual(['labels.minversion', 'identity.machine-id']);
});
