import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { BootyardError, systemCode } from '../../errors.ts';
import type { TransferFolders } from '../layout-folder.ts';
import { type Descriptor, MediaType } from '../oci.ts';
import { diskError, type ImportControl } from '../staging.ts';
import { KnownBlobs } from './known-blobs.ts';
import { limited } from './limited.ts';
import { TransferProgress } from './transfer-progress.ts';
import { type Destination, putManifest, uploadBlob, uploadBytes } from './upload.ts';

/** An image of the store that is to be sent. */
export interface LocalImage {
  /** the configuration, byte by byte */
  config: string;
  /** lowest first; digests are 64 hex digits */
  layers: { digest: string; size: number }[];
}

/** Two compress at once; the bound of the work is the processor. */
const PARALLEL = 2;
/** Level 1 takes a third of the time of level 6 for a tenth more bytes. */
const GZIP_LEVEL = 1;
const GZIP_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

/**
 * Sends an image as OCI manifest with gzip layers; answers the manifest's digest (`sha256:…`). Layers that the registry
 * has, in that repository or in another one that is known, are not sent. The tag appears last, so a failure leaves the
 * registry's images as they were; on this side it leaves nothing.
 */
export async function pushImage(
  destination: Destination,
  image: LocalImage,
  folders: TransferFolders,
  control: ImportControl,
): Promise<string> {
  const layers = [...new Map(image.layers.map((layer) => [layer.digest, layer])).values()];
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const push = new LayerPush(destination, folders, new TransferProgress('Sending', total, control));
  try {
    await limited(PARALLEL, layers, control.signal, (layer, signal) => push.layer(layer, signal));
  } finally {
    push.dispose();
  }
  const config = await uploadBytes(destination, Buffer.from(image.config), control.signal);
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, ...config },
    layers: image.layers.map(({ digest }) => push.sent.get(digest)),
  };
  return putManifest(destination, Buffer.from(JSON.stringify(manifest)), control.signal);
}

type Layer = LocalImage['layers'][number];

class LayerPush {
  /** what the registry has of each layer, by the digest of its tar */
  readonly sent = new Map<string, Descriptor>();
  readonly #to: Destination;
  readonly #folders: TransferFolders;
  readonly #known: KnownBlobs;
  readonly #progress: TransferProgress;
  readonly #work: string;

  constructor(to: Destination, folders: TransferFolders, progress: TransferProgress) {
    this.#to = to;
    this.#folders = folders;
    this.#progress = progress;
    this.#known = new KnownBlobs(folders.compressed);
    this.#work = join(folders.downloads, `push-${randomBytes(6).toString('hex')}`);
    mkdirSync(this.#work, { recursive: true });
  }
  dispose(): void {
    rmSync(this.#work, { recursive: true, force: true });
  }

  async layer(layer: Layer, signal: AbortSignal): Promise<void> {
    const blob = (await this.#there(layer, signal)) ?? (await this.#send(layer, signal));
    const { client, repository } = this.#to;
    this.#known.put(layer.digest, blob, client.place(repository));
    this.sent.set(layer.digest, blob);
    this.#progress.set(layer.digest, layer.size);
  }

  /** The blob that the registry has of a layer, or gets from another repository of its own. */
  async #there({ digest }: Layer, signal: AbortSignal): Promise<Descriptor | undefined> {
    const { blob, places = [] } = this.#known.get(digest) ?? {};
    const { client, repository } = this.#to;
    if (!blob) return undefined;
    if (await client.hasBlob(repository, blob.digest, signal)) return blob;
    const own = client.place(repository);
    const from = places.find((place) => place.host === own.host && place.repository !== own.repository);
    if (from && (await this.#mounted(blob.digest, from.repository, signal))) return blob;
    return undefined;
  }

  async #mounted(digest: string, from: string, signal: AbortSignal): Promise<boolean> {
    const { client, repository } = this.#to;
    const query = new URLSearchParams({ mount: digest, from }).toString();
    const response = await client.call('POST', repository, `blobs/uploads/?${query}`, {
      access: 'pull,push',
      handled: [401, 403, 404],
      signal,
    });
    await response.body.dump();
    return response.statusCode === 201;
  }

  async #send(layer: Layer, signal: AbortSignal): Promise<Descriptor> {
    const file = join(this.#work, layer.digest);
    const blob = await compressed(join(this.#folders.blobs, layer.digest), file, signal);
    const { client, repository } = this.#to;
    if (!(await client.hasBlob(repository, blob.digest, signal))) {
      const share = layer.size / Math.max(blob.size, 1);
      await uploadBlob(this.#to, file, blob, signal, (bytes) =>
        this.#progress.set(layer.digest, bytes * share),
      );
    }
    rmSync(file, { force: true });
    return blob;
  }
}

/** Compresses a layer into a file. The same tar gives the same bytes. */
async function compressed(tar: string, file: string, signal: AbortSignal): Promise<Descriptor> {
  const hash = createHash('sha256');
  const hashed = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const source = createReadStream(tar, { highWaterMark: 1 << 20 });
    const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: 1 << 18 });
    await pipeline(source, gzip, hashed, createWriteStream(file), { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw systemCode(error) === 'ENOENT' ? removed() : diskError(error);
  }
  const { size } = await stat(file);
  return { mediaType: GZIP_TYPE, digest: `sha256:${hash.digest('hex')}`, size };
}

function removed(): BootyardError {
  return new BootyardError('image.gone', 'The image was removed while it was published.');
}
