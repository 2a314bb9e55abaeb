import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeProgram } from '../../backend/cli/program.ts';
import { Session } from '../../backend/cli/session.ts';
import { candidatesFor } from '../../backend/cli/completion.ts';
import { argumentSource, optionSource } from '../../backend/cli/completion-values.ts';
import { settingInfos } from '../../backend/api/node.ts';
import { node } from '../support/api-lab.ts';
import { CommandLine, Screen } from '../support/cli.ts';

const cli = new CommandLine();
Object.assign(process.env, cli.env);
const program = makeProgram(new Session());
const complete = (...words: string[]): Promise<string[]> => candidatesFor(program, words);
afterAll(() => cli.remove());

describe('without a lab', () => {
  test('completes nouns, verbs, options and settings', async () => {
    expect(await complete('no')).toEqual(['node']);
    expect(await complete('node', 're')).toEqual(['rename', 'remove', 'reboot', 'reads']);
    expect(await complete('node', 'show', '--n')).toEqual(['--names-only']);
    expect(await complete('node', 'config', 'a', 'ra')).toEqual(['ram=']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh']);
    expect(await complete('node', 'shell', 'a', '')).toEqual([]);
    expect(await complete('node', 'snapshot', 'r')).toEqual(['restore', 'remove']);
  });

  test('values of every setting come from the schema', async () => {
    expect(await complete('node', 'config', 'a', 'boot.mode=hybrid')).toEqual([
      'boot.mode=hybrid-volatile',
      'boot.mode=hybrid-persistent[partition=sda1]',
    ]);
    expect(await complete('node', 'config', 'a', 'boot.mode=network')).toEqual([
      'boot.mode=network-volatile',
      'boot.mode=network-persistent',
    ]);
    expect(await complete('node', 'create', 'a', '--set', 'mount.persist=')).toEqual([
      'mount.persist=true',
      'mount.persist=false',
    ]);
    const words = ['node', 'config', 'a', ''];
    expect(await complete(...words)).toEqual(settingInfos().map(({ name }) => `${name}=`));
    expect(await complete('node', 'config', 'a', 'wings=')).toEqual([]);
  });

  test('values of options, and what stands behind them', async () => {
    expect(await complete('node', 'create', 'a', '--model', 'q')).toEqual(['qemu-arm-64']);
    expect(await complete('node', 'create', 'a', '--model', 'qemu-arm-64', '--im')).toEqual(['--image']);
    expect(await complete('node', 'create', '--image', 'tiny', 'a', 'accel=t')).toEqual(['accel=tcg']);
    expect(await complete('image', 'build-default', 'qemu')).toEqual(['qemu-arm-64-tiny']);
  });
});

/** Words that a user thinks of, and files, which the shell completes: nothing can be known of them. */
const FREE = new Set([
  'regexp',
  'port',
  'folder',
  'name',
  'path',
  'command',
  'node-port',
  'local-port',
  'duration',
  'file',
  'keyword',
  'label',
  'url',
  'port',
  'folder',
]);
const FREE_OPTIONS = new Set([
  '--max-size',
  '--save',
  '--search',
  '--ram',
  '--from-dir',
  '--from-url',
  '--sub-dir',
  '--file',
  '--build-arg',
  '--time-margin',
  '--date',
  '--size',
  '--age',
  '--timeout',
  '--speed',
  '--bind',
  '--label',
  '--name',
  '--as',
  '--packages',
  '--files',
  '--ca',
  '--ram',
  '--from-dir',
  '--from-url',
  '--sub-dir',
  '--file',
  '--build-arg',
  '--network',
  '--port',
  '--junit',
  '--filter',
]);

test('no verb is left out', () => {
  const left: string[] = [];
  const look = (command: ReturnType<typeof makeProgram>): void => {
    if (command.name().startsWith('_')) return;
    for (const argument of command.registeredArguments) {
      if (!FREE.has(argument.name()) && !argumentSource(command, argument))
        left.push(`${command.name()} ${argument.name()}`);
    }
    for (const option of command.options) {
      const known = FREE_OPTIONS.has(option.long ?? '') || (option.argChoices?.length ?? 0) > 0;
      if (option.required && !known && !optionSource(option)) left.push(`${command.name()} ${option.long}`);
    }
    command.commands.forEach(look);
  };
  look(program);
  expect(left).toEqual([]);
});

describe('with a daemon', () => {
  beforeEach(async () => {
    await cli.startDaemon();
    cli.handlers['node.list'] = () => [node('vnode1'), node('vnode2')];
    cli.handlers['node.snapshotList'] = (params) =>
      ['clean', 'later'].map((name) => ({ ...snapshot, name: `${params.node}-${name}` }));
  });
  afterEach(() => cli.stopDaemon());
  const snapshot = {
    image: 'tiny',
    name: '',
    createdAt: '2025-01-02T03:04:05Z',
    bytes: 1,
    ram: '512M',
    disks: 'none',
  };

  test('names of nodes complete, in sets too', async () => {
    expect(await complete('node', 'shell', 'v')).toEqual(['vnode1', 'vnode2']);
    for (const verb of ['expose', 'ping', 'blink', 'diff', 'save', 'console', 'timeline', 'boots', 'debug'])
      expect(await complete('node', verb, 'v')).toEqual(['vnode1', 'vnode2']);
    expect(await complete('node', 'boot', 'vnode1,vnode2')).toEqual(['vnode1,vnode2']);
    expect(await complete('node', 'boot', 'vnode1,')).toEqual([
      'vnode1,vnode1',
      'vnode1,vnode2',
      'vnode1,all-nodes',
      'vnode1,my-nodes',
    ]);
    expect(await complete('node', 'cp', 'x', 'v')).toEqual(['vnode1:', 'vnode2:']);
    expect(await complete('node', 'cp', 'vnode1:/x', 'b')).toEqual(['booted-image']);
  });

  test('images of engines, where they can be booted or cloned', async () => {
    const engine = { ...{ version: '5', address: '', reason: null }, state: 'connected' as const };
    const made = (...names: string[]) => ({ id: names.join(), names, labels: {}, created: '', sizeBytes: 1 });
    const asked: unknown[] = [];
    cli.handlers['image.list'] = () => [
      {
        ...{ name: 'box', id: 'ab'.repeat(32), labels: {}, sizeBytes: 1, ownBytes: 1, created: '' },
        ...{ inUse: false, nodes: [], layers: 1, models: [] },
      },
    ];
    cli.handlers['engine.list'] = (params) => {
      asked.push(params);
      return [
        { ...engine, name: 'docker', kind: 'docker', images: [made('walt/box:1', 'bo x'), made('box')] },
        { ...engine, name: 'podman-2', kind: 'podman', images: [made('box')] },
      ];
    };
    const links = ['docker:walt/box:1', 'docker:box', 'podman-2:box'];
    expect(await complete('node', 'boot', 'vnode1', '')).toEqual(['box', ...links]);
    expect(await complete('node', 'create', 'a', '--image', 'docker:')).toEqual(links.slice(0, 2));
    expect(await complete('image', 'clone', 'podman')).toEqual(links.slice(2));
    expect(await complete('image', 'squash', '')).toEqual(['box']);
    // With `all` the daemon would ask the engines.
    expect(asked).toEqual([{}, {}, {}]);
  });

  test('paths in images', async () => {
    const asked: unknown[] = [];
    const files = (
      [
        ['apt', 'directory', null],
        ['alternatives', 'symlink', 'directory'],
        ['adduser.conf', 'file', null],
        ['a name', 'file', null],
        ['aA%FF', 'file', null],
        ['hosts', 'file', null],
      ] as const
    ).map(([name, type, leadsTo]) => ({
      ...{ name, type, leadsTo, mode: 0, uid: 0, gid: 0, size: 0, mtimeMs: 0 },
      ...{ target: null, xattrs: [], device: null, links: 1, layer: 1 },
    }));
    cli.handlers['image.files'] = ({ image, path }) => {
      asked.push([image, path]);
      return { id: 'x', files, next: null };
    };
    expect(await complete('image', 'cp', 'me/box:v1:/etc/a')).toEqual([
      'me/box:v1:/etc/apt/',
      'me/box:v1:/etc/alternatives/',
      'me/box:v1:/etc/adduser.conf',
    ]);
    expect(await complete('image', 'cp', 'x', 'box:/h')).toEqual(['box:/hosts']);
    expect(asked).toEqual([
      ['me/box:v1', '/etc'],
      ['box', '/'],
    ]);
  });

  test('numbers of boots', async () => {
    const boot = {
      node: 'vnode1',
      image: 'tiny',
      startedAt: '',
      outcome: 'booted',
      reason: null,
      totalMs: 1,
    };
    cli.handlers['node.boots'] = ({ node }) =>
      (node === 'vnode1' ? [2, 1] : []).map((number) => ({ ...boot, number }));
    expect(await complete('node', 'timeline', 'vnode1', '')).toEqual(['2', '1']);
    expect(await complete('node', 'timeline', 'vnode1', '--compare', '')).toEqual(['2', '1']);
    expect(await complete('node', 'reads', 'vnode1', '')).toEqual(['2', '1']);
  });

  test('names of snapshots', async () => {
    expect(await complete('node', 'snapshot', 'restore', 'vnode2', '')).toEqual([
      'vnode2-clean',
      'vnode2-later',
    ]);
    expect(await complete('node', 'create', 'x', '--from', 'vnode1')).toEqual(['vnode1@']);
    expect(await complete('node', 'create', 'x', '--from', 'vnode1@vnode1-l')).toEqual([
      'vnode1@vnode1-later',
    ]);
  });
});

describe('in the shells themselves', () => {
  const folder = join(cli.folder, 'bin');
  let env: Record<string, string>;
  beforeAll(async () => {
    mkdirSync(folder);
    const script = join(import.meta.dirname, '../../backend/cli/main.ts');
    writeFileSync(join(folder, 'bootyard'), `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`);
    chmodSync(join(folder, 'bootyard'), 0o755);
    env = { ...cli.env, PATH: `${folder}:${cli.env.PATH}`, PS1: '> ', HISTFILE: '/dev/null' };
    await cli.startDaemon();
    cli.handlers['node.list'] = () => [node('vnode1'), node('vnode22')];
    cli.handlers['image.list'] = () => [];
    cli.handlers['image.files'] = ({ path }) => ({
      id: 'x',
      files: [path === '/' ? etc : hosts],
      next: null,
    });
  });
  const file = { mode: 0, uid: 0, gid: 0, size: 0, mtimeMs: 0, target: null, leadsTo: null };
  const more = { ...file, xattrs: [], device: null, links: 1, layer: 1 };
  const etc = { ...more, name: 'etc', type: 'directory' as const };
  const hosts = { ...more, name: 'hosts', type: 'file' as const };
  afterAll(() => cli.stopDaemon());

  const shells = {
    bash: { argv: ['bash', '--norc', '-i'], prepare: 'source <(bootyard completion bash)' },
    zsh: {
      argv: ['zsh', '-f', '-i'],
      prepare:
        'zle_highlight=(suffix:none); autoload -Uz compinit; compinit -u -D; source <(bootyard completion zsh)',
    },
  };
  test.each(Object.entries(shells))('%s', { timeout: 120_000 }, async (_, { argv, prepare }) => {
    const screen = new Screen(argv, env);
    screen.type(`${prepare}; echo re''ady\r`);
    await screen.shows('ready');
    const typed = async (words: string, expected: string): Promise<void> => {
      const before = screen.text.length;
      // What was typed before becomes a line that does nothing: a new prompt.
      screen.type('\u0001: \r');
      await screen.shows('> ', before);
      screen.type(`${words}\t`);
      await screen.shows(expected, before);
    };
    await typed('bootyard no', 'node ');
    await typed('bootyard node snap', 'snapshot ');
    await typed('bootyard node config vnode1 ra\t1G', 'vnode1 ram=1G');
    await typed('bootyard node config vnode1 boot.mode=hybrid-v', 'vnode1 boot.mode=hybrid-volatile ');
    await typed('bootyard node reboot vnode1,vnode2', 'reboot vnode1,vnode22 ');
    await typed('bootyard node cp vnode2', 'cp vnode22:');
    await typed('bootyard image cp box:/e\tho', 'cp box:/etc/hosts ');
    await typed('bootyard node create b --from vnode2', '--from vnode22@');
    await typed('bootyard node wait --ti', '--timeout ');
    screen.end();
  });
});
