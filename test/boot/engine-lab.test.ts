import { chmodSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineInfo } from '../../backend/api/engine.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { build, engineOf } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

/** Gives an engine the tiny image. */
async function buildTiny(test: TestEngine, name: string): Promise<void> {
  const { tar, labels } = await defaultImageTar('pc-x86-64-tiny');
  const lines = Object.entries(labels).map(([key, value]) => `LABEL ${key}="${value}"`);
  await build(
    await engineOf(test),
    name,
    ['FROM scratch', 'ADD root.tar /', ...lines].join('\n'),
    readFileSync(tar),
  );
}

describe.runIf(isLong).each(['docker', 'podman'] as const)('a lab beside %s', (kind) => {
  const lab = new TestLab();
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await TestEngine[kind]();
    Object.assign(lab.env, engine.env);
    letIn();
    await buildTiny(engine, 'me/tiny:v1');
  }, 120_000);
  afterAll(async () => {
    await lab.remove();
    await engine?.stop();
  });
  /** The lab is root's only in its own namespace: what belongs to Podman's user is closed to it. */
  const letIn = (): void => chmodSync(engine.socket, 0o666);
  const info = async (): Promise<EngineInfo | undefined> => {
    const all = JSON.parse(await lab.bootyard('image', 'engines', '--json')) as EngineInfo[];
    return all.find((one) => one.kind === kind);
  };

  test('boots its image by a link, and goes on when it dies', async () => {
    const link = `${kind}:me/tiny:v1`;
    await lab.bootyard('node', 'create', 'vnode1', '--image', link, '--wait');
    const image = `${kind}/me-tiny:v1`;
    expect(await lab.node('vnode1')).toMatchObject({ state: 'booted', image });
    expect(await lab.inNode('vnode1', 'uname -s')).toBe('Linux\n');
    expect(await lab.bootyard('image', 'show')).toContain(link);
    expect(await info()).toMatchObject({ state: 'connected' });

    await engine.kill();
    await until('gone', info, (now) => now?.state === 'absent');
    expect((await lab.images()).map(({ name }) => name)).toEqual([image]);
    const refused = await lab.run('node', 'boot', 'vnode1', link);
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^No engine '\w+' answers|does not run/),
    ]);
    expect(await lab.inNode('vnode1', 'uname -s')).toBe('Linux\n');
    await lab.bootyard('node', 'reboot', 'vnode1');
    await lab.bootyard('node', 'wait', 'vnode1');
    const storm = lab
      .daemonLog()
      .split('\n')
      .filter((line) => line.includes(engine.socket));
    expect(storm.length).toBeLessThan(4);

    await engine.start();
    letIn();
    await until('back', info, (now) => now?.state === 'connected');
    expect((await lab.run('node', 'boot', 'vnode1', link)).status).toBe(0);
  }, 240_000);
});
