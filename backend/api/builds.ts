import { createHash } from 'node:crypto';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BootyardError } from '../errors.ts';
import { loadStoreImage } from '../images/build/base-image.ts';
import { type Source, sourceIn } from '../images/build/context.ts';
import {
  type Dockerfile,
  imagesOf,
  type NodeStep,
  nodeSteps,
  parseDockerfile,
  partOf,
  refuseHereDocuments,
  withImages,
} from '../images/build/dockerfile.ts';
import { buildInEngine, shortened } from '../images/build/engine-build.ts';
import { fetchRepository, parseGitUrl } from '../images/build/git.ts';
import { chooseEngine, type Engine } from '../images/engine/connect.ts';
import { fetchFromEngine } from '../images/engine/fetch.ts';
import { engineImage } from '../images/engine/images.ts';
import { imageModels, imageName } from '../images/names.ts';
import type { Recipe } from '../images/oci.ts';
import {
  giveBack,
  lendNode,
  runOnNode,
  sweepEngine,
  sweepSteps,
  type Undo,
  undoAll,
} from './build-on-node.ts';
import type { ApiClient } from './client.ts';
import type { Progress, Result } from './contract.ts';
import { recipeOf } from './lab-file/recipe.ts';

export type { NodeStep };

/** What to build an image of. */
export interface BuildRequest {
  name: string;
  /** a folder of this host, or `<url>[#<branch>]` of a git repository */
  from: { folder: string } | { url: string };
  /** of the source; where the build takes place */
  subDir?: string | undefined;
  /** the Dockerfile, relative to the folder where the build takes place */
  file?: string | undefined;
  buildArgs?: Record<string, string> | undefined;
  /** network of the steps, as the engine calls it; its default if absent */
  network?: string | undefined;
  /** on which steps `RUN --on-node` run; `chooseNode` is asked if absent */
  node?: string | undefined;
  /** replaces an image of the name, and reboots nodes that run on it */
  force: boolean;
}
export interface BuildOptions {
  signal: AbortSignal;
  /** what the builder prints */
  onOutput: (text: string) => void;
  onProgress: (progress: Progress) => void;
  /** on which node steps shall run; a temporary one if undefined */
  chooseNode?: (steps: readonly NodeStep[]) => Promise<string | undefined>;
  /** name or address of the engine; the first that answers if absent */
  engine?: string | undefined;
  env?: NodeJS.ProcessEnv;
}
export type Built = Result<'image.replace'> & {
  /** bytes of the layers that the store did not have */
  movedBytes: number;
};
type Calls = Pick<ApiClient, 'call' | 'stream'>;

/** Images that a build leaves in the engine are called so; the next build goes on from their layers. */
const PLACE = 'localhost/bootyard-build';

/**
 * Builds an image with Docker or Podman and brings it into the store. This happens in the client's process: engines,
 * repositories and registries are those of the user, which the lab's own network does not reach. When it fails or is
 * cancelled, the store, the engine and nodes are as before.
 */
export async function buildImage(
  client: Calls,
  request: BuildRequest,
  options: BuildOptions,
): Promise<Built> {
  const name = imageName(request.name);
  await checkReplaced(client, name, request.force);
  const engine = await chooseEngine(options.engine, options.env);
  return await withSource(request, options, (source) =>
    new Build(client, engine, { ...request, name }, options).run(source),
  );
}

/** Nodes that a build of this name reboots. Throws `image.exists` and `image.wouldReboot` without `force`. */
export async function checkReplaced(client: Calls, name: string, force: boolean): Promise<string[]> {
  const there = (await client.call('image.list', {})).some((image) => image.name === name);
  if (!there) return [];
  const nodes = await client.call('node.list', {});
  const running = nodes.filter(({ image, state }) => image === name && state !== 'off');
  const names = running.map((node) => node.name);
  if (force) return names;
  if (names.length > 0) {
    throw new BootyardError(
      'image.wouldReboot',
      `This operation would reboot ${names.length} node(s) currently using the image.`,
      { nodes: names },
    );
  }
  throw new BootyardError('image.exists', `Error: Image '${name}' already exists.`, { image: name });
}

