import { expect, test } from 'vitest';
import { exportLab } from '../../../backend/api/lab-file/export.ts';
import { planLab } from '../../../backend/api/lab-file/plan.ts';
import { readLab } from '../../../backend/api/lab-file/read.ts';
import { type NodeInfo, settingInfos, withDefaults } from '../../../backend/api/node.ts';
import { node as nodeInfo } from '../../support/api-lab.ts';
import { imageInfo } from './support.ts';

const digest = 'b'.repeat(64);
const images = [
  imageInfo('zed', { recipe: { digest, entry: { build: { folder: '/w/zed', args: { V: '1.10' } } } } }),
  imageInfo('cloned', { origin: 'hub:u/n' }),
  imageInfo('built', { builtFrom: { folder: '/other/b', dockerfile: '/other/b/Dockerfile.x' } }),
  imageInfo('pc-x86-64-tiny'),
  imageInfo('saved'),
  imageInfo('unused'),
];
const settings = settingInfos();
const node = (name: string, part: Partial<NodeInfo>): NodeInfo => ({
  ...nodeInfo(name),
  state: 'booted',
  ...part,
  settings: withDefaults(part.settings ?? {}),
});
const nodes = [
  node('n2', { image: 'saved', settings: { ram: '1G', 'mount.persist': 'false', expose: '80:8080' } }),
  node('n10', { image: 'zed', state: 'off', settings: { 'cpu.cores': 3 } }),
];

test('the lab as it is, the same text each time, with paths relative to the file', () => {
  const { text, unknown } = exportLab({ images, nodes, settings }, '/w');
  expect(text).toBe(`images:
  built:
    build:
      folder: /other/b
      file: Dockerfile.x
  cloned:
    clone: hub:u/n
  pc-x86-64-tiny:
    default: true
  zed:
    build:
      folder: ./zed
      args:
        V: "1.10"
nodes:
  n2:
    image: saved
    model: pc-x86-64
    settings:
      ram: 1G
      mount.persist: false
      expose: 80:8080
  n10:
    image: zed
    model: pc-x86-64
    power: off
    settings:
      cpu.cores: 3
`);
  // Only what nodes need is worth a word.
  expect(unknown).toEqual(['saved']);
  expect(exportLab({ images: images.toReversed(), nodes, settings }, '/w').text).toBe(text);
  expect(exportLab({ images: [], nodes: [], settings }, '/w').text).toBe('');
});

test('what is exported changes nothing when it is applied', () => {
  const { lab, problems } = readLab(exportLab({ images, nodes, settings }, '/w').text, '/w');
  expect(problems).toEqual([]);
  if (!lab) throw new Error('no lab');
  const recipes = new Map([['zed', { recipe: { digest, entry: {} }, bases: [] }]]);
  const facts = { images, nodes, settings, recipes, snapshots: new Map(), losses: new Map() };
  expect(planLab(lab, facts).steps).toEqual([]);
});
