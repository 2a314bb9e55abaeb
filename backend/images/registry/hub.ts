import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { MediaType } from '../oci.ts';
import { readAll } from './body.ts';
import type { RegistryClient } from './client.ts';
import { remoteImage } from './remote-image.ts';
import { type Destination, putManifest, uploadBytes } from './upload.ts';

/**
 * Docker Hub has no list of repositories and no labels in its search. WalT publishes beside a user's images an empty one,
 * `<user>/walt_metadata`, whose label `metadata` is the base64 of this document.
 */
const Metadata = z.looseObject({
  'walt.user.images': z.record(z.string(), z.looseObject({ labels: z.record(z.string(), z.string()) })),
});
type Metadata = z.infer<typeof Metadata>;
/** An answer of Hub's `GET /v2/search/repositories/`. */
const SearchPage = z.looseObject({
  results: z.array(z.looseObject({ repo_name: z.string() })),
  next: z.string().nullish(),
});

const REPOSITORY = 'walt_metadata';
const PAGE = 100;
const MAX_PAGES = 50;
const MAX_ANSWER = 4 << 20;
const TAR_END = Buffer.alloc(1024);

/** Users of Docker Hub who have published WalT images. */
export async function hubUsers(client: RegistryClient, signal?: AbortSignal): Promise<string[]> {
  const users = new Set<string>();
  for (let page = 1; page <= MAX_PAGES; page++) {
    const query = `/v2/search/repositories/?query=${REPOSITORY}&page=${page}&page_size=${PAGE}`;
    const url = new URL(query, client.registry.searchUrl);
    const response = await client.transport.send('GET', url, { signal });
    const body = await readAll(response, MAX_ANSWER, client.registry);
    const { results, next } = response.statusCode === 200 ? searchPage(body) : badSearch(response.statusCode);
    for (const { repo_name: name } of results) {
      const [user, repository] = name.split('/');
      if (user && repository === REPOSITORY) users.add(user);
    }
    if (!next) break;
  }
  return [...users];
}

function searchPage(body: Buffer): z.infer<typeof SearchPage> {
  try {
    return SearchPage.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return badSearch(200);
  }
}

function badSearch(status: number): never {
  throw new BootyardError('registry.badAnswer', `Docker Hub does not answer the search (status ${status}).`);
}

/** Images of a user of Docker Hub, `<user>/<name>[:<tag>]`, with their labels; none when nothing was published. */
export async function hubImages(
  client: RegistryClient,
  user: string,
  signal?: AbortSignal,
): Promise<Map<string, Record<string, string>>> {
  const metadata = await userMetadata(client, user, signal);
  return new Map(Object.entries(metadata['walt.user.images']).map(([name, { labels }]) => [name, labels]));
}

async function userMetadata(client: RegistryClient, user: string, signal?: AbortSignal): Promise<Metadata> {
  const repository = `${user}/${REPOSITORY}`;
  const image = await remoteImage(client, { repository, reference: 'latest', signal });
  if (!image) return { 'walt.user.images': {} };
  try {
    return Metadata.parse(JSON.parse(Buffer.from(image.labels.metadata ?? '', 'base64').toString('utf8')));
  } catch {
    throw new BootyardError(
      'registry.badAnswer',
      `What ${repository} says of the images of '${user}' is damaged.`,
    );
  }
}

/** Adds a published image to its user's metadata. */
export async function announceOnHub(
  { client, repository, tag }: Destination,
  labels: Record<string, string>,
  signal?: AbortSignal,
): Promise<void> {
  const [user = ''] = repository.split('/');
  const metadata = await userMetadata(client, user, signal);
  const images = { ...metadata['walt.user.images'], [`${repository}:${tag}`]: { labels } };
  const text = Buffer.from(JSON.stringify({ ...metadata, 'walt.user.images': images })).toString('base64');
  await pushEmpty({ client, repository: `${user}/${REPOSITORY}`, tag: 'latest' }, { metadata: text }, signal);
}

/** An image of one layer with nothing in it, for its labels. */
async function pushEmpty(
  to: Destination,
  labels: Record<string, string>,
  signal?: AbortSignal,
): Promise<void> {
  const tar = createHash('sha256').update(TAR_END).digest('hex');
  const config = {
    created: new Date().toISOString(),
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: labels },
    rootfs: { type: 'layers', diff_ids: [`sha256:${tar}`] },
  };
  const layer = await uploadBytes(to, gzipSync(TAR_END), signal);
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: {
      mediaType: MediaType.config,
      ...(await uploadBytes(to, Buffer.from(JSON.stringify(config)), signal)),
    },
    layers: [{ mediaType: `${MediaType.layer}+gzip`, ...layer }],
  };
  await putManifest(to, Buffer.from(JSON.stringify(manifest)), signal);
}
