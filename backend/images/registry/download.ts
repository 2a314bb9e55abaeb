import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import type { Descriptor } from '../oci.ts';
import { diskError } from '../staging.ts';
import { bodyOf, brokenOff } from './body.ts';
import type { RegistryClient } from './client.ts';
import type { Response } from './transport.ts';

export interface Download {
  client: RegistryClient;
  repository: string;
  blob: Descriptor;
  /** where the complete blob is put; what there is of it before is in `<file>.part` */
  file: string;
  signal: AbortSignal;
  /** how many bytes of the blob are on disk now */
  onBytes: (count: number) => void;
}

/** Attempts in a row that bring hardly anything, and all attempts together. */
const FRUITLESS = 5;
const ATTEMPTS = 100;
const FIRST_PAUSE_MS = 200;
/** Failures that a later request may not meet. */
const PASSING = new Set(['registry.cut', 'registry.unreachable', 'registry.busy']);

/**
 * Fetches a blob into a file. What an interrupted fetch left is gone on with by Range (RFC 9110 §14); a connection that
 * breaks off is taken up again. Throws `image.wrongSize` for more or fewer bytes than the descriptor says and
 * `image.wrongDigest` for others; both leave nothing. Other failures leave the part that is there.
 */
export async function downloadBlob(download: Download): Promise<void> {
  const { blob, file, onBytes, client } = download;
  if ((await sizeOf(file)) === blob.size) return onBytes(blob.size);
  const part = new PartialBlob(`${file}.part`, blob.size);
  const wasResumed = await part.open();
  try {
    onBytes(part.size);
    await complete(download, part);
    const isRight = part.digest() === blob.digest;
    await part.close();
    if (isRight) return await rename(part.file, file);
  } catch (error) {
    await part.close();
    if (error instanceof BootyardError && error.code === 'image.wrongSize')
      await rm(part.file, { force: true });
    throw diskError(error);
  }
  await rm(part.file, { force: true });
  // What an earlier run left may be at fault.
  if (wasResumed) return downloadBlob(download);
  throw client.wrongDigest('a layer', blob.digest);
}

async function complete(download: Download, part: PartialBlob): Promise<void> {
  const { signal } = download;
  let fruitless = 0;
  for (let attempt = 1; part.size < part.total; attempt++) {
    const before = part.size;
    try {
      await fetchRest(download, part);
    } catch (error) {
      signal.throwIfAborted();
      fruitless = part.size - before >= download.client.pace.bytes ? 0 : fruitless + 1;
      const isPassing = error instanceof BootyardError && PASSING.has(error.code);
      if (!isPassing || fruitless >= FRUITLESS || attempt >= ATTEMPTS) throw error;
      await delay(FIRST_PAUSE_MS * 2 ** fruitless, undefined, { signal });
    }
  }
}

/** One request for what is missing. */
async function fetchRest(download: Download, part: PartialBlob): Promise<void> {
  const { client, repository, blob, signal, onBytes } = download;
  const response = await client.call('GET', repository, `blobs/${blob.digest}`, {
    headers: part.size > 0 ? { range: `bytes=${part.size}-` } : {},
    handled: [416],
    signal,
  });
  try {
    if (!isRest(response, part)) await part.restart();
    if (response.statusCode === 416) return;
    const stated = Number(response.headers['content-length'] ?? Number.NaN);
    if (!Number.isNaN(stated) && stated !== part.total - part.size) throw wrongSize(client, blob);
    for await (const chunk of bodyOf(response, client.registry, client.pace)) {
      if (part.size + chunk.length > part.total) throw wrongSize(client, blob);
      await part.append(chunk);
      onBytes(part.size);
    }
  } finally {
    response.body.destroy();
  }
  if (part.size === part.total) return;
  throw brokenOff(client.registry.label, new Error(`${part.total - part.size} bytes of a layer are missing`));
}

/** False when the answer starts at the beginning although the middle was asked for. */
function isRest(response: Response, part: PartialBlob): boolean {
  if (part.size === 0) return true;
  const range = response.headers['content-range'];
  const start = /^bytes (\d+)-/.exec(typeof range === 'string' ? range : '')?.[1];
  return response.statusCode === 206 && Number(start) === part.size;
}

function wrongSize({ registry }: RegistryClient, { digest, size }: Descriptor): BootyardError {
  return new BootyardError(
    'image.wrongSize',
    `The image is refused: the registry '${registry.label}' sends another number of bytes for the layer ${digest.slice(7, 19)} than the ${size} that the image states.`,
    { digest },
  );
}

/** The beginning of a blob, on disk, and the hash of it. */
class PartialBlob {
  readonly file: string;
  readonly total: number;
  size = 0;
  #hash: Hash = createHash('sha256');
  #handle: FileHandle | undefined;

  constructor(file: string, total: number) {
    this.file = file;
    this.total = total;
  }

  /** Reads what is there; true when there is something. */
  async open(): Promise<boolean> {
    const found = await sizeOf(this.file);
    if (found > this.total) await rm(this.file);
    else if (found > 0) {
      for await (const chunk of createReadStream(this.file, { highWaterMark: 1 << 20 })) {
        this.#hash.update(chunk as Buffer);
        this.size += (chunk as Buffer).length;
      }
    }
    this.#handle = await open(this.file, 'a');
    return this.size > 0;
  }
  async append(chunk: Buffer): Promise<void> {
    await this.#handle?.appendFile(chunk);
    this.#hash.update(chunk);
    this.size += chunk.length;
  }
  async restart(): Promise<void> {
    await this.#handle?.truncate(0);
    this.#hash = createHash('sha256');
    this.size = 0;
  }
  digest(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? -1;
}
