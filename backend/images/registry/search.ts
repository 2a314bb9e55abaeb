import { messageOf } from '../../errors.ts';
import { imageModels } from '../names.ts';
import type { RegistryClient } from './client.ts';
import { hubImages, hubUsers } from './hub.ts';
import { limited } from './limited.ts';
import { formatLink, isRepository } from './link.ts';
import { remoteImage } from './remote-image.ts';

/** An image that can be cloned. */
export interface FoundImage {
  user: string;
  /** with its tag, unless that is `latest` */
  name: string;
  /** label of the registry */
  location: string;
  models: string[];
  /** of the label walt.server.minversion */
  minVersion: number;
  link: string;
}

export interface Search {
  /** part of `<user>/<name>[:<tag>]`; without one all images are found */
  keyword: string;
  signal?: AbortSignal;
  /** gets a sentence for each part of a registry that cannot be searched */
  warn: (sentence: string) => void;
}

const PARALLEL = 6;

/**
 * Images in one registry that say which node models they are for: on Docker Hub those that WalT users have announced, in
 * others those of the catalogue.
 */
export async function searchRegistry(client: RegistryClient, search: Search): Promise<FoundImage[]> {
  const found: FoundImage[] = [];
  const add = (repository: string, tag: string, labels: Record<string, string>): void => {
    const image = foundImage(client.registry.label, repository, tag, labels);
    if (image) found.push(image);
  };
  await (client.registry.searchUrl === undefined
    ? searchCatalog(client, search, add)
    : searchHub(client, search, add));
  return found.toSorted((a, b) => (a.link < b.link ? -1 : 1));
}

type Add = (repository: string, tag: string, labels: Record<string, string>) => void;

async function searchHub(client: RegistryClient, { keyword, signal, warn }: Search, add: Add): Promise<void> {
  const users = await hubUsers(client, signal);
  await limited(PARALLEL, users, signal, (user, ending) =>
    orWarn(warn, ending, async () => {
      for (const [full, labels] of await hubImages(client, user, ending)) {
        const [repository = '', tag = 'latest'] = full.split(':');
        if (isMatch(repository, tag, keyword)) add(repository, tag, labels);
      }
    }),
  );
}

/** Tags of a repository are asked for only when they could match, labels only when they do. */
async function searchCatalog(client: RegistryClient, search: Search, add: Add): Promise<void> {
  const { keyword, signal, warn } = search;
  const repositories = (await client.catalog(signal)).filter(isClonable);
  await limited(PARALLEL, repositories, signal, (repository, ending) =>
    orWarn(warn, ending, async () => {
      for (const tag of await client.tags(repository, ending)) {
        if (!isMatch(repository, tag, keyword)) continue;
        const image = await remoteImage(client, { repository, reference: tag, signal: ending });
        if (image) add(repository, tag, image.labels);
      }
    }),
  );
}

/** One image that is not as it should be must not hide the others. */
async function orWarn(
  warn: (sentence: string) => void,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    warn(messageOf(error));
  }
}

/** Clonable links have a user and a name. */
function isClonable(repository: string): boolean {
  return repository.split('/').length === 2 && isRepository(repository);
}

function isMatch(repository: string, tag: string, keyword: string): boolean {
  return `${repository}:${tag}`.toLowerCase().includes(keyword.toLowerCase());
}

function foundImage(
  location: string,
  repository: string,
  tag: string,
  labels: Record<string, string>,
): FoundImage | undefined {
  const models = imageModels(labels);
  const [user = '', name = ''] = repository.split('/');
  if (models.length === 0) return undefined;
  return {
    user,
    name: tag === 'latest' ? name : `${name}:${tag}`,
    location,
    models,
    minVersion: Number.parseInt(labels['walt.server.minversion'] ?? '0', 10) || 0,
    link: formatLink({ location, repository, tag }),
  };
}
