import { spawn } from 'node:child_process';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { node } from '../support/api-lab.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
const { run: bootyard, complete } = cli;
afterAll(() => cli.remove());

describe('without a lab', () => {
  test('completes nouns, verbs, options and settings', async () => {
    expect(await complete('no')).toEqual(['node']);
    expect(await complete('node', 're')).toEqual(['rename', 'remove', 'reboot']);
    expect(await complete('node', 'show', '--n')).toEqual(['--names-only']);
    expect(await complete('node', 'config', 'a', 'r')).toEqual(['ram=']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh']);
    expect(await complete('node', 'shell', 'a', '')).toEqual([]);
  });

  test('the completion scripts are sound', async () => {
    const { stdout } = await bootyard(['completion', 'bash']);
    const check = spawn('bash', ['-n'], { stdio: ['pipe', 'inherit', 'inherit'] });
    check.stdin.end(stdout);
    expect(await new Promise((resolve) => check.on('exit', resolve))).toBe(0);
  });
});

describe('with a daemon', () => {
  beforeEach(() => cli.startDaemon());
  afterEach(() => cli.stopDaemon());

  test('names of nodes complete, in sets too', async () => {
    cli.handlers['node.list'] = () => [node('vnode1'), node('vnode2')];
    expect(await complete('node', 'shell', 'v')).toEqual(['vnode1', 'vnode2']);
    expect(await complete('node', 'boot', 'vnode1,vnode2')).toEqual(['vnode1,vnode2']);
    expect(await complete('node', 'boot', 'vnode1,')).toEqual([
      'vnode1,vnode1',
      'vnode1,vnode2',
      'vnode1,all-nodes',
    ]);
  });
});
