import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Dockerode from 'dockerode';
import { type BuildRequest, buildImage, type Built } from '../../backend/api/builds.ts';
import type { ApiClient } from '../../backend/api/client.ts';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import type { TestEngine } from './engines.ts';
import { file, folder, link, tarOf } from '../unit/images/support.ts';

export const BASE = 'pc-x86-64-tiny';

/** A root file system with this machine's busybox, in which an engine can run steps. */
function busyboxRoot(): Buffer {
  const needed = execFileSync('ldd', ['/bin/busybox'], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  const copy = (path: string): TarEntry => ({
    ...file(path.slice(1), '', { mode: 0o755 }),
    content: readFileSync(path),
  });
  const applets = ['sh', 'ls', 'sleep', 'cat', 'mkdir'].map((name) => link(`bin/${name}`, 'busybox'));
  return tarOf([folder('etc'), folder('tmp', 0o1777), copy('/bin/busybox'), ...applets, ...needed.map(copy)]);
}

/** A store with an image of busybox, a folder to build from, and an engine that builds. */
export class BuildBench {
  readonly home = realpathSync(mkdtempSync('/tmp/bootyard-builds-'));
  readonly folder = join(this.home, 'source');
  readonly store = new ImageStore(join(this.home, 'store'));
  readonly rebooted: string[] = [];
  nodes: NodeInfo[] = [];
  engine: TestEngine;
  /** of the latest build */
  output = '';
  readonly #operations = new ImageOperations({
    images: this.store,
    nodes: () => this.nodes,
    reboot: (names) => Promise.resolve(this.rebooted.push(...names)),
  });

  constructor(engine: TestEngine) {
    this.engine = engine;
  }

  async start(): Promise<void> {
    const path = join(this.home, 'base.tar');
    writeFileSync(path, busyboxRoot());
    const labels = { 'walt.node.models': 'pc-x86-64', kept: 'yes' };
    await this.store.import({ path, name: BASE, labels });
  }
  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  put(path: string, content: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), content);
  }

  get docker(): Dockerode {
    return new Dockerode({ socketPath: this.engine.socket });
  }

  async build(
    request: Partial<BuildRequest> = {},
    options: { signal?: AbortSignal; onOutput?: (output: string) => void } = {},
  ): Promise<Built> {
    this.output = '';
    return await buildImage(
      this.#client(),
      { name: 'made', from: { folder: this.folder }, network: 'none', force: true, ...request },
      {
        signal: options.signal ?? new AbortController().signal,
        onOutput: (text) => {
          this.output += text;
          options.onOutput?.(this.output);
        },
        onProgress: () => undefined,
        engine: `unix://${this.engine.socket}`,
      },
    );
  }

  /** Names and containers of an engine, images without a name as `<none>`; those that only lead to others do not count. */
  async left(): Promise<string[]> {
    const { docker } = this;
    const images = await docker.listImages();
    const containers = await docker.listContainers({ all: true });
    const names = images.flatMap(({ RepoTags }) => {
      const tags = (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
      return tags.length > 0 ? tags : ['<none>'];
    });
    return [...names, ...containers.map(({ Id }) => `container ${Id}`)].sort();
  }

  async file(name: string, path: string): Promise<string> {
    const tree = await this.store.tree(this.store.get(name)?.id ?? '');
    try {
      const inode = tree.lookupPath(path);
      return inode === 0 ? 'missing' : tree.readFile(inode).toString();
    } finally {
      tree.close();
    }
  }

  /** The daemon's part, without a daemon. */
  #client(): Pick<ApiClient, 'call' | 'stream'> {
    const info = (name: string): object => {
      const { layers, ...record } = this.store.named(name);
      return { ...record, layers: layers.length, ownBytes: 0, inUse: false, nodes: [] };
    };
    const answers: Record<string, (params: never, control: { signal: AbortSignal }) => unknown> = {
      'image.list': () => this.store.list().map(({ name }) => info(name)),
      'node.list': () => this.nodes,
      'image.transfer': ({ layers = [], image }: { layers?: string[]; image?: string }) =>
        this.store.transfer({ layers, ...(image === undefined ? {} : { image }) }),
      'image.replace': async (params: { path: string; name: string; force: boolean }, { signal }) => {
        const control = { signal, progress: () => undefined };
        const source = { ...params, warn: () => undefined };
        const done = await this.#operations.bringIn(source, params.force, control);
        return { ...done, image: info(done.image.name), warnings: [] };
      },
    };
    const call = (method: string, params: never, control: { signal: AbortSignal }): unknown =>
      Promise.resolve(answers[method]?.(params, control));
    const stream = (): never => {
      throw new Error('not part of this test');
    };
    return { call: call as ApiClient['call'], stream };
  }
}
