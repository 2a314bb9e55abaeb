import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../backend/images/engine/connect.ts';
import { listEngineImages } from '../../backend/images/engine/images.ts';
import { messageOf } from '../../backend/errors.ts';
import { node } from '../support/api-lab.ts';
import { BASE, BuildBench } from '../support/builds.ts';
import { TestEngine } from '../support/engines.ts';
import { until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const BASE_NAME = /^localhost\/bootyard-store\/pc-x86-64-tiny:[0-9a-f]{12}$/;

/** Steps, the line that fails, what is said of it. */
const FAILURES: [string, number, RegExp][] = [
  ['RUN true\nRUN echo more && exit 3', 4, /\(RUN echo more && exit 3\): .*3\.$/],
  ['COPY nothing /', 3, /\(COPY nothing \/\): .*nothing/],
  ['WORKDIR', 3, /WORKDIR/],
];

/** Whether a process of this machine was started so. */
function running(command: string): boolean {
  const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return all.some((line) => line.trim() === command);
}

describe.each(['docker', 'podman'] as const)('with %s', (kind) => {
  let engine: TestEngine;
  let bench: BuildBench;

  // A build with rootless Podman takes several seconds.
  const isThorough = kind === 'docker' || isLong;
  const notBase = async (): Promise<string[]> => (await bench.left()).filter((name) => !BASE_NAME.test(name));

  beforeAll(async () => {
    engine = await (kind === 'docker' ? TestEngine.docker() : TestEngine.podman());
  });
  afterAll(async () => {
    await engine.stop();
  });
  beforeEach(async () => {
    bench = new BuildBench(engine);
    await bench.start();
    bench.put('motd', 'hello\n');
    bench.put('Dockerfile', `FROM ${BASE}\nCOPY motd /etc/motd\nRUN echo built > /etc/built; echo said\n`);
  });
  afterEach(() => {
    bench.remove();
  });

  it('FROM finds the image of the store, and only new layers come back', async () => {
    const built = await bench.build();
    expect(bench.output).toMatch(/^pc-x86-64-tiny is the image of the store \([0-9a-f]{12}\)\.\n/);
    expect(bench.output).toContain('\nsaid\n');
    expect(built).toMatchObject({ changed: true, rebooted: [], image: { name: 'made', layers: 3 } });
    expect(built.movedBytes).toBeLessThan(20_000);
    const base = bench.store.named(BASE).layers[0];
    expect(bench.store.named('made').layers[0]).toEqual(base);
    expect(bench.store.named('made').labels).toMatchObject({ 'walt.node.models': 'pc-x86-64', kept: 'yes' });
    expect(await bench.file('made', 'etc/motd')).toBe('hello\n');
    expect(await bench.file('made', 'etc/built')).toBe('built\n');
    const left = await bench.left();
    // They are not listed beside the store's own.
    const found = await chooseEngine(`unix://${engine.socket}`);
    expect(await listEngineImages(found)).toEqual([]);
    expect(left).toEqual([
      'localhost/bootyard-build/made:latest',
      expect.stringMatching(BASE_NAME) as string,
    ]);
  });

  it.runIf(isThorough)('a second build moves the changed layer alone, and its forerunner goes', async () => {
    await bench.build();
    expect(await bench.build()).toMatchObject({ changed: false, movedBytes: 0 });
    bench.put('Dockerfile', `FROM ${BASE}\nCOPY motd /etc/motd\nRUN echo again > /etc/built\n`);
    bench.nodes = [{ ...node('n1'), image: 'made', state: 'booted' }];
    const built = await bench.build();
    expect(bench.output).toMatch(/Using cache/);
    expect(built).toMatchObject({ changed: true, rebooted: ['n1'] });
    expect(built.movedBytes).toBeLessThan(10_000);
    expect(await bench.file('made', 'etc/built')).toBe('again\n');
    expect((await bench.left()).length).toBe(2);
  });

  it.runIf(isThorough)(
    'an image of the store that has changed is loaded again, without the layers that the engine has',
    async () => {
      await bench.build({ name: 'middle' });
      bench.put(
        'Dockerfile',
        'FROM middle:latest AS first\nFROM first\nCOPY --from=middle /etc/built /etc/copied\n',
      );
      await bench.build();
      expect(await bench.file('made', 'etc/copied')).toBe('built\n');
      bench.put('other/Dockerfile', `FROM ${BASE}\nRUN echo anew > /etc/built\n`);
      await bench.build({ name: 'middle', subDir: 'other' });
      await bench.build();
      expect(await bench.file('made', 'etc/copied')).toBe('anew\n');
      expect(
        (await bench.left()).filter((name) => name.startsWith('localhost/bootyard-store/middle:')).length,
      ).toBe(1);
    },
  );

  it.runIf(isThorough)('takes build arguments, and what .dockerignore leaves in', async () => {
    bench.put('.dockerignore', 'secret\nDockerfile\n');
    bench.put('secret', 'x');
    bench.put('Dockerfile', `ARG B\nFROM $B\nARG WORD=none\nCOPY . /srv/\nRUN echo $WORD > /srv/word\n`);
    await bench.build({ buildArgs: { B: BASE, WORD: 'given' } });
    expect(await bench.file('made', 'srv/word')).toBe('given\n');
    expect(await bench.file('made', 'srv/motd')).toBe('hello\n');
    for (const path of ['srv/secret', 'srv/Dockerfile', 'srv/.bootyard.Dockerfile'])
      expect([path, await bench.file('made', path)]).toEqual([path, 'missing']);
  });

  it.each(FAILURES.slice(0, isThorough ? undefined : 1))(
    'a build that fails says the line, and leaves nothing: %s',
    async (steps, line, said) => {
      bench.put('Dockerfile', `FROM ${BASE}\n\n${steps}\n`);
      const before = await notBase();
      const failure: unknown = await bench.build().catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'build.failed', data: { line }, message: said });
      expect(messageOf(failure)).toMatch(`The build failed at line ${line} of the Dockerfile`);
      expect(await notBase()).toEqual(before);
      expect(bench.store.get('made')).toBeUndefined();
      expect(readdirSync(join(bench.home, 'store/bootyard/downloads'))).toEqual([]);
    },
  );

  it.runIf(isThorough)('a here-document, which it does not know, is said at its line', async () => {
    bench.put('Dockerfile', `FROM ${BASE}\nENV A=1\nRUN <<EOF\necho FROM\nEOF\nCOPY motd /\n`);
    const before = await notBase();
    const said =
      kind === 'docker' ? 'builder of Docker' : 'Unknown instruction: "ECHO". This Podman does not know';
    const message = expect.stringContaining(said) as string;
    await expect(bench.build()).rejects.toMatchObject({ data: { line: 3 }, message });
    expect(await notBase()).toEqual(before);
  });

  it('cancelled, it ends in the engine, and leaves nothing', async () => {
    bench.put('Dockerfile', `FROM ${BASE}\nRUN echo begun && sleep 607\n`);
    const before = await notBase();
    const cancel = new AbortController();
    const onOutput = (output: string): void => {
      if (output.includes('\nbegun')) cancel.abort();
    };
    const begun = Date.now();
    await expect(bench.build({}, { signal: cancel.signal, onOutput })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(Date.now() - begun).toBeLessThan(60_000);
    await until(
      'no step',
      () => running('sleep 607'),
      (found) => !found,
    );
    // The engine hears of it a moment later.
    await until('nothing left', notBase, (now) => now.join() === before.join());
    expect(bench.store.get('made')).toBeUndefined();
  });

  it.runIf(isThorough)('refuses an image for no node, or not for the nodes that use it', async () => {
    bench.put('Dockerfile', `FROM ${BASE}\nLABEL walt.node.models=\n`);
    await expect(bench.build()).rejects.toThrow(
      'Failed. The image that was built does not indicate compatible node models',
    );
    bench.put('Dockerfile', `FROM ${BASE}\nLABEL walt.node.models=qemu-arm-64\n`);
    bench.nodes = [{ ...node('n1'), image: 'made' }];
    await expect(bench.build()).rejects.toThrow('is not compatible with node model pc-x86-64.');
    expect(bench.store.get('made')).toBeUndefined();
  });

  it.runIf(isThorough)('replaces an image, and reboots nodes, with consent only', async () => {
    await bench.build();
    await expect(bench.build({ force: false })).rejects.toMatchObject({ code: 'image.exists' });
    bench.nodes = [{ ...node('n1'), image: 'made', state: 'booted' }];
    await expect(bench.build({ force: false })).rejects.toMatchObject({ code: 'image.wouldReboot' });
  });

  it.runIf(isThorough)('says that the engine ended in the middle, and builds when it is back', async () => {
    bench.put('Dockerfile', `FROM ${BASE}\nRUN echo begun && sleep 600\n`);
    let killed: Promise<void> | undefined;
    const onOutput = (output: string): void => {
      if (output.includes('\nbegun')) killed ??= engine.kill();
    };
    await expect(bench.build({}, { onOutput })).rejects.toMatchObject({
      code: 'build.lost',
      message: /^(Docker|Podman) stopped answering while it built/,
    });
    await killed;
    expect(bench.store.get('made')).toBeUndefined();
    await expect(bench.build()).rejects.toThrow(/^The container engine at /);
    for (const left of ['pid', 'exec']) rmSync(join(engine.folder, left), { recursive: true, force: true });
    await engine.start();
    bench.put('Dockerfile', `FROM ${BASE}\nRUN true\n`);
    expect(await bench.build()).toMatchObject({ changed: true });
  });
});
