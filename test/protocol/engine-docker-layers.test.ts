import { randomBytes } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { loadStoreImage } from '../../backend/images/build/base-image.ts';
import { chooseEngine, type Engine } from '../../backend/images/engine/connect.ts';
import { fetchFromEngine } from '../../backend/images/engine/fetch.ts';
import { engineImage, listEngineImages } from '../../backend/images/engine/images.ts';
import { transferTag } from '../../backend/images/engine/loopback.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { file, folder } from '../unit/images/support.ts';
import { CountingSocket } from '../support/counting-socket.ts';
import { build, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { DockerRegistry } from '../support/registry.ts';
import { noise } from '../support/registry-lab.ts';

const LARGE = 6_000_000;
/** what talk and a configuration take */
const SMALL = 100_000;

let test: TestEngine;
let engine: Engine;
let counted: CountingSocket;
let home: string;
let store: ImageStore;
beforeAll(async () => {
  test = await TestEngine.docker();
  counted = await CountingSocket.to(test.socket);
  engine = await chooseEngine(`unix://${counted.path}`);
}, 60_000);
afterAll(async () => {
  counted.close();
  await test.stop();
});
beforeEach(() => {
  home = mkdtempSync('/tmp/bootyard-layers-');
  store = new ImageStore(home);
});
afterEach(() => {
  rmSync(home, { recursive: true });
  docker('system', 'prune', '--all', '--force');
});

const docker = (...args: string[]): string =>
  execFileSync('docker', args, { env: { ...process.env, ...test.env }, encoding: 'utf8' }).trim();
/** Of random bytes in `path`, so that no layer of another test is the same. */
const root = (path: string, size = LARGE) => [
  folder('etc'),
  file('etc/name', randomBytes(8).toString('hex')),
  file(path, noise(size)),
];

/** Docker's order of what was made in the same second changes. */
const allNames = (): string[] =>
  docker('images', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}}')
    .split('\n')
    .toSorted();

