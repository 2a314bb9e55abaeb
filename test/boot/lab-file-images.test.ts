import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultImageTar } from '../support/default-image.ts';
import { TestEngine } from '../support/engines.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { DockerRegistry } from '../support/registry.ts';
import { startsToRestore, stopProcess } from '../support/snapshots.ts';

const PORT = 5093;

describe.runIf(isLong)('a lab file with images of each kind, snapshots and a copy', () => {
  const lab = new TestLab();
  const file = join(lab.home, 'bootyard.yaml');
  const NOTHING = `Nothing to do: the lab is as ${file} says.\n`;
  let engine: TestEngine;
  let registry: DockerRegistry;

  beforeAll(async () => {
    registry = await DockerRegistry.start({ port: PORT });
    engine = await TestEngine.docker();
    Object.assign(lab.env, engine.env);
    // What is cloned comes from here; the lab is empty again afterwards.
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('registry', 'add', 'own', `http://127.0.0.1:${PORT}`);
    await lab.bootyard('image', 'publish', 'pc-x86-64-tiny', '--registry', 'own', '--as', 'me/tiny:v1');
    await lab.bootyard('image', 'remove', 'pc-x86-64-tiny');
    const { tar, labels } = await defaultImageTar('pc-x86-64-tiny');
    mkdirSync(join(lab.home, 'web'));
    writeFileSync(join(lab.home, 'web/Dockerfile'), 'FROM base\nCOPY version /etc/version\n');
    put('one\n');
    const images = {
      web: { build: { folder: './web', network: 'none' } },
      base: { import: tar, labels },
      box: { clone: 'own:me/tiny:v1' },
    };
    const nodes = {
      front: { image: 'web', settings: { ram: '256M' }, snapshots: ['fresh'] },
      second: { from: 'front@fresh' },
      spare: { image: 'box', power: 'off' },
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ images, nodes }));
  });
  afterAll(async () => {
    await lab.remove();
    await engine?.stop();
    await registry?.stop();
  });

  const put = (version: string): void => writeFileSync(join(lab.home, 'web/version'), version);
  const has = async (...nodes: string[]): Promise<string[]> =>
    Promise.all(nodes.map((node) => lab.inNode(node, 'cat /etc/version')));

  /** `lab apply`, with which something is done before it ends. Answers all that it printed. */
  async function broken(kill: (client: number, said: () => string) => Promise<void>): Promise<string> {
    const child = lab.spawn('lab', 'apply', file, '--force');
    let said = '';
    for (const out of [child.stdout, child.stderr]) out?.on('data', (chunk) => (said += String(chunk)));
    const ended = once(child, 'close');
    await kill(child.pid ?? 0, () => said);
    await ended;
    expect(said).not.toContain('The lab is as');
    return said;
  }
  /** It is killed as soon as it prints this. */
  const killedAt = (step: string, end: (client: number) => void): Promise<string> =>
    broken(async (client, said) => {
      await until(step, said, (all) => all.includes(`${step}...`), 240_000);
      end(client);
    });
  const killClient = (client: number): boolean => process.kill(client, 'SIGKILL');
  async function killDaemon(): Promise<void> {
    const { daemon } = await lab.status();
    process.kill(daemon?.pid ?? 0, 'SIGKILL');
  }

  test('the client is killed in steps of each kind, the daemon in two', async () => {
    for (const step of ['make image base', 'make image web', 'make image box', 'create node front'])
      await killedAt(step, killClient);
    const { daemon } = await lab.status();
    await killedAt('save snapshot front@fresh', () => process.kill(daemon?.pid ?? 0, 'SIGKILL'));
    await broken(async () => {
      const machine = await stopProcess(startsToRestore(lab));
      await killDaemon();
      process.kill(machine, 'SIGCONT');
    });
  });

  test('the last run waits for what the one before has left, and completes it', async () => {
    let machine = 0;
    await broken(async (client) => {
      machine = await stopProcess(startsToRestore(lab));
      killClient(client);
    });
    setTimeout(() => process.kill(machine, 'SIGCONT'), 3000);
    await lab.bootyard('lab', 'apply', file, '--force', '--wait');
    expect(await lab.nodes()).toMatchObject([
      { name: 'front', state: 'booted', image: 'web', settings: { ram: '256M' } },
      { name: 'second', state: 'booted', image: 'web', settings: { ram: '256M' } },
      { name: 'spare', state: 'off', image: 'box' },
    ]);
    expect((await lab.images()).map(({ name }) => name).sort()).toEqual(['base', 'box', 'web']);
    expect(await has('front', 'second')).toEqual(['one\n', 'one\n']);
    expect(await lab.bootyard('node', 'snapshot', 'list', 'front')).toContain('fresh');
  }, 500_000);

  test('a second time there is nothing to do', async () => {
    expect(await lab.bootyard('lab', 'apply', file)).toBe(NOTHING);
  });

  test('a file that goes into a build makes that image again, and nothing else', async () => {
    put('two\n');
    const said = await lab.bootyard('lab', 'apply', file, '--force', '--wait');
    expect(said).toMatch(/make image again +web +what it is made of has changed/);
    expect(said).not.toMatch(/(base|box|create node)/);
    expect(await has('front')).toEqual(['two\n']);
    expect(await lab.bootyard('lab', 'apply', file)).toBe(NOTHING);
  });
});
