import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseEngine, findEngines } from '../../backend/images/engine/connect.ts';
import { TestEngine } from '../support/engines.ts';

describe('engines that run', () => {
  let docker: TestEngine;
  let podman: TestEngine;
  beforeAll(async () => {
    [docker, podman] = await Promise.all([TestEngine.docker(), TestEngine.podman()]);
  });
  afterAll(async () => {
    await docker?.stop();
    await podman?.stop();
  });

  it('tells them apart, and says their versions', async () => {
    const env = { DOCKER_HOST: docker.env.DOCKER_HOST, CONTAINER_HOST: podman.env.CONTAINER_HOST };
    const { engines, problems } = await findEngines(env);
    expect(problems).toEqual([]);
    expect(engines.map(({ name }) => name)).toEqual(['docker', 'podman']);
    const one = await chooseEngine('podman', env);
    expect(await one.docker.listImages()).toEqual([]);
  });
});
