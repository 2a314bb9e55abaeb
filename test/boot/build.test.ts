import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestEngine } from '../support/engines.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
let engine: TestEngine;
let watching: ChildProcess | undefined;
const put = (path: string, content: string): void => writeFileSync(join(lab.home, path), content);
const bootedAt = async (): Promise<string | null> => {
  const { state, bootedAt: time } = await lab.node('vnode1');
  return state === 'booted' ? time : null;
};

beforeAll(async () => {
  engine = await TestEngine.docker();
  Object.assign(lab.env, engine.env);
  await lab.importDefault('pc-x86-64-tiny');
});
afterAll(async () => {
  watching?.kill('SIGINT');
  await lab.remove();
  await engine.stop();
});

describe('an image that is built', () => {
  // The workbench does the same with Docker.
  test.runIf(isLong)('boots, and after a save boots again from the changed layer', async () => {
    put('version', 'one\n');
    put('Dockerfile', 'FROM pc-x86-64-tiny\nRUN echo low > /etc/low\nCOPY version /etc/version\n');
    const said = await lab.bootyard('image', 'build', 'mine', '.', '--network', 'none');
    expect(said).toMatch(/\nImage mine saved \(\d+(\.\d)? k?B of new layers\)\.\n$/);
    await lab.bootyard('node', 'create', 'vnode1', '--image', 'mine', '--wait');
    expect(await lab.inNode('vnode1', 'cat /etc/low /etc/version')).toBe('low\none\n');
    const first = await bootedAt();
    const before = (await lab.images()).find(({ name }) => name === 'mine')?.id;

    watching = lab.spawn('image', 'build', 'mine', '.', '--network', 'none', '--watch', '--force');
    let output = '';
    watching.stdout?.on('data', (chunk) => (output += String(chunk)));
    watching.stderr?.on('data', (chunk) => (output += String(chunk)));
    await until(
      'first build',
      () => output,
      (text) => text.includes('Image mine is what it was.'),
    );
    put('version', 'bad\n');
    put('Dockerfile', 'FROM pc-x86-64-tiny\nRUN false\n');
    await until(
      'failure',
      () => output,
      (text) => text.includes('The build failed at line 2'),
    );
    put('Dockerfile', 'FROM pc-x86-64-tiny\nRUN echo low > /etc/low\nCOPY version /etc/version\n');
    put('version', 'two\n');
    await until(
      'reboot',
      () => output,
      (text) => text.includes('Node vnode1: rebooted ok.'),
    );
    await until('booted again', bootedAt, (time) => time !== null && time !== first, 120_000);
    expect(await lab.inNode('vnode1', 'cat /etc/low /etc/version')).toBe('low\ntwo\n');
    const after = (await lab.images()).find(({ name }) => name === 'mine');
    expect(after?.id).not.toBe(before);
    expect(after?.ownBytes).toBeLessThan(20_000);
    const ended = new Promise((resolve) => watching?.once('exit', resolve));
    watching.kill('SIGINT');
    expect(await ended).toBe(130);
  });

  test('without an engine is refused in one sentence', async () => {
    const nowhere = 'unix:///nowhere';
    const { status, stderr } = await lab.run('image', 'build', 'other', '.', '--engine', nowhere);
    expect([status, stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(stderr).toContain('does not run: start it.');
  });
});
