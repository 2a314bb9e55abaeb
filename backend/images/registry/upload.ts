import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import { type Descriptor, MediaType } from '../oci.ts';
import { readAll } from './body.ts';
import type { RegistryClient } from './client.ts';

export interface Destination {
  client: RegistryClient;
  repository: string;
  tag: string;
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 300;
const PASSING = new Set(['registry.cut', 'registry.unreachable', 'registry.busy']);
const MAX_ANSWER = 1 << 20;

/** Sends a file as blob in one piece (distribution-spec 1.1, "POST then PUT"), again when the connection breaks off. */
export async function uploadBlob(
  to: Destination,
  file: string,
  blob: Descriptor,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<void> {
  const body = (): Readable => {
    let sent = 0;
    const stream = createReadStream(file, { highWaterMark: 1 << 18 });
    return Readable.from(
      counted(stream, (count) => onBytes((sent += count))),
      { objectMode: false },
    );
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await put(to, blob, body, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const isPassing = error instanceof BootyardError && PASSING.has(error.code);
      if (!isPassing || attempt >= ATTEMPTS) throw error;
      await delay(FIRST_PAUSE_MS * 2 ** attempt, undefined, { signal });
    }
  }
}

/** Sends a small blob unless it is there. */
export async function uploadBytes(
  to: Destination,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<{ digest: string; size: number }> {
  const blob = { digest: digestOf(bytes), size: bytes.length };
  if (!(await to.client.hasBlob(to.repository, blob.digest, signal)))
    await put(to, blob, () => bytes, signal);
  return blob;
}

async function put(
  { client, repository }: Destination,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  body: () => Readable | Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const access = 'pull,push';
  const opened = await client.call('POST', repository, 'blobs/uploads/', { access, signal });
  await opened.body.dump();
  const location = opened.headers.location;
  const url = typeof location === 'string' ? URL.parse(location, client.registry.url) : null;
  if (
    !url ||
    (url.protocol !== 'https:' && client.registry.url.startsWith('https:') && !client.registry.insecure)
  ) {
    throw badUpload(client);
  }
  url.searchParams.set('digest', digest);
  const response = await client.request('PUT', url, client.scope(repository, access), {
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body,
    signal,
  });
  await response.body.dump();
  checkDigest(client, response.headers['docker-content-digest'], digest);
}

/** Gives the manifest its tag; answers its digest. */
export async function putManifest(
  { client, repository, tag }: Destination,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<string> {
  const response = await client.call('PUT', repository, `manifests/${tag}`, {
    access: 'pull,push',
    headers: { 'content-type': MediaType.manifest },
    body: () => bytes,
    signal,
  });
  await readAll(response, MAX_ANSWER, client.registry.label);
  const digest = digestOf(bytes);
  checkDigest(client, response.headers['docker-content-digest'], digest);
  return digest;
}

function checkDigest(client: RegistryClient, stated: string | string[] | undefined, digest: string): void {
  if (typeof stated !== 'string' || !stated.startsWith('sha256:') || stated === digest) return;
  throw new BootyardError(
    'registry.badAnswer',
    `The registry '${client.registry.label}' has stored something else than it was sent: publish the image again.`,
  );
}

function badUpload({ registry }: RegistryClient): BootyardError {
  return new BootyardError(
    'registry.badAnswer',
    `The registry '${registry.label}' names no place to send a layer to: is it read-only?`,
  );
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function* counted(
  stream: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    count(chunk.length);
    yield chunk;
  }
}
