import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, engineOf, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { LabRegistry } from '../support/lab-registry.ts';

const run = promisify(execFile);

describe.each(['docker', 'podman'] as const)('%s and the registry of the lab', (kind) => {
  let engine: TestEngine;
  let lab: LabRegistry;
  beforeAll(async () => {
    engine = await TestEngine[kind]();
    writeFileSync(join(engine.folder, 'config.json'), '{}');
    lab = await LabRegistry.start();
    const dockerfile = `FROM scratch\nADD root.tar /\n${MODELS}\nCOPY Dockerfile /recipe`;
    await build(await engineOf(engine), name(), dockerfile);
  }, 120_000);
  afterAll(async () => {
    await lab?.end();
    await engine?.stop();
  });
  const name = (): string => `${lab.host}/me/box:v1`;
  const cli = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, ...engine.env, DOCKER_CONFIG: engine.folder };
    // Docker takes addresses of loopback without TLS by itself.
    const [verb = '', ...rest] = args;
    const insecure = ['push', 'pull'].includes(verb) ? ['--tls-verify=false'] : [];
    const [program, words] =
      kind === 'docker'
        ? ['/usr/bin/docker', args]
        : ['podman', ['--remote', '--url', engine.env.CONTAINER_HOST ?? '', verb, ...insecure, ...rest]];
    return (await run(program, words, { env, timeout: 100_000 })).stdout;
  };
  const idOf = async (image: string): Promise<string> =>
    (await cli('image', 'inspect', '--format', '{{.Id}}', image)).trim().replace('sha256:', '');

  it('pushes an image that nodes can boot', async () => {
    const id = await idOf(name());
    await cli('push', name());
    expect(lab.store.get('me/box:v1')).toMatchObject({ id, models: ['pc-x86-64'] });
    const layers = lab.store.named('me/box:v1').layers.length;
    expect(layers).toBe(2);
  });

  it('pulls it back by tag and by digest', async () => {
    const id = await idOf(name());
    await cli('rmi', '-f', id);
    await expect(idOf(name())).rejects.toThrow();
    await cli('pull', name());
    expect(await idOf(name())).toBe(id);
    const answer = await lab.fetch('me/box/manifests/v1');
    const digest = `sha256:${createHash('sha256')
      .update(Buffer.from(await answer.arrayBuffer()))
      .digest('hex')}`;
    await cli('rmi', '-f', id);
    await cli('pull', `${lab.host}/me/box@${digest}`);
    expect(await idOf(`${lab.host}/me/box@${digest}`)).toBe(id);
  });

  it('pulls an image of the store, which was never pushed', async () => {
    const image = await lab.image('plain', 200_000);
    await cli('pull', `${lab.host}/plain`);
    expect(await idOf(`${lab.host}/plain`)).toBe(image.id);
  });

  it('is told why a push is refused', async () => {
    await cli('tag', `${lab.host}/plain`, `${lab.host}/default`);
    await expect(cli('push', `${lab.host}/default`)).rejects.toThrow(/reserved keyword/);
  });
});
