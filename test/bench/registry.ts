import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiClient } from '../../backend/api/client.ts';
import { cloneImage, publishImage } from '../../backend/api/registries.ts';
import { registries } from '../../backend/api/registry-list.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { DockerRegistry, skopeo } from '../support/registry.ts';
import { makeTar, median } from './import.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = 3;
const LABELS = { 'walt.node.models': 'pc-x86-64' };

/**
 * An image of 417 MB to and from Debian's docker-registry on this host. From there until it could be booted, against `skopeo
 * copy` and `umoci unpack`; the two are given the same compressed layer.
 */
export async function bench(): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), 'bootyard-bench-'));
  try {
    return await measure(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

type Times = Record<'pull' | 'theirPull' | 'push' | 'theirPush', number[]>;

async function measure(home: string): Promise<BenchRow[]> {
  const env = { ...process.env, BOOTYARD_HOME: join(home, 'lab') };
  const tar = join(home, 'root.tar');
  makeTar(tar, Number(process.env.BOOTYARD_BENCH_FILES ?? 13_500));
  const times: Times = { pull: [], theirPull: [], push: [], theirPush: [] };
  for (let at = 0; at < ROUNDS; at++) {
    // skopeo remembers which blobs a registry has, by its address: each round has another one.
    const registry = await DockerRegistry.start({ port: 5000 + at });
    try {
      registries(env).add({ label: 'own', url: `http://${registry.host}` }, true);
      await round(home, tar, env, `docker://${registry.host}/theirs/bench`, times);
    } finally {
      await registry.stop();
    }
  }
  return rowsOf(times);
}

async function round(
  home: string,
  tar: string,
  env: NodeJS.ProcessEnv,
  theirs: string,
  times: Times,
): Promise<void> {
  settle(home);
  const source = new ImageStore(join(home, 'source'));
  await source.import({ path: tar, name: 'bench', labels: LABELS });
  const request = { image: 'bench', registry: 'own', as: 'ours/bench' };
  times.push.push(await timed(() => publishImage(callsOf(source), request, { env })));
  const layout = `oci:${join(home, 'source')}:bench`;
  times.theirPush.push(await timed(() => skopeo('copy', '--dest-tls-verify=false', layout, theirs)));
  settle(home);
  const store = new ImageStore(join(home, 'store'));
  const pull = async (): Promise<void> => {
    const link = 'own:theirs/bench';
    const { image } = await cloneImage(callsOf(store), { link, name: 'bench', force: false }, { env });
    (await store.tree(image.id)).close();
  };
  times.pull.push(await timed(pull));
  times.theirPull.push(await timed(() => unpackWithUmoci(home, theirs)));
}

function unpackWithUmoci(home: string, source: string): void {
  const layout = join(home, 'out/layout');
  skopeo('copy', '--src-tls-verify=false', source, `oci:${layout}:bench`);
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  execFileSync('umoci', ['unpack', ...rootless, '--image', `${layout}:bench`, join(home, 'out/root')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** The calls of a daemon that a transfer makes. */
export function callsOf(store: ImageStore): Pick<ApiClient, 'call'> {
  const answers: Record<string, (params: never) => unknown> = {
    'image.list': () => [],
    'image.transfer': ({ layers = [], image }: { layers?: string[]; image?: string }) =>
      store.transfer({ layers, ...(image === undefined ? {} : { image }) }),
    'image.import': async (params: { path: string; name: string }) => ({
      ...(await store.import(params)),
      warnings: [],
    }),
  };
  return {
    call: (async (method: string, params: never) => await answers[method]?.(params)) as ApiClient['call'],
  };
}

export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function settle(home: string): void {
  for (const folder of ['source', 'store', 'out'])
    rmSync(join(home, folder), { recursive: true, force: true });
  mkdirSync(join(home, 'out'));
  execFileSync('sync', ['-f', home]);
}

function rowsOf(times: Times): BenchRow[] {
  const row = (name: string, list: number[], peers: number[], peerName: string): BenchRow => {
    const ours = median(list);
    const peer = median(peers);
    return { name, unit: 'ms', ours, peer, peerName, ratio: peer / ours, target: 1, met: peer >= ours };
  };
  return [
    row('pull from a registry', times.pull, times.theirPull, 'skopeo copy + umoci unpack'),
    row('push to a registry', times.push, times.theirPush, 'skopeo copy'),
  ];
}
