import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NodeInfo, settingInfos, withDefaults } from '../../backend/api/node.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine, type Outcome } from '../support/cli.ts';
import { imageInfo } from './lab-file/support.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
let folder: string;
let file: string;
let nodes: NodeInfo[];
let calls: string[];

/** A daemon that has nodes and settings, and tells what it was asked to change. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootyard-labfile-'));
  file = join(folder, 'bootyard.yaml');
  await cli.startDaemon();
  [nodes, calls] = [[], []];
  const named = (names: string[]): NodeInfo[] => nodes.filter(({ name }) => names.includes(name));
  const { handlers } = cli;
  handlers['node.settings'] = () => settingInfos();
  handlers['image.list'] = () => [imageInfo('tiny')];
  handlers['node.list'] = (params) => (params.nodes ? named(params.nodes) : nodes);
  handlers['node.create'] = ({ name, image = 'tiny', settings = {}, powerOn }) => {
    calls.push(`create ${name} ${powerOn}`);
    const state = powerOn ? 'booting' : 'off';
    const made: NodeInfo = { ...node(name), image, state, outdated: [], settings: withDefaults(settings) };
    nodes.push(made);
    return made;
  };
  handlers['node.config'] = ({ nodes: set, settings, force }) => {
    calls.push(`config ${set.join()} ${JSON.stringify(settings)} ${force}`);
    for (const one of named(set)) {
      Object.assign(one.settings, settings);
      one.outdated = Object.keys(settings);
    }
    return { nodes: named(set), message: 'Done.' };
  };
  handlers['node.reboot'] = ({ nodes: set }) => {
    calls.push(`reboot ${set.join()}`);
    for (const one of named(set)) one.outdated = [];
    return named(set);
  };
  handlers['node.remove'] = ({ nodes: set, force }) => {
    calls.push(`remove ${set.join()} ${force}`);
    nodes = nodes.filter(({ name }) => !set.includes(name));
    return {};
  };
});
afterEach(async () => {
  await cli.stopDaemon();
  rmSync(folder, { recursive: true });
});
const write = (text: string): void => writeFileSync(file, text);
const lab = (...words: string[]): Promise<Outcome> => cli.run(['lab', ...words]);
const LAB = 'nodes:\n  web: {image: tiny, settings: {ram: 1G}}\n  db: {power: off}\n';

describe('lab apply', () => {
  test('makes what is missing; the second time there is nothing to do', async () => {
    write(LAB);
    const first = await lab('apply', file);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'what         name  why',
      '-----------  ----  ---------------',
      'create node  web   it is not there',
      'create node  db    it is not there',
      'create node web...',
      'create node db...',
      `The lab is as ${file} says.`,
      '',
    ]);
    expect(calls).toEqual(['create web true', 'create db false']);
    expect(await lab('apply', file)).toEqual({
      code: 0,
      stdout: `Nothing to do: the lab is as ${file} says.\n`,
      stderr: '',
    });
    expect(calls).toHaveLength(2);
  });

  test('--dry-run and --json do nothing but tell', async () => {
    write(LAB);
    const { stdout } = await lab('apply', file, '--dry-run', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      file,
      steps: [
        { action: 'create node', node: 'web' },
        { action: 'create node', node: 'db' },
      ],
      losses: [],
    });
    expect(calls).toEqual([]);
  });

  test('what is lost by it needs a yes, or --force', async () => {
    write(LAB);
    await lab('apply', file);
    write(LAB.replace('1G', '2G'));
    const refused = await lab('apply', file);
    expect(refused).toMatchObject({
      code: 1,
      stderr: 'Node web runs, and is rebooted.\nUse --force to go on.\n',
    });
    expect(refused.stdout).toContain('configure node  web   ram 1G -> 2G');
    expect(calls).toHaveLength(2);

    const asked = cli.terminal(['lab', 'apply', file]);
    await asked.shows('Go on? (y/n)');
    asked.type('n\r');
    expect(await asked.exit).toBe(1);
    expect(asked.text).toContain('Nothing was changed.');
    expect(calls).toHaveLength(2);

    expect((await lab('apply', file, '--force')).code).toBe(0);
    expect(calls.slice(2)).toEqual(['config web {"ram":"2G"} true', 'reboot web']);
  });

  test('a step that fails ends it, and the next run goes on from there', async () => {
    write(LAB);
    const { handlers } = cli;
    const create = handlers['node.create'];
    handlers['node.create'] = (params, context) => {
      if (params.name === 'db') throw new Error('no');
      return create?.(params, context) ?? node('');
    };
    expect((await lab('apply', file)).code).toBe(1);
    handlers['node.create'] = create;
    expect((await lab('apply', file)).stdout).toContain('create node  db');
    expect(calls).toEqual(['create web true', 'create db false']);
  });

  test('--prune removes what the file does not name', async () => {
    write(LAB);
    await lab('apply', file);
    write('nodes: {web: {settings: {ram: 1G}}}');
    expect((await lab('apply', file)).stdout).toContain('Nothing to do');
    expect((await lab('apply', file, '--prune')).code).toBe(0);
    expect(calls.at(-1)).toBe('remove db false');
  });

  test('a wrong file: each problem with its place, before a lab is asked', async () => {
    await cli.stopDaemon();
    write('nodes:\n  web: {imag: tiny}\n  x: {power: up}\n');
    expect(await lab('apply', file)).toEqual({
      code: 1,
      stdout: '',
      stderr: `${file}:2:9: A node has no 'imag': did you mean 'image'?\n${file}:3:14: 'nodes.x.power' takes on or off, not 'up'.\n`,
    });
    rmSync(file);
    expect(await lab('apply', file)).toMatchObject({
      code: 1,
      stderr: `There is no file ${file}: write one, or let \`bootyard lab export\` write the lab as it is.\n`,
    });
  });

  test('names of images, snapshots and sources that are nowhere', async () => {
    write('nodes:\n  web: {image: none}\n');
    expect((await lab('apply', file)).stderr).toBe(
      `${file}:2:16: Node web boots image 'none', which neither this file nor the lab has: add it below 'images', or see \`bootyard image show\`.\n`,
    );
    write('nodes:\n  web: {from: db@fresh}\n');
    expect((await lab('apply', file)).stderr).toBe(
      `${file}:2:15: There is no snapshot 'db@fresh': name it below 'snapshots' of node db, or save it with \`bootyard node snapshot save db fresh\`.\n`,
    );
    write('images:\n  web: {build: ./none}\n');
    expect((await lab('apply', file)).stderr).toBe(
      `${file}:2:3: There is no folder '${join(folder, 'none')}' to build from.\n`,
    );
  });
});

describe('lab export and destroy', () => {
  test('what is exported is what was applied', async () => {
    write(LAB);
    await lab('apply', file);
    const other = join(folder, 'other.yaml');
    expect(await lab('export', other)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `WARNING: Nothing here says how image tiny was made, so the file only names it: keep it with \`bootyard image export\`.\n`,
    });
    expect((await lab('export')).stdout).toBe(readFileSync(other, 'utf8'));
    expect((await lab('apply', other)).stdout).toBe(`Nothing to do: the lab is as ${other} says.\n`);
    expect(await lab('export', other)).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') });
    expect((await lab('export', other, '--force')).code).toBe(0);
  });

  test('destroy removes what the file names, after a question', async () => {
    const removed: string[] = [];
    cli.handlers['image.list'] = () => [imageInfo('tiny'), imageInfo('box')];
    cli.handlers['image.remove'] = ({ images }) => {
      removed.push(...images);
      return {};
    };
    const web: NodeInfo = { ...node('web'), state: 'booted' };
    nodes = [web, node('db'), { ...node('other'), image: 'tiny' }];
    write(`images: {tiny: {import: a.tar}, box: {import: b.tar}}\n${LAB}`);
    expect(await lab('destroy', file)).toMatchObject({
      code: 1,
      stderr:
        'Image tiny stays: other boots it.\nNode web runs, and is stopped.\n2 node(s) and 1 image(s) are removed for good.\nUse --force to go on.\n',
    });
    expect((await lab('destroy', file, '--force')).code).toBe(0);
    expect(nodes.map(({ name }) => name)).toEqual(['other']);
    expect(removed).toEqual(['box']);
  });
});
