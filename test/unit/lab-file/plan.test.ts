import { describe, expect, test } from 'vitest';
import { type LabFacts, planLab } from '../../../backend/api/lab-file/plan.ts';
import { readLab } from '../../../backend/api/lab-file/read.ts';
import { type NodeInfo, settingInfos, withDefaults } from '../../../backend/api/node.ts';
import { node as nodeInfo } from '../../support/api-lab.ts';
import { imageInfo } from './support.ts';

const node = (name: string, part: Partial<NodeInfo> = {}): NodeInfo => ({
  ...nodeInfo(name),
  state: 'booted',
  outdated: [],
  ...part,
  settings: withDefaults(part.settings ?? {}),
});
const facts = (part: Partial<LabFacts> = {}): LabFacts => ({
  images: [imageInfo('tiny')],
  nodes: [],
  settings: settingInfos(),
  recipes: new Map(),
  snapshots: new Map(),
  losses: new Map(),
  ...part,
});
const plan = (text: string, there: LabFacts, prune = false) => {
  const { lab, problems } = readLab(text, '/w');
  if (!lab) throw new Error(JSON.stringify(problems));
  const { steps, losses } = planLab(lab, there, prune);
  const said = steps.map((step) => {
    const what = step.action === 'make image' ? step.image : step.node;
    return `${step.action} ${what}: ${step.why}`;
  });
  return { said, losses, steps };
};
const recipe = (digest: string, bases: string[] = []) => ({
  recipe: { digest: digest.repeat(64), entry: {} },
  bases,
});

describe('nodes', () => {
  test('what is as the file says is left alone, however it is written', () => {
    const web = node('web', {
      settings: { ram: '1G', expose: '80:8080', disks: '1T', networks: 'walt-net,home-net[lat=10ms]' },
    });
    const text = `nodes: {web: {image: tiny, settings: {ram: 1G, expose: 80, disks: 1000G, networks: "home-net[lat=10000us],walt-net"}}}`;
    expect(plan(text, facts({ nodes: [web] }))).toEqual({ said: [], losses: [], steps: [] });
    // Off is what it shall be; what the file does not name stays.
    expect(
      plan('nodes: {web: {power: off}}', facts({ nodes: [node('web', { state: 'off' }), node('db')] })).said,
    ).toEqual([]);
  });

  test('a node that is not there, one that is off, one that has failed', () => {
    const there = facts({ nodes: [node('n1', { state: 'off' }), node('n2', { state: 'failed' })] });
    expect(plan('nodes: {n1: , n2: , n3: }', there)).toMatchObject({
      said: ['create node n3: it is not there', 'boot node n1: it is off', 'boot node n2: it is failed'],
      losses: [],
    });
  });

  test('settings: those that differ, defaults for those that the file leaves out; a reboot where one is needed', () => {
    const web = node('web', { settings: { ram: '1G', 'boot.retries': 3 } });
    const { said, losses, steps } = plan('nodes: {web: {settings: {ram: 2G}}}', facts({ nodes: [web] }));
    expect(said).toEqual(['configure node web: ram 1G -> 2G, boot.retries 3 -> 9', 'boot node web: for ram']);
    expect(steps[0]).toMatchObject({ settings: { ram: '2G', 'boot.retries': '9' } });
    expect(losses).toEqual(['Node web runs, and is rebooted.']);
    const calm = node('web', { settings: { 'boot.retries': 3 } });
    expect(plan('nodes: {web: }', facts({ nodes: [calm] })).said).toHaveLength(1);
  });

  test('what an interrupted apply has left to do: a machine that has not the settings yet', () => {
    const web = node('web', { settings: { ram: '2G' }, outdated: ['ram'] });
    expect(plan('nodes: {web: {settings: {ram: 2G}}}', facts({ nodes: [web] })).said).toEqual([
      'boot node web: for ram',
    ]);
  });

  test('another image, another model, off, pruned', () => {
    const there = facts({
      nodes: [node('n1'), node('n2'), node('n3'), node('old')],
      losses: new Map([['n2', ['Disk disk_0 of n2 holds data.']]]),
    });
    const text = 'nodes: {n1: {image: tiny2}, n2: {model: qemu-arm-64}, n3: {power: off}}';
    expect(plan(text, there, true)).toMatchObject({
      said: [
        'remove node old: the file does not name it',
        'remove node n2: its model is pc-x86-64, not qemu-arm-64',
        'create node n2: its model is pc-x86-64, not qemu-arm-64',
        'set image n1: it has tiny',
        'stop node n3: the file wants it off',
        'boot node n1: for image',
      ],
      losses: [
        'Node old runs, and is removed.',
        'Node n1 runs, and is rebooted.',
        'Node n2 runs, and is made anew.',
        'Disk disk_0 of n2 holds data.',
        'Node n3 runs, and is switched off.',
      ],
    });
  });

  test('snapshots, and nodes made from them', () => {
    const text = 'nodes: {web: {snapshots: [fresh, old]}, copy: {from: web@fresh}}';
    expect(plan(text, facts()).said).toEqual([
      'create node web: it is not there',
      'save snapshot web: it is not there',
      'save snapshot web: it is not there',
      'copy node copy: it is not there',
    ]);
    const there = facts({
      nodes: [node('web'), node('copy')],
      snapshots: new Map([['web', ['fresh', 'old']]]),
    });
    expect(plan(text, there).said).toEqual([]);
  });
});

describe('images', () => {
  const text = 'images: {top: {build: ./top}, base: {build: ./base}}\nnodes: {web: {image: top}}';
  const recipes = (digest: string) =>
    new Map([
      ['top', recipe('a', ['base'])],
      ['base', recipe(digest)],
    ]);
  const made = [
    imageInfo('top', { recipe: recipe('a').recipe }),
    imageInfo('base', { recipe: recipe('b').recipe }),
  ];

  test('what is not there is made, the base first', () => {
    expect(plan(text, facts({ images: [], recipes: recipes('b') })).said).toEqual([
      'make image base: it is not there',
      'make image top: it is not there',
      'create node web: it is not there',
    ]);
  });

  test('nothing to do as long as nothing that goes in changes; then all that is built from it, and reboots', () => {
    const nodes = [node('web', { image: 'top' })];
    expect(plan(text, facts({ images: made, recipes: recipes('b'), nodes })).said).toEqual([]);
    expect(plan(text, facts({ images: made, recipes: recipes('c'), nodes }))).toMatchObject({
      said: [
        'make image base: what it is made of has changed',
        'make image top: it is built from base, which changes',
        'boot node web: for image',
      ],
      losses: ['Node web runs, and is rebooted.'],
    });
  });

  test('one that was changed here since is replaced after a question', () => {
    const images = [imageInfo('base', { recipe: recipe('b').recipe }), imageInfo('top')];
    const { said, losses } = plan(text, facts({ images, recipes: recipes('b') }));
    expect(said[0]).toBe('make image top: it was not made as the file says, or was changed since');
    expect(losses).toEqual(['Image top is replaced, with what was changed in it.']);
  });

  test('a clone by its link, a default image by its name', () => {
    const file = 'images: {box: {clone: "hub:u/box:latest"}, pc-x86-64-tiny: {default: true}}';
    const images = [{ ...imageInfo('box'), origin: 'hub:u/box' }, imageInfo('pc-x86-64-tiny')];
    const known = new Map([['box', recipe('a')]]);
    expect(plan(file, facts({ images, recipes: known })).said).toEqual([]);
    expect(plan(file, facts({ recipes: known })).said).toHaveLength(2);
  });
});
