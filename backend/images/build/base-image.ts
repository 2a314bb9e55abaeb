import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { BootyardError, messageOf } from '../../errors.ts';
import type { Engine } from '../engine/connect.ts';
import type { TransferFolders } from '../layout-folder.ts';
import { MediaType, REF_NAME } from '../oci.ts';
import { pace } from '../pace.ts';
import type { ImportControl } from '../staging.ts';
import { END_OF_TAR, entryHeader, padding } from '../tar/tar-writer.ts';
import { engineEvents } from './engine-events.ts';
import { lendImage } from './lend.ts';

/** Images of the store carry this in the engine: what a user has there under the same name stays what it is. */
const PLACE = 'localhost/bootyard-store';

/** An image of the store; digests are 64 hex digits, layers lowest first. */
export interface StoreImage extends TransferFolders {
  id: string;
  name: string;
  /** byte by byte; `id` is its SHA-256 */
  config: string;
  layers: readonly { digest: string; size: number }[];
}

/**
 * What the engine calls an image of the store. One that it has not got, by its content, is pulled by Docker or loaded:
 * without the layers that it has of another image of ours. What it had of the same name before is given up.
 */
export async function loadStoreImage(
  engine: Engine,
  image: StoreImage,
  control: Required<ImportControl>,
): Promise<string> {
  const { docker, kind } = engine;
  const repository = `${PLACE}/${image.name.replace(':', '_')}`;
  const tag = image.id.slice(0, 12);
  const reference = `${repository}:${tag}`;
  if (await hasImage(docker, reference)) return reference;
  if (await hasImage(docker, `sha256:${image.id}`)) {
    await docker.getImage(`sha256:${image.id}`).tag({ repo: repository, tag });
  } else if (!(await lendImage(engine, image, { repo: repository, tag }, control))) {
    const ours = await docker.listImages({ filters: { reference: [`${PLACE}/*`, `${PLACE}/*/*`] } });
    await load(docker, kind, image, reference, await sharedLayers(docker, ours, image), control);
    if (!(await hasImage(docker, reference))) {
      throw new BootyardError(
        'build.load',
        `The engine did not take the image '${image.name}' of the store.`,
      );
    }
  }
  await forgetOlder(docker, repository, reference);
  return reference;
}

/** The name says the content, so nothing else is looked at; engines count ids in different ways. */
async function hasImage(docker: Dockerode, reference: string): Promise<boolean> {
  try {
    await docker.getImage(reference).inspect();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 404;
}

/** How many of its lowest layers are those of an image that the engine has from us. */
async function sharedLayers(
  docker: Dockerode,
  ours: readonly Dockerode.ImageInfo[],
  { layers }: StoreImage,
): Promise<number> {
  let most = 0;
  for (const { Id } of ours) {
    const there =
      (
        await docker
          .getImage(Id)
          .inspect()
          .catch(() => undefined)
      )?.RootFS?.Layers ?? [];
    const differs = layers.findIndex(({ digest }, at) => there[at] !== `sha256:${digest}`);
    most = Math.max(most, differs === -1 ? layers.length : differs);
  }
  return most;
}

async function load(
  docker: Dockerode,
  kind: Engine['kind'],
  image: StoreImage,
  reference: string,
  known: number,
  control: Required<ImportControl>,
): Promise<void> {
  const archive = Readable.from(archiveOf(kind, image, reference, known, control), { objectMode: false });
  try {
    const options = { quiet: true, abortSignal: control.signal };
    for await (const event of engineEvents(await docker.loadImage(archive, options))) {
      if (event.error !== undefined) throw new Error(event.error);
    }
  } catch (error) {
    control.signal.throwIfAborted();
    // The engine may have given up a layer that it had.
    if (known > 0) return await load(docker, kind, image, reference, 0, control);
    const why = messageOf(error).trim();
    throw new BootyardError(
      'build.load',
      `The image '${image.name}' cannot be loaded into the engine: ${why}.`,
    );
  } finally {
    archive.destroy();
  }
}

/** Docker takes an archive of its own kind without layers that it has, Podman an OCI one; neither takes the other's. */
function archiveOf(
  kind: Engine['kind'],
  image: StoreImage,
  reference: string,
  known: number,
  control: Required<ImportControl>,
): AsyncGenerator<Buffer> {
  const config = Buffer.from(image.config);
  const path = kind === 'docker' ? (hex: string) => `${hex}.tar` : (hex: string) => `blobs/sha256/${hex}`;
  const missing = image.layers.slice(known);
  const documents = kind === 'docker' ? dockerDocuments : ociDocuments;
  return archive(documents(image, config, reference), missing, path, image, control);
}

type Document = [path: string, content: Buffer];

function dockerDocuments({ id, layers }: StoreImage, config: Buffer, reference: string): Document[] {
  const entry = {
    Config: `${id}.json`,
    RepoTags: [reference],
    Layers: layers.map(({ digest }) => `${digest}.tar`),
  };
  return [
    ['manifest.json', Buffer.from(JSON.stringify([entry]))],
    [`${id}.json`, config],
  ];
}

function ociDocuments({ id, layers }: StoreImage, config: Buffer, reference: string): Document[] {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: { mediaType: MediaType.config, digest: `sha256:${id}`, size: config.length },
      layers: layers.map(({ digest, size }) => ({
        mediaType: MediaType.layer,
        digest: `sha256:${digest}`,
        size,
      })),
    }),
  );
  const digest = createHash('sha256').update(manifest).digest('hex');
  const described = {
    mediaType: MediaType.manifest,
    digest: `sha256:${digest}`,
    size: manifest.length,
    annotations: { [REF_NAME]: reference },
  };
  return [
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [described] }))],
    [`blobs/sha256/${digest}`, manifest],
    [`blobs/sha256/${id}`, config],
  ];
}

async function* archive(
  documents: readonly Document[],
  layers: StoreImage['layers'],
  path: (hex: string) => string,
  { name, blobs }: StoreImage,
  { signal, progress }: Required<ImportControl>,
): AsyncGenerator<Buffer> {
  for (const [file, content] of documents) {
    yield Buffer.concat([head(file, content.length), content, padding(content.length)]);
  }
  const whole = layers.reduce((sum, { size }) => sum + size, 0);
  const isDue = pace();
  let sent = 0;
  for (const { digest, size } of new Map(layers.map((layer) => [layer.digest, layer])).values()) {
    yield head(path(digest), size);
    const content = createReadStream(join(blobs, digest), { highWaterMark: 1 << 20 });
    for await (const chunk of content as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      yield chunk;
      sent += chunk.length;
      if (isDue()) progress({ message: `Loading ${name} into the engine`, fraction: sent / whole });
    }
    yield padding(size);
  }
  yield END_OF_TAR;
}

function head(path: string, size: number): Buffer {
  return entryHeader({ path, type: 'file', mode: 0o644 }, size);
}

/** Older contents of the image; those that other images were built from only lose the name. */
async function forgetOlder(docker: Dockerode, repository: string, reference: string): Promise<void> {
  const all = await docker.listImages({ filters: { reference: [repository] } });
  const older = all.flatMap(({ RepoTags }) => RepoTags ?? []);
  for (const name of older) {
    if (name === reference || !name.startsWith(`${repository}:`)) continue;
    await docker
      .getImage(name)
      .remove()
      .catch(() => undefined);
  }
}