/** Brings an image into the store; answers the bytes that the engine sent for it. */
async function fetched(name: string, signal?: AbortSignal): Promise<number> {
  const image = await engineImage(engine, name);
  if (!image) throw new Error(`no image ${name}`);
  const { there, folders } = store.transfer({ layers: image.layers });
  const known = { layers: new Set(there), ...folders };
  const before = counted.received;
  let pushed = 0;
  const names = allNames();
  try {
    await fetchFromEngine(engine, image, known, signal ? { signal } : {}, async (path) => {
      const blobs = join(path, 'blobs/sha256');
      pushed = readdirSync(blobs).reduce((sum, blob) => sum + statSync(join(blobs, blob)).size, 0);
      const record = await store.import({ path, name: name.replace(/^.*\//, ''), force: true });
      expect(record.id).toBe(image.id);
      expect(record.layers.map(({ digest }) => digest)).toEqual(image.layers);
    });
  } finally {
    expect(readdirSync(folders.downloads)).toEqual([]);
    expect(allNames()).toEqual(names);
  }
  return counted.received - before + pushed;
}

it('a base of the store goes to Docker once, and of what is built on it only new layers come back', async () => {
  await build(engine, 'first', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large'));
  await fetched('first');
  docker('rmi', 'first');
  const control = { signal: new AbortController().signal, progress: () => undefined };
  const offered = async (): Promise<string> => {
    const { content, folders } = store.transfer({ layers: [], image: 'first' });
    if (!content) throw new Error('no image');
    return await loadStoreImage(engine, { ...content, ...folders }, control);
  };
  const base = await offered();
  expect(await offered()).toBe(base);
  expect(docker('images', '--format', '{{.Repository}}:{{.Tag}}')).toBe(base);
  for (const version of ['one', 'two']) {
    await build(engine, 'box', `FROM ${base}\nCOPY Dockerfile /${version}`);
    expect(await fetched('box')).toBeLessThan(SMALL);
    const tree = await store.tree(store.named('box').id);
    expect([tree.lookupPath('large'), tree.lookupPath(version)]).not.toContain(0);
    tree.close();
  }
  expect((await listEngineImages(engine)).map(({ names }) => names)).toEqual([['box']]);
});

it('a base that Docker pulled from a registry is not sent again, whoever brought it here', async () => {
  const registry = await DockerRegistry.start({ port: 5070 });
  try {
    const base = `${registry.host}/lab/pulled`;
    await build(engine, base, `FROM scratch\nADD root.tar /\n${MODELS}`, root('large'));
    docker('push', '-q', base);
    docker('rmi', base);
    docker('pull', '-q', base);
    expect(await fetched(base)).toBeGreaterThan(LARGE);
    await build(engine, 'box', `FROM ${base}\nCOPY Dockerfile /one`);
    expect(await fetched('box')).toBeLessThan(SMALL);
    // Remembered, also by another process.
    store = new ImageStore(home);
    const [layer = ''] = store.named('box').layers.map(({ digest }) => digest);
    expect(statSync(join(home, 'bootyard/compressed', layer)).size).toBeGreaterThan(0);
    // What the user has pushed elsewhere, Docker asks for too, and it is not here.
    const mine = `${registry.host}/lab/mine`;
    await build(engine, mine, `FROM box\nCOPY Dockerfile /two`);
    docker('push', '-q', mine);
    expect(await fetched(mine)).toBeLessThan(SMALL);
    rmSync(join(home, 'bootyard/compressed', layer));
    await build(engine, mine, `FROM box\nCOPY Dockerfile /three`);
    docker('push', '-q', mine);
    expect(await fetched(mine)).toBeLessThan(SMALL);
    // Gone from here, nothing is taken for known.
    for (const { name } of store.list()) await store.remove(name);
    expect(readdirSync(join(home, 'bootyard/compressed'))).toEqual([]);
    expect(await fetched('box')).toBeGreaterThan(LARGE);
  } finally {
    await registry.stop();
  }
});

it('what Docker cannot ask for is compressed once if it is worth it, and saved if not', async () => {
  await build(engine, 'box', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large'));
  await fetched('box');
  await build(engine, 'on-box', 'FROM box\nCOPY Dockerfile /one');
  expect(await fetched('on-box')).toBeGreaterThan(LARGE);
  const { content, folders } = store.transfer({ layers: [], image: 'box' });
  if (!content) throw new Error('no image');
  docker('rmi', '-f', 'on-box', 'box');
  const control = { signal: new AbortController().signal, progress: () => undefined };
  const base = await loadStoreImage(engine, { ...content, ...folders }, control);
  const heavy = root('heavy', LARGE / 2);
  await build(engine, 'box', `FROM ${base}\nADD root.tar /\n`, heavy);
  expect(await fetched('box')).toBeGreaterThan(LARGE);
  await build(engine, 'box', `FROM ${base}\nADD root.tar /\nCOPY Dockerfile /one`, heavy);
  const once = await fetched('box');
  expect(once).toBeGreaterThan(LARGE / 5);
  expect(once).toBeLessThan(LARGE);
  await build(engine, 'box', `FROM ${base}\nADD root.tar /\nCOPY Dockerfile /two`, heavy);
  expect(await fetched('box')).toBeLessThan(SMALL);
});

it('an image without a name stays in the engine', async () => {
  await build(engine, 'box', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large', 1000));
  await fetched('box');
  const id = docker('inspect', '--format', '{{.Id}}', 'box').replace('sha256:', '');
  await build(engine, 'box', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large', 1000));
  await fetched(id.slice(0, 12));
  expect(docker('inspect', '--format', '{{.Id}}', id)).toBe(`sha256:${id}`);
});

it('cancelled, a push leaves nothing', async () => {
  await build(engine, 'box', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large'));
  await fetched('box');
  await build(engine, 'box', 'FROM box\nADD root.tar /', root('more', LARGE / 10));
  const cancel = new AbortController();
  const { downloads } = store.transfer({ layers: [] }).folders;
  const timer = setInterval(() => {
    const [layout] = readdirSync(downloads);
    const uploads = layout === undefined ? [] : readdirSync(join(downloads, layout));
    if (uploads.includes('uploads') && readdirSync(join(downloads, layout ?? '', 'uploads')).length > 0)
      cancel.abort();
  }, 1);
  const id = store.named('box').id;
  await expect(fetched('box', cancel.signal)).rejects.toMatchObject({ name: 'AbortError' });
  clearInterval(timer);
  expect(cancel.signal.aborted).toBe(true);
  expect(store.named('box').id).toBe(id);
});

it('the name that a transfer gave an image goes with the next one, once its process is gone', async () => {
  await build(engine, 'box', `FROM scratch\nADD root.tar /\n${MODELS}`, root('large'));
  await fetched('box');
  await build(engine, 'box', 'FROM box\nCOPY Dockerfile /one');
  const { folders } = store.transfer({ layers: [] });
  const own = `127.0.0.1:25357/bootyard/transfer:${transferTag(folders.blobs)}`;
  const left = own.replace(`-${process.pid}-`, `-${spawnSync('true').pid}-`);
  const others = `127.0.0.1:25357/bootyard/transfer:${transferTag('/elsewhere')}`;
  for (const name of [own, others, left]) docker('tag', 'box', name);
  const names = (): string[] => docker('images', '--format', '{{.Repository}}:{{.Tag}}').split('\n');
  const image = await engineImage(engine, 'box');
  const known = { layers: new Set(store.transfer({ layers: image?.layers ?? [] }).there), ...folders };
  if (image) await fetchFromEngine(engine, image, known, {}, () => Promise.resolve());
  expect(names()).toEqual(expect.arrayContaining([own, others, 'box:latest']));
  expect(names()).not.toContain(left);
  docker('rmi', 'box');
  expect((await engineImage(engine, image?.id ?? ''))?.isNamed).toBe(false);
});
