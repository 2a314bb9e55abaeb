import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Dockerode from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestEngine } from '../support/engines.ts';
import { type Finished, TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const BASE = 'pc-x86-64-tiny';
const lab = new TestLab();
const children: ChildProcess[] = [];
let engine: TestEngine | undefined;

const put = (...lines: string[]): void =>
  writeFileSync(join(lab.home, 'Dockerfile'), `FROM ${BASE}\n${lines.join('\n')}\n`);
const build = (...flags: string[]): string[] => [
  'image',
  'build',
  'mine',
  '.',
  '--network',
  'none',
  ...flags,
];
const names = async (): Promise<string[]> => (await lab.images()).map(({ name }) => name);

async function inImage(path: string): Promise<string> {
  await lab.bootyard('image', 'cp', `mine:${path}`, 'out');
  return readFileSync(join(lab.home, 'out'), 'utf8');
}
async function stepsInEngine(): Promise<string[]> {
  const docker = new Dockerode({ socketPath: engine?.socket ?? '' });
  const all = (await docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []);
  return all.filter((name) => name.includes('bootyard-step-'));
}
async function onItsImage(state: string): Promise<void> {
  const isBack = ({ image, state: now }: { image: string; state: string }): boolean =>
    image === BASE && now === state;
  await until('vnode1 on its image', () => lab.node('vnode1'), isBack, 120_000);
}

/** Builds until a step on a node has begun. */
async function begun(...flags: string[]): Promise<ChildProcess> {
  put('RUN --on-node echo one > /etc/one', 'RUN --on-node echo begun-$((6*7)); sleep 600');
  const child = lab.spawn(...build(...flags));
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (said += String(text)));
  await until(
    'a step',
    () => said,
    (text) => text.includes('begun-42'),
    240_000,
  );
  return child;
}
async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const end = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return await end;
}

describe.runIf(isLong)('a build with steps on a node', () => {
  beforeAll(async () => {
    engine = await TestEngine.docker();
    Object.assign(lab.env, engine.env);
    await lab.importDefault(BASE);
    await lab.bootyard('node', 'create', 'vnode1', '--image', BASE, '--wait');
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await lab.remove();
    await engine?.stop();
  });

  test('runs them on the node that is named, which gets its image back', async () => {
    put(
      `ENV WORD="it's"`,
      'RUN --on-node uname -r > /etc/kernel; \\',
      '  echo $WORD > /etc/word',
      'RUN cat /etc/kernel > /etc/again',
    );
    await lab.bootyard(...build('--with-node', 'vnode1'));
    await onItsImage('booted');
    const kernel = await lab.inNode('vnode1', 'uname -r');
    expect([await inImage('/etc/kernel'), await inImage('/etc/again')]).toEqual([kernel, kernel]);
    expect(await inImage('/etc/word')).toBe("it's\n");
    expect(await names()).toEqual(['mine', BASE]);
  });

  test('whose step fails says the line and the exit code; a node that was off is off again', async () => {
    await lab.bootyard('node', 'stop', 'vnode1');
    put('RUN --on-node echo one > /etc/one', 'RUN --on-node cat /etc/one; exit 7');
    const failed: Finished = await lab.run(...build('--with-node', 'vnode1', '--force'));
    expect(failed.status).toBe(1);
    expect(failed.stdout).toContain('\none\n');
    expect(failed.stderr).toContain('line 3 of the Dockerfile (RUN --on-node cat /etc/one; exit 7)');
    expect(failed.stderr).toContain('it ended with exit code 7 on vnode1.');
    await onItsImage('off');
    expect(await names()).toEqual(['mine', BASE]);
    expect(await stepsInEngine()).toEqual([]);
  });

  test('runs them on a temporary node, also those of a here-document', async () => {
    put(
      'RUN --on-node <<END',
      'uname -r > /etc/kernel',
      'FROM=here; echo $FROM > /etc/from',
      'END',
      'ENV X=1',
    );
    await lab.bootyard(...build('--force'));
    expect(await inImage('/etc/kernel')).toMatch(/^\d+\.\d+/);
    expect(await inImage('/etc/from')).toBe('here\n');
    expect(await names()).toEqual(['mine', BASE]);
    expect((await lab.nodes()).map(({ name }) => name)).toEqual(['vnode1']);
  });

  test('that is cancelled leaves nothing', async () => {
    const child = await begun('--force');
    expect(await ended(child, 'SIGINT')).toBe(130);
    expect(await names()).toEqual(['mine', BASE]);
    expect(await stepsInEngine()).toEqual([]);
  });

  test('that is killed is undone by the next build: its node gets its image back, and its images go', async () => {
    const child = await begun('--with-node', 'vnode1', '--force');
    await ended(child, 'SIGKILL');
    const other = await begun('--force');
    await ended(other, 'SIGKILL');
    // The second one has found what the first had left.
    await onItsImage('off');
    expect((await names()).filter((name) => name.startsWith('bootyard-step-'))).not.toEqual([]);
    expect(await stepsInEngine()).not.toEqual([]);
    put('ENV X=2');
    await until(
      'nothing is left',
      async () => {
        await lab.bootyard(...build('--force'));
        return await names();
      },
      (left) => left.join() === `mine,${BASE}`,
    );
    expect(await stepsInEngine()).toEqual([]);
    expect((await lab.nodes()).map(({ name, state }) => [name, state])).toEqual([['vnode1', 'off']]);
  });
});