/** The source of a build, which is fetched if it is not on this host. */
async function withSource<T>(
  { from, subDir, file }: BuildRequest,
  { signal, onOutput }: BuildOptions,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const place = { ...(subDir === undefined ? {} : { subDir }), file };
  if ('folder' in from) return await use(await sourceIn(from.folder, place));
  const repository = parseGitUrl(from.url);
  const folder = await mkdtemp(join(tmpdir(), 'bootyard-build-'));
  try {
    onOutput(`Fetching ${repository.url} (${repository.reference})\n`);
    await fetchRepository(repository, folder, { signal, onOutput });
    const source = await sourceIn(folder, { ...place, isForeign: true }).catch((error: unknown) => {
      if (!(error instanceof BootyardError)) throw error;
      throw new BootyardError(error.code, error.message.replaceAll(folder, repository.url), error.data);
    });
    return await use(source);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One build, from the Dockerfile to the image in the store. */
class Build {
  readonly #client: Calls;
  readonly #engine: Engine;
  readonly #request: BuildRequest;
  readonly #options: BuildOptions;

  constructor(client: Calls, engine: Engine, request: BuildRequest, options: BuildOptions) {
    this.#client = client;
    this.#engine = engine;
    this.#request = request;
    this.#options = options;
  }

  async run(source: Source): Promise<Built> {
    const { buildArgs } = this.#request;
    const text = await readFile(source.dockerfile, 'utf8');
    const dockerfile = parseDockerfile(text, buildArgs);
    const steps = nodeSteps(dockerfile);
    if (this.#engine.kind === 'docker') refuseHereDocuments(dockerfile);
    await sweepSteps(this.#client, this.#options.onOutput);
    await sweepEngine(this.#engine);
    const node = steps.length === 0 ? undefined : await this.#placeOf(steps);
    const references = await this.#loadImages(dockerfile);
    const sent = parseDockerfile(withImages(dockerfile, references), buildArgs);
    // Before the build: what changes meanwhile is not in the image.
    const recipe = await this.#recipe();
    const id = await this.#parts(source, sent, steps, node);
    await this.#checkModels(id);
    const { name, force, from } = this.#request;
    // A repository's folder is gone after the build.
    const builtFrom =
      'folder' in from ? { folder: source.folder, dockerfile: await realpath(source.dockerfile) } : undefined;
    return await this.#intoStore(id, (path, control) =>
      this.#client.call('image.replace', { path, name, builtFrom, recipe, force }, control),
    );
  }

  async #recipe(): Promise<Recipe | undefined> {
    const { from, subDir: dir, file, buildArgs: args = {}, network, node } = this.#request;
    const options = Object.entries({ dir, file, network, node }).filter(([, value]) => value !== undefined);
    const images = await this.#client.call('image.list', {});
    const { signal } = this.#options;
    return (await recipeOf({ kind: 'build', from, args, ...Object.fromEntries(options) }, images, { signal }))
      ?.recipe;
  }

  /** Puts the store's images that it starts from into the engine; answers what they are called there. */
  async #loadImages(dockerfile: Dockerfile): Promise<Map<string, string>> {
    const there = new Map((await this.#client.call('image.list', {})).map((image) => [image.name, image]));
    const references = new Map<string, string>();
    for (const wanted of imagesOf(dockerfile)) {
      const image = there.get(wanted.replace(/:latest$/, ''));
      if (!image) continue;
      this.#options.onOutput(`${wanted} is the image of the store (${image.id.slice(0, 12)}).\n`);
      references.set(wanted, await this.#load(image.name));
    }
    return references;
  }

  async #load(name: string): Promise<string> {
    const { content, folders } = await this.#client.call('image.transfer', { image: name });
    if (!content) throw new BootyardError('image.unknown', `Error: No such image '${name}'.`);
    const id = createHash('sha256').update(content.config).digest('hex');
    const { signal, onProgress: progress } = this.#options;
    return await loadStoreImage(this.#engine, { ...content, id, ...folders }, { signal, progress });
  }

  async #placeOf(steps: readonly NodeStep[]): Promise<string | undefined> {
    return this.#request.node ?? (await this.#options.chooseNode?.(steps));
  }

  /** Builds up to the first step on a node, runs that, goes on from what it left, and so on. */
  async #parts(
    source: Source,
    dockerfile: Dockerfile,
    steps: readonly NodeStep[],
    node: string | undefined,
  ): Promise<string> {
    const { buildArgs = {}, network, name } = this.#request;
    const { signal, onOutput } = this.#options;
    const tag = `${PLACE}/${name.replace(':', '_')}`;
    const undo: Undo[] = [];
    let base: { base?: string } = {};
    let after: NodeStep | undefined;
    const lent = node === undefined ? undefined : await lendNode(this.#client, node);
    if (lent) undo.push(() => giveBack(this.#client, lent));
    try {
      for (const [at, until] of [...steps, undefined].entries()) {
        const part = {
          folder: source.folder,
          dockerfile: partOf(dockerfile, { after, until, ...base }),
          buildArgs,
          network,
          signal,
          onOutput,
          tag: until === undefined ? `${tag}:latest` : `${tag}:step-${at + 1}`,
        };
        const id = await buildInEngine(this.#engine, part);
        if (until === undefined) return id;
        onOutput(`RUN --on-node ${shortened(until.command)} (${node ?? 'a temporary node'})\n`);
        const left = await runOnNode({ client: this.#client, node: lent, undo }, until, this.#options, {
          config: await this.#configOf(id),
          intoStore: (image) =>
            this.#intoStore(id, (path, control) =>
              this.#client.call('image.replace', { path, name: image, force: false }, control),
            ),
        });
        const reference = await this.#load(left);
        undo.unshift(() => this.#engine.docker.getImage(reference).remove());
        base = { base: reference };
        after = until;
      }
    } finally {
      await undoAll(undo, onOutput);
    }
    throw new Error('a build has a last part');
  }

  async #configOf(id: string): Promise<{ env: string[]; folder: string }> {
    const { Config: config } = await this.#engine.docker.getImage(id).inspect();
    return { env: config.Env ?? [], folder: config.WorkingDir || '/' };
  }

  /** Refuses what no node could boot, and what nodes that use the image could not. */
  async #checkModels(id: string): Promise<void> {
    const { Config: config } = await this.#engine.docker.getImage(id).inspect();
    const models = imageModels(config.Labels ?? {});
    if (models.length === 0) {
      throw new BootyardError(
        'image.noModels',
        'Failed. The image that was built does not indicate compatible node models: start FROM a node image, or add a line LABEL walt.node.models=pc-x86-64 to the Dockerfile.',
      );
    }
    const { name } = this.#request;
    const users = (await this.#client.call('node.list', {})).filter((node) => node.image === name);
    const unfit = [...new Set(users.map(({ model }) => model))].filter((model) => !models.includes(model));
    if (unfit.length === 0) return;
    const kind = unfit.length === 1 ? 'node model' : 'node models';
    throw new BootyardError(
      'image.incompatible',
      `Sorry, cannot proceed. The image '${name}' is in use, and what was built is not compatible with ${kind} ${unfit.join(', ')}.`,
    );
  }

  /** Fetches what the store lacks of an image of the engine, and gives it to `use` as a layout. */
  async #intoStore(
    id: string,
    use: (
      path: string,
      control: { signal: AbortSignal; onProgress: (progress: Progress) => void },
    ) => Promise<Result<'image.replace'>>,
  ): Promise<Built> {
    const { signal, onProgress } = this.#options;
    const image = await engineImage(this.#engine, id, signal);
    if (!image)
      throw new BootyardError('build.lost', 'The engine has lost the image that it built: build again.');
    const { there, folders } = await this.#client.call('image.transfer', { layers: image.layers });
    const known = { layers: new Set(there), ...folders };
    const control = { signal, progress: onProgress };
    const done = await fetchFromEngine(this.#engine, image, known, control, (layout) =>
      use(layout, { signal, onProgress }),
    );
    const { content } = await this.#client.call('image.transfer', { image: done.image.name });
    const fresh = (content?.layers ?? []).filter(({ digest }) => !known.layers.has(digest));
    return { ...done, movedBytes: fresh.reduce((sum, { size }) => sum + size, 0) };
  }
}
