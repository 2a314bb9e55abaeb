import { userInfo } from 'node:os';
import { nodeModel } from '../boot/models.ts';
import { BootyardError, messageOf } from '../errors.ts';
import { imageModels, imageName } from '../images/names.ts';
import { parseEngineLink } from '../images/engine/link.ts';
import { RegistryClient } from '../images/registry/client.ts';
import { type CredentialSource, dockerCredentials } from '../images/registry/docker-config.ts';
import { announceOnHub } from '../images/registry/hub.ts';
import { KnownBlobs } from '../images/registry/known-blobs.ts';
import {
  type ClonableLink,
  formatLink,
  isRepository,
  localName,
  parseLink,
} from '../images/registry/link.ts';
import { pullImage } from '../images/registry/pull.ts';
import { pushImage } from '../images/registry/push.ts';
import type { Registry, RegistryList } from '../images/registry/registries.ts';
import { type RemoteImage, remoteImage } from '../images/registry/remote-image.ts';
import { type FoundImage, searchRegistry } from '../images/registry/search.ts';
import type { Params, Progress, Result } from './contract.ts';
import { type Calls, checkOverwrite, type Cloned, type CloneRequest } from './clone-rules.ts';
import { cloneFromEngine } from './engine-images.ts';
import { registries } from './registry-list.ts';

export {
  type Credentials,
  type CredentialSource,
  dockerCredentials,
} from '../images/registry/docker-config.ts';
export type { FoundImage } from '../images/registry/search.ts';
export type { Cloned, CloneRequest } from './clone-rules.ts';

/** The WalT server that Bootyard behaves like; images may ask for a later one (label walt.server.minversion). */
export const SERVER_VERSION = 10;

/**
 * Talks to registries. This happens in the client's process: the lab's own network, where the daemon lives, reaches none,
 * and logins and proxies are those of the user who asks.
 */
export interface RegistryOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** the environment of this process by default: folders, proxies, Docker's configuration */
  env?: NodeJS.ProcessEnv;
  /** Docker's configuration by default */
  credentials?: CredentialSource;
}

