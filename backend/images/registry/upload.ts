import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import { type Descriptor, MediaType } from '../oci.ts';
import { readAll } from './body.ts';
import type { CallOptions, RegistryClient } from './client.ts';
import type { Response } from './transport.ts';

export interface Destination {
  client: RegistryClient;
  repository: string;
  tag: string;
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 300;
const PASSING = new Set(['registry.cut', 'registry.unreachable', 'registry.busy']);
const MAX_ANSWER = 1 << 20;
/** bytes of a chunk, where chunks are wanted */
const CHUNK = 8 << 20;

/**
 * Sends a file as blob (distribution-spec 1.1, "Pushing blobs"): in one piece; in chunks where the registry asks for them or
 * finds a piece too large. A connection that breaks off is taken up where the registry says that it is.
 */
export async function uploadBlob(
  to: Destination,
  file: string,
  blob: Descriptor,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<void> {
  const upload = new BlobUpload(to, file, blob, signal, onBytes);
  await retried(signal, () => upload.run());
}

/** Again when the registry cannot be reached, or breaks off. */
async function retried<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      const isPassing = error instanceof BootyardError && PASSING.has(error.code);
      if (!isPassing || attempt >= ATTEMPTS) throw error;
      await delay(FIRST_PAUSE_MS * 2 ** attempt, undefined, { signal });
    }
  }
}

/** One file on its way, through several attempts. */
class BlobUpload {
  readonly #to: Destination;
  readonly #file: string;
  readonly #blob: Descriptor;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (count: number) => void;
  /** where the registry takes the next bytes; undefined: nothing was begun */
  #place: URL | undefined;
  /** bytes that the registry has */
  #there = 0;
  /** bytes of one request; infinite: all that is left */
  #chunk = Number.POSITIVE_INFINITY;

  constructor(
    to: Destination,
    file: string,
    blob: Descriptor,
    signal: AbortSignal | undefined,
    onBytes: (count: number) => void,
  ) {
    this.#to = to;
    this.#file = file;
    this.#blob = blob;
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  async run(): Promise<void> {
    if (this.#place && (await this.#isDone())) return;
    for (;;) {
      this.#place ??= await this.#begin();
      if (this.#there === 0 && this.#chunk >= this.#blob.size) {
        if (await this.#finish(this.#blob.size)) return;
        if (this.#chunk !== Number.POSITIVE_INFINITY || this.#blob.size <= CHUNK) {
          throw refusedSize(this.#to.client);
        }
        // Too large for one request; what the registry has begun is of no use.
        this.#chunk = CHUNK;
        this.#place = undefined;
      } else {
        while (this.#there < this.#blob.size) await this.#sendChunk();
        if (await this.#finish(0)) return;
        throw refusedSize(this.#to.client);
      }
    }
  }

  async #begin(): Promise<URL> {
    const { place, headers } = await beginUpload(this.#to, this.#signal);
    this.#there = 0;
    const least = Number(headers['oci-chunk-min-length']);
    if (least > 0) this.#chunk = Math.max(least, Math.min(this.#chunk, CHUNK));
    return place;
  }

  /** Finds out how much has come; an upload that the registry does not know any more begins anew. */
  async #isDone(): Promise<boolean> {
    const { client, repository } = this.#to;
    const response = await this.#request('GET', { handled: [400, 404, 405, 416] });
    const end = response.statusCode === 204 ? endOf(response) : undefined;
    if (end !== undefined && end <= this.#blob.size) {
      this.#there = end;
      return false;
    }
    this.#place = undefined;
    return client.hasBlob(repository, this.#blob.digest, this.#signal);
  }

  async #sendChunk(): Promise<void> {
    const from = this.#there;
    const count = Math.min(this.#chunk, this.#blob.size - from);
    const response = await this.#request('PATCH', {
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(count),
        'content-range': `${from}-${from + count - 1}`,
      },
      body: () => this.#body(from, count),
    });
    const end = endOf(response) ?? from + count;
    if (end <= from || end > this.#blob.size) throw badUpload(this.#to.client);
    this.#there = end;
  }

  /** Sends the first `count` bytes with the digest; false when the registry finds that too large. */
  async #finish(count: number): Promise<boolean> {
    const { client } = this.#to;
    const response = await this.#request(
      'PUT',
      {
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(count) },
        body: () => this.#body(0, count),
        handled: [413],
      },
      this.#blob.digest,
    );
    if (response.statusCode === 413) return false;
    checkDigest(client, response.headers['docker-content-digest'], this.#blob.digest);
    return true;
  }

  async #request(method: 'GET' | 'PATCH' | 'PUT', options: CallOptions, digest?: string): Promise<Response> {
    const { client, repository } = this.#to;
    const url = new URL(this.#place ?? client.registry.url);
    if (digest !== undefined) url.searchParams.set('digest', digest);
    const scope = client.scope(repository, 'pull,push');
    const response = await client.request(method, url, scope, { ...options, signal: this.#signal });
    await response.body.dump();
    const { location } = response.headers;
    if (response.statusCode < 300 && method !== 'PUT' && typeof location === 'string') {
      this.#place = uploadPlace(client, location, url);
    }
    return response;
  }

  #body(from: number, count: number): Readable | Buffer {
    if (count === 0) return Buffer.alloc(0);
    const stream = createReadStream(this.#file, {
      start: from,
      end: from + count - 1,
      highWaterMark: 1 << 18,
    });
    let sent = from;
    const told = counted(stream, (bytes) => this.#onBytes((sent += bytes)));
    return Readable.from(told, { objectMode: false });
  }
}

/** `Range: 0-<last>`; a registry that has nothing says 0-0. */
function endOf({ headers }: Response): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(String(headers.range ?? ''))?.[1];
  if (last === undefined) return undefined;
  return last === '0' ? 0 : Number(last) + 1;
}

/** Sends a small blob unless it is there. */
export async function uploadBytes(
  to: Destination,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<{ digest: string; size: number }> {
  const blob = { digest: digestOf(bytes), size: bytes.length };
  await retried(signal, async () => {
    if (!(await to.client.hasBlob(to.repository, blob.digest, signal))) await put(to, blob, bytes, signal);
  });
  return blob;
}

async function put(
  to: Destination,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const { client, repository } = to;
  const { place } = await beginUpload(to, signal);
  place.searchParams.set('digest', digest);
  const response = await client.request('PUT', place, client.scope(repository, 'pull,push'), {
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body: () => bytes,
    signal,
  });
  await response.body.dump();
  checkDigest(client, response.headers['docker-content-digest'], digest);
}

async function beginUpload(
  { client, repository }: Destination,
  signal?: AbortSignal,
): Promise<{ place: URL; headers: Response['headers'] }> {
  const { body, headers } = await client.call('POST', repository, 'blobs/uploads/', {
    access: 'pull,push',
    signal,
  });
  await body.dump();
  const location = typeof headers.location === 'string' ? headers.location : '';
  return { place: uploadPlace(client, location, new URL(client.registry.url)), headers };
}

/** Where a registry wants bytes: nowhere without encryption, if it is asked with it. */
function uploadPlace(client: RegistryClient, location: string, base: URL): URL {
  const url = location === '' ? null : URL.parse(location, base.href);
  const { url: own, insecure } = client.registry;
  if (url && (url.protocol === 'https:' || !own.startsWith('https:') || insecure)) return url;
  throw badUpload(client);
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
  await readAll(response, MAX_ANSWER, client.registry);
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

function refusedSize({ registry }: RegistryClient): BootyardError {
  return new BootyardError(
    'registry.tooLarge',
    `The registry '${registry.label}' finds a layer too large, also in pieces.`,
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
