import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cloneImage } from '../../backend/api/registries.ts';
import { registries } from '../../backend/api/registry-list.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { DockerRegistry, skopeo } from '../support/registry.ts';
import { importLayers } from '../unit/images/nasty.ts';
import { file, tarOf } from '../unit/images/support.ts';
import { compared, inTurn } from './compare.ts';
import { makeTar } from './import.ts';
import { callsOf, timed } from './registry.ts';
import type { BenchRow } from './row.ts';

const ROUNDS = 3;
const FILES = Number(process.env.BOOTYARD_BENCH_FILES ?? 13_500);
/** Images on one base, each with a layer of its own. */
const IMAGES = 10;
const OWN_BYTES = 1_000_000;
const PODMAN = 'podman pull';
const CONFIG = { config: { Labels: { 'walt.node.models': 'pc-x86-64' } } };

/**
 * The store beside Podman's: the same image from the same registry (Debian's, on this host) and the same archive until it
 * could be booted or run, and the disk that ten images take that share a base.
 */
export async function bench(): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), 'bootyard-bench-'));
  const registry = await DockerRegistry.start({ port: 5000 });
  try {
    const env = { ...process.env, BOOTYARD_HOME: join(home, 'lab') };
    registries(env).add({ label: 'own', url: `http://${registry.host}` }, true);
    const sides = {
      env,
      ours: new OurStore(join(home, 'ours'), env),
      podman: new Podman(join(home, 'podman')),
    };
    await publish(home, registry.host);
    return [
      ...(await pulls(home, registry.host, sides)),
      await archives(home, sides),
      await disk(registry.host, sides),
    ];
  } finally {
    await registry.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

interface Sides {
  ours: OurStore;
  podman: Podman;
}

/** A large image, and ten on a base of a tenth of its size. */
async function publish(home: string, host: string): Promise<void> {
  const source = join(home, 'source');
  const store = new ImageStore(source);
  const images: [name: string, layers: Buffer[]][] = [['large', [rootOf(home, FILES)]]];
  const base = rootOf(home, Math.ceil(FILES / 10));
  const noise = readFileSync(process.execPath);
  for (let at = 0; at < IMAGES; at++) {
    const content = noise.subarray(at * OWN_BYTES, (at + 1) * OWN_BYTES).toString('latin1');
    images.push([`box${at}`, [base, tarOf([file(`own-${at}`, content)])]]);
  }
  for (const [name, layers] of images) {
    await importLayers(store, home, layers, name, CONFIG);
    skopeo('copy', '--dest-tls-verify=false', `oci:${source}:${name}`, `docker://${host}/bench/${name}`);
  }
  skopeo('copy', `oci:${source}:large`, `oci-archive:${join(home, 'large.tar')}:large`);
  rmSync(source, { recursive: true });
}

function rootOf(home: string, files: number): Buffer {
  const folder = join(home, `root-${files}`);
  mkdirSync(folder);
  makeTar(join(folder, 'root.tar'), files);
  return readFileSync(join(folder, 'root.tar'));
}

async function pulls(home: string, host: string, { ours, podman }: Sides): Promise<BenchRow[]> {
  const figures = await inTurn(
    ROUNDS,
    () => fresh(home, ours, () => ours.clone('large')),
    () => fresh(home, podman, () => podman.pull(`docker://${host}/bench/large`)),
  );
  const name = 'pull from a registry, until it could be booted';
  return [compared({ name, unit: 'ms', peerName: PODMAN, target: 1, less: true }, figures)];
}

async function archives(home: string, { ours, podman }: Sides): Promise<BenchRow> {
  const archive = join(home, 'large.tar');
  const figures = await inTurn(
    ROUNDS,
    () => fresh(home, ours, () => ours.import(archive)),
    () => fresh(home, podman, () => podman.pull(`oci-archive:${archive}`)),
  );
  const name = 'import of an OCI archive, until it could be booted';
  return compared({ name, unit: 'ms', peerName: `${PODMAN} oci-archive:`, target: 1, less: true }, figures);
}

async function disk(host: string, { ours, podman }: Sides): Promise<BenchRow> {
  ours.empty();
  podman.empty();
  for (let at = 0; at < IMAGES; at++) {
    await ours.clone(`box${at}`);
    podman.pull(`docker://${host}/bench/box${at}`);
  }
  const figures = { ours: [megabytes(ours.folder)], peer: [megabytes(podman.folder)] };
  const name = `disk of ${IMAGES} images that share a base`;
  return compared({ name, unit: 'MB', peerName: 'Podman’s storage', target: 1, less: true }, figures);
}

/** Milliseconds, from an empty store and a disk at rest. */
async function fresh(home: string, side: { empty(): void }, work: () => unknown): Promise<number> {
  side.empty();
  execFileSync('sync', ['-f', home]);
  return await timed(work);
}

/** What is allocated. */
function megabytes(folder: string): number {
  const [bytes = ''] = execFileSync('du', ['-s', '--block-size=1', folder], { encoding: 'utf8' }).split('\t');
  return Number(bytes) / 1e6;
}

class OurStore {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;
  #store: ImageStore;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.#env = env;
    this.#store = new ImageStore(folder);
  }
  empty(): void {
    rmSync(this.folder, { recursive: true, force: true });
    this.#store = new ImageStore(this.folder);
  }
  async clone(name: string): Promise<void> {
    const request = { link: `own:bench/${name}`, name, force: false };
    const { image } = await cloneImage(callsOf(this.#store), request, { env: this.#env });
    (await this.#store.tree(image.id)).close();
  }
  async import(path: string): Promise<void> {
    const { id } = await this.#store.import({ path, name: 'large' });
    (await this.#store.tree(id)).close();
  }
}

class Podman {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }
  empty(): void {
    // Rootless, its layers belong to other users.
    if (process.getuid?.() !== 0) execFileSync('podman', ['unshare', 'rm', '-rf', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder);
  }
  pull(source: string): void {
    const place = ['--root', join(this.folder, 'root'), '--runroot', join(this.folder, 'run')];
    const options = ['--storage-driver', 'overlay', '--events-backend', 'file'];
    execFileSync('podman', [...place, ...options, 'pull', '--quiet', '--tls-verify=false', source], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}