async function withClient<T>(
  registry: Registry,
  options: RegistryOptions,
  use: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const env = options.env ?? process.env;
  const client = new RegistryClient(registry, options.credentials ?? dockerCredentials(env), env);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Brings an image of a registry into the store (WalT: image clone), with WalT's rules and sentences. */
export async function cloneImage(
  client: Calls,
  request: CloneRequest,
  options: RegistryOptions = {},
): Promise<Cloned> {
  const inEngine = parseEngineLink(request.link);
  if (inEngine) return cloneFromEngine(client, inEngine, request, options);
  const list = registries(options.env);
  const link = parseLink(
    request.link,
    list.list().map(({ label }) => label),
  );
  const warnings: string[] = [];
  const name = targetName(link, request.name, warnings);
  const registry = await sourceOf(client, link, list);
  const architecture = request.model === undefined ? undefined : nodeModel(request.model).architecture;
  return withClient(registry, options, async (remote) => {
    const choice = { repository: link.repository, reference: link.tag, signal: options.signal };
    const image = await remoteImage(remote, { ...choice, ...(architecture ? { architecture } : {}) });
    if (!image) throw noSuchImage();
    const models = imageModels(image.labels);
    if (models.length === 0) {
      throw new BootyardError(
        'image.noModels',
        'Failed. This remote image does not indicate compatible node models.',
      );
    }
    const users = await checkOverwrite(client, name, models, request);
    const fetched = await fetchImage(
      client,
      remote,
      image,
      { name, force: request.force, origin: formatLink(link), recipe: request.recipe },
      options,
    );
    if (users.length > 0) await client.call('node.reboot', { nodes: users });
    return { image: fetched, warnings: [...warnings, ...fetched.warnings], rebooted: users };
  });
}

function targetName(link: ClonableLink, given: string | undefined, warnings: string[]): string {
  if (given !== undefined) return imageName(given);
  const { name, isChanged } = localName(link);
  if (isChanged) {
    warnings.push(`Image will be recorded as "${name}" since original name is not valid in WALT.`);
  }
  return imageName(name);
}

/** The registry of a link; links to this lab's own images are answered with a sentence. */
async function sourceOf(client: Calls, link: ClonableLink, list: RegistryList): Promise<Registry> {
  if (link.location !== 'walt') return list.get(link.location);
  const name = imageName(`${link.repository}:${link.tag}`);
  const all = await client.call('image.list', {});
  if (!all.some((image) => image.name === name)) throw noSuchImage();
  const [user = ''] = link.repository.split('/');
  throw new BootyardError(
    'image.badLink',
    `Invalid clonable image link.\nImages of the form 'walt:${user}/<image_name>' already belong to\nyour working set and thus are not clonable.`,
  );
}

function noSuchImage(): BootyardError {
  return new BootyardError('image.noRemote', 'No such remote image. Use bootyard image search <keyword>.');
}

/** Fetches what the store lacks and imports it; what went from the store meanwhile is fetched in a second round. */
async function fetchImage(
  client: Calls,
  remote: RegistryClient,
  image: RemoteImage,
  target: Pick<Params<'image.import'>, 'name' | 'force' | 'origin' | 'recipe'>,
  options: RegistryOptions,
): Promise<Result<'image.import'>> {
  const { signal, onProgress } = options;
  const round = async (): Promise<Result<'image.import'>> => {
    const layers = image.layers.map(({ tar }) => tar.slice('sha256:'.length));
    const { there, folders } = await client.call('image.transfer', { layers });
    const known = new Set(there.map((hex) => `sha256:${hex}`));
    const imported = await pullImage(
      remote,
      image,
      known,
      folders.downloads,
      { ...(signal ? { signal } : {}), ...(onProgress ? { progress: onProgress } : {}) },
      (path) => client.call('image.import', { ...target, path }, { signal, onProgress }),
    );
    const blobs = new KnownBlobs(folders.compressed);
    const place = remote.place(image.repository);
    for (const { tar, blob } of image.layers) blobs.put(tar.slice('sha256:'.length), blob, place);
    return imported;
  };
  try {
    return await round();
  } catch (error) {
    if (!(error instanceof BootyardError) || error.code !== 'image.layerGone') throw error;
    return round();
  }
}

/** Throws `registry.denied` when the registry does not take the login of `options.credentials`. */
export function checkLogin(registry: Registry, options: RegistryOptions = {}): Promise<void> {
  return withClient(registry, options, (client) => client.ping(options.signal));
}

export interface PublishRequest {
  image: string;
  /** label; `auto`: the only one beside Docker Hub */
  registry: string;
  /** `<user>/<name>[:<tag>]` in the registry; by default the user that logs in there and the image's own name */
  as?: string;
}
export interface Published {
  link: string;
  digest: string;
}

/** Sends an image of the store to a registry (WalT: image publish). */
export async function publishImage(
  client: Calls,
  request: PublishRequest,
  options: RegistryOptions = {},
): Promise<Published> {
  const registry = chosenRegistry(registries(options.env), request.registry);
  const { signal, onProgress } = options;
  const { folders, content } = await client.call('image.transfer', { image: request.image });
  if (!content) throw new BootyardError('image.unknown', `Error: No such image '${request.image}'.`);
  return withClient(registry, options, async (remote) => {
    const { repository, tag } = await placeFor(remote, content.name, request.as, signal);
    const to = { client: remote, repository, tag };
    const control = { ...(signal ? { signal } : {}), ...(onProgress ? { progress: onProgress } : {}) };
    const digest = await pushImage(to, content, folders, control);
    if (registry.searchUrl !== undefined) await announceOnHub(to, content.labels, signal);
    return { digest, link: formatLink({ location: registry.label, repository, tag }) };
  });
}

function chosenRegistry(list: RegistryList, label: string): Registry {
  if (label !== 'auto') return list.get(label);
  const all = list.list();
  const own = all.filter((registry) => registry.searchUrl === undefined);
  const [only] = own;
  if (only && own.length === 1) return only;
  throw new BootyardError(
    'registry.which',
    `Name the registry with --registry: ${all.map((registry) => registry.label).join(', ')}.`,
  );
}

async function placeFor(
  client: RegistryClient,
  image: string,
  as: string | undefined,
  signal?: AbortSignal,
): Promise<{ repository: string; tag: string }> {
  const { label } = client.registry;
  if (as !== undefined) return parseLink(`${label}:${as}`, [label]);
  const user = (await client.userName(signal)) ?? userInfo().username;
  const [path = '', tag = 'latest'] = image.split(':');
  const repository = path.includes('/') ? path : `${user.toLowerCase()}/${path}`;
  if (isRepository(repository)) return { repository, tag };
  throw new BootyardError(
    'registry.name',
    `'${repository}' cannot be the name of a repository: choose one with --as <user>/<name>[:<tag>].`,
  );
}

/** Images of all registries that match; a registry that cannot be searched is named by `warn`. */
export async function searchImages(
  keyword: string,
  options: RegistryOptions & { warn: (sentence: string) => void },
): Promise<FoundImage[]> {
  const { signal, warn } = options;
  const all = registries(options.env).list();
  let failed = 0;
  const found = await Promise.all(
    all.map(async (registry) => {
      try {
        return await withClient(registry, options, (client) =>
          searchRegistry(client, { keyword, warn, ...(signal ? { signal } : {}) }),
        );
      } catch (error) {
        signal?.throwIfAborted();
        failed++;
        warn(messageOf(error));
        return [];
      }
    }),
  );
  if (failed === all.length) {
    throw new BootyardError('registry.search', 'No registry could be searched.');
  }
  return found.flat();
}
