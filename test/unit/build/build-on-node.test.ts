import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { lendNode, sweepSteps, undoAll } from '../../../backend/api/build-on-node.ts';
import type { ApiClient } from '../../../backend/api/client.ts';
import { BootyardError } from '../../../backend/errors.ts';

test('what brings a node back is done to the end, and what fails of it is said', async () => {
  const done: string[] = [];
  const said: string[] = [];
  const steps = ['node', 'image'].map((name) => async () => {
    done.push(name);
    if (name === 'node') throw new BootyardError('node.gone', 'There is no node vnode9.');
  });
  await undoAll(steps, (text) => said.push(text));
  expect(done).toEqual(['node', 'image']);
  expect(said.join('')).toContain('There is no node vnode9.');
});

interface Asked {
  images?: string[];
  nodes?: string[];
  image?: string;
}
const NODES = new Map<string, string>();
const booted: unknown[] = [];

/** What a sweep asks for; the rest of the API is not asked. */
function store(names: string[], refusal?: BootyardError): Pick<ApiClient, 'call'> {
  const call = async (method: string, { images = [], ...asked }: Asked): Promise<unknown> => {
    if (method === 'image.list') return names.map((name) => ({ name }));
    const isAsked = (name: string): boolean => asked.nodes?.includes(name) ?? true;
    if (method === 'node.list')
      return [...NODES].map(([name, image]) => ({ name, image })).filter(({ name }) => isAsked(name));
    if (method.startsWith('node.')) return booted.push([method, asked]);
    if (refusal) throw refusal;
    names.splice(names.indexOf(images[0] ?? ''), 1);
    return undefined;
  };
  return { call: call as ApiClient['call'] };
}

test('a build removes what one that was killed has left, and nothing else', async () => {
  const ended = spawnSync('true').pid;
  const left = [`bootyard-step-${process.pid}-0123abcd`, 'bootyard-step-own', 'debian'];
  const names = [...left, `bootyard-step-${ended}-0123abcd`];
  await sweepSteps(store(names), () => undefined);
  expect(names).toEqual(left);
});

test('an image that a node still holds is left to the next build; other errors are not hidden', async () => {
  const name = `bootyard-step-${spawnSync('true').pid}-0123abcd`;
  await sweepSteps(store([name], new BootyardError('image.inUse', 'A node uses it.')), () => undefined);
  const full = new BootyardError('disk.full', 'The disk is full.');
  await expect(sweepSteps(store([name], full), () => undefined)).rejects.toBe(full);
});

test('nodes that a killed build had get back their image and power, and others nothing', async () => {
  const ended = spawnSync('true').pid;
  const image = (pid: number, back: string): string => `bootyard-step-${pid}-0123abcd:${back}`;
  const hex = Buffer.from('me/box:2').toString('hex');
  const stale = [image(ended, `on-${hex}`), image(ended, `off-${hex}`)];
  const busy = image(process.pid, `on-${hex}`);
  [...stale, busy, 'debian'].forEach((name, at) => NODES.set(`n${at}`, name));
  const said: string[] = [];
  const names = [...stale, busy];
  await sweepSteps(store(names), (text) => said.push(text));
  expect(booted).toEqual([
    ['node.boot', { nodes: ['n0'], image: 'me/box:2' }],
    ['node.boot', { nodes: ['n1'], image: 'me/box:2' }],
    ['node.stop', { nodes: ['n1'] }],
  ]);
  expect(said).toEqual(
    ['n0', 'n1'].map((name) => `A build that was killed had node ${name}: it gets image me/box:2 back.\n`),
  );
  expect(names).toEqual([busy]);
  await expect(lendNode(store([]), 'n2')).rejects.toThrow('Node n2 has a step of another build');
});
