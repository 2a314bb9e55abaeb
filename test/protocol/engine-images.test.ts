import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../backend/images/engine/connect.ts';
import { engineImage } from '../../backend/images/engine/images.ts';
import { file } from '../unit/images/support.ts';
import { node } from '../support/api-lab.ts';
import { build, engineOf, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { isLong } from '../support/long.ts';
import { noise, RegistryLab } from '../support/registry-lab.ts';

const BASE = `FROM scratch\nADD root.tar /\n${MODELS}`;

describe.each(['docker', 'podman'] as const)('images of %s', (kind) => {
  /** In what follows the two engines do not differ: mostly one is enough. */
  const isWhole = kind === 'docker' || isLong;
  let test: TestEngine;
  let engine: Engine;
  let lab: RegistryLab;
  let booted: (string | undefined)[];
  beforeAll(async () => {
    test = await TestEngine[kind]();
    engine = await engineOf(test);
    await build(engine, 'walt/base', BASE);
    await build(engine, 'walt/box:1', 'FROM walt/base\nCOPY root.tar /data\nCOPY Dockerfile /recipe');
    lab = await RegistryLab.start();
    Object.assign(lab.cli.env, test.env);
    lab.cli.handlers['node.boot'] = ({ image }) => {
      booted.push(image);
      return [node('n1')];
    };
    booted = [];
  }, 120_000);
  afterAll(async () => {
    await lab?.end();
    await test?.stop();
  });
  const idOf = async (name: string): Promise<string | undefined> => (await engineImage(engine, name))?.id;

  it('are cloned: the same image, of which only layers move that the store has not got', async () => {
    expect(await lab.run('image', 'clone', `${kind}:walt/base`)).toBe(
      `Image base cloned from ${kind}:walt/base.\n`,
    );
    const base = lab.store.named('base');
    expect(base).toMatchObject({ id: await idOf('walt/base'), labels: { 'walt.node.models': 'pc-x86-64' } });
    await lab.run('image', 'clone', `${kind}:walt/box:1`, 'mine');
    const mine = lab.store.named('mine');
    expect(mine.id).toBe(await idOf('walt/box:1'));
    expect(mine.layers).toHaveLength(base.layers.length + 2);
    const tree = await lab.store.tree(mine.id);
    expect(tree.lookupPath('etc/hostname')).not.toBe(0);
    expect(tree.lookupPath('recipe')).not.toBe(0);
    tree.close();
    expect(lab.downloads()).toEqual([]);
    expect(await lab.fails('image', 'clone', `${kind}:walt/box:1`, 'mine')).toMatch(
      /^An image has the same name in your working set.\nThis operation would overwrite it.\n/,
    );
  });

  it('move nothing when the store has the image under another name', async () => {
    let asked = '';
    const socket = join(lab.cli.folder, 'between');
    const between = createServer((client) => {
      const there = connect(test.socket);
      client.on('data', (data) => (asked += String(data)));
      client.pipe(there).pipe(client);
      for (const end of [client, there]) end.on('error', () => {});
    }).listen(socket);
    await once(between, 'listening');
    const before = { ...lab.cli.env };
    Object.assign(lab.cli.env, { DOCKER_HOST: 'unix:///none', CONTAINER_HOST: 'unix:///none' });
    lab.cli.env[kind === 'docker' ? 'DOCKER_HOST' : 'CONTAINER_HOST'] = `unix://${socket}`;
    await lab.run('image', 'clone', `${kind}:walt/box:1`, 'yours');
    await lab.run('image', 'clone', `${kind}:walt/base`, 'yours', '--force');
    await lab.run('image', 'clone', `${kind}:walt/box:1`, 'yours', '--force');
    Object.assign(lab.cli.env, before);
    between.close();
    expect(asked).toContain('/images/json');
    expect(asked).not.toMatch(/(GET|POST) [^ ]*\/(get|push)/);
    const [mine, yours] = ['mine', 'yours'].map((name) => lab.store.named(name));
    expect(yours).toMatchObject({ id: mine?.id, layers: mine?.layers });
    expect(lab.downloads()).toEqual([]);
  });

  it.runIf(isWhole)(
    'boot by their link, each time the newest of that name, which the store keeps',
    async () => {
      await lab.run('node', 'boot', 'n1', `${kind}:walt/box:1`);
      const name = `${kind}/walt-box:1`;
      expect(booted.splice(0)).toEqual([name]);
      const first = lab.store.named(name).id;
      await build(engine, 'walt/box:1', 'FROM walt/base\nCOPY Dockerfile /newer');
      await lab.run('node', 'boot', 'n1', `${kind}:walt/box:1`);
      const second = lab.store.named(name).id;
      expect(second).not.toBe(first);
      expect(second).toBe(await idOf('walt/box:1'));
      await engine.docker.getImage(second).remove({ force: true });
      expect(await lab.fails('node', 'boot', 'n1', `${kind}:walt/box:1`)).toBe(
        `${kind} has no image 'walt/box:1': \`bootyard image show --all\` lists its images.`,
      );
      expect(lab.store.named(name).id).toBe(second);
      await lab.run('node', 'boot', 'n1', name);
      expect(booted).toEqual([name, name]);
    },
  );

  it.runIf(isWhole)(
    'are refused when they are not made for nodes, or called what nothing is called',
    async () => {
      await build(engine, 'plain', 'FROM scratch\nADD root.tar /');
      expect(await lab.fails('image', 'clone', `${kind}:plain`)).toBe(
        `Failed. The image 'plain' of ${kind} does not indicate compatible node models (label walt.node.models).`,
      );
      expect(await lab.fails('node', 'boot', 'n1', `${kind}:a b`)).toContain(
        `'${kind}:a b' names no image of an engine`,
      );
      expect(await lab.fails('image', 'clone', `${kind}-2:plain`)).toContain(`No engine '${kind}-2' answers`);
    },
  );

  it.runIf(isWhole)('leave nothing when the transfer is cancelled, or the engine dies', async () => {
    await build(engine, 'walt/large', `${BASE}\nCOPY root.tar /again`, [file('large', noise(30_000_000))]);
    const screen = lab.cli.terminal(['image', 'clone', `${kind}:walt/large`]);
    await screen.shows('Fetching');
    screen.type('\x03');
    expect(await screen.exit).not.toBe(0);
    expect(lab.downloads()).toEqual([]);
    expect(lab.store.get('large')).toBeUndefined();

    const dying = lab.cli.terminal(['image', 'clone', `${kind}:walt/large`]);
    await dying.shows('Fetching');
    await test.kill();
    expect(await dying.exit).toBe(1);
    expect(dying.text).toMatch(/The container engine .* (fails|is refused|breaks off)/);
    expect(lab.downloads()).toEqual([]);
    expect(await lab.fails('image', 'clone', `${kind}:walt/base`)).toMatch(
      /^The container engine at .* does not run/,
    );
    await test.start();
    await lab.run('image', 'clone', '--force', `${kind}:walt/base`);
  });
});
