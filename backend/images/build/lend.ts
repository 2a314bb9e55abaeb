import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import type { RegistryContent, ServedBlob, ServedManifest } from '../../protocols/registry/content.ts';
import { RegistryError } from '../../protocols/registry/errors.ts';
import { callEngine, engineFailed, streamEngine } from '../engine/call.ts';
import type { Engine } from '../engine/connect.ts';
import { PartialLayout } from '../engine/layout.ts';
import {
  openLoopback,
  removeName,
  REPOSITORY,
  repositoryOf,
  sweepTransfers,
  transferTag,
} from '../engine/loopback.ts';
import { MediaType } from '../oci.ts';
import { manifestOf } from '../records.ts';
import { KnownBlobs } from '../registry/known-blobs.ts';
import { TransferProgress } from '../registry/transfer-progress.ts';
import type { ImportControl } from '../staging.ts';
import type { StoreImage } from './base-image.ts';
import { engineEvents } from './engine-events.ts';

/**
 * Lets Docker pull an image of the store from a registry of ours on this host's loopback, as its layers are, and calls it
 * `repository:tag` there. It takes no longer than a load, and later Docker can ask by the digest of the tar whether we have
 * the layer (`engine/pushed.ts`); of what was loaded it knows no digest. Layers that it has so pulled before are not moved.
 * Answers false when it did not come about, as with an engine in a virtual machine, which finds no way here.
 */
export async function lendImage(
  engine: Engine,
  image: StoreImage,
  name: { repo: string; tag: string },
  control: Required<ImportControl>,
): Promise<boolean> {
  if (engine.kind !== 'docker' || !engine.address.startsWith('unix:')) return false;
  const { signal } = control;
  using work = new PartialLayout(image.downloads);
  const content = new LentImage(image);
  const uploads = join(work.folder, 'uploads');
  const server = await openLoopback({ content, uploads, mayPush: () => false, log: () => {} });
  const repository = repositoryOf(server);
  const lent = `${repository}:${content.tag}`;
  try {
    await sweepTransfers(engine, image.blobs);
    await pull(engine, repository, content.tag, image, control);
    await callEngine(engine, { method: 'POST', path: `/images/${lent}/tag`, query: name, signal });
    const known = new KnownBlobs(image.compressed);
    for (const { digest } of image.layers) known.putDocker(digest, `sha256:${digest}`);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BootyardError && error.code === 'engine.failed') return false;
    throw error;
  } finally {
    await removeName(engine, lent).catch(() => undefined);
    await server.close();
  }
}

async function pull(
  engine: Engine,
  repository: string,
  tag: string,
  { name, layers }: StoreImage,
  { signal, progress }: Required<ImportControl>,
): Promise<void> {
  const whole = layers.reduce((sum, { size }) => sum + size, 0);
  // Each layer is fetched, then unpacked.
  const moved = new TransferProgress('Loading', 2 * whole, {
    progress: ({ fraction = 0 }) => progress({ message: `Loading ${name} into the engine`, fraction }),
  });
  const query = { fromImage: repository, tag };
  const call = { method: 'POST' as const, path: '/images/create', query, withLogin: true, signal };
  for await (const event of engineEvents(await streamEngine(engine, call))) {
    if (event.error !== undefined) throw engineFailed(engine, event.error);
    const { id, status, progressDetail } = event;
    if (progressDetail?.current !== undefined) moved.set(`${status} ${id}`, progressDetail.current);
  }
}

/** A registry with one image of the store, under a tag that nobody else on this host knows. */
class LentImage implements RegistryContent {
  readonly tag: string;
  readonly #image: StoreImage;
  readonly #manifest: ServedManifest;

  constructor(image: StoreImage) {
    this.tag = transferTag(image.blobs);
    this.#image = image;
    const bytes = manifestOf(image.id, Buffer.byteLength(image.config), [...image.layers], 'docker');
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.#manifest = { mediaType: MediaType.dockerManifest, digest, bytes };
  }

  names(): [] {
    return [];
  }
  manifests(repository: string, reference: string): ServedManifest[] {
    const isAsked = repository === REPOSITORY && [this.tag, this.#manifest.digest].includes(reference);
    return isAsked ? [this.#manifest] : [];
  }
  blob(hex: string): ServedBlob | undefined {
    const { id, layers, blobs } = this.#image;
    if (hex !== id && !layers.some(({ digest }) => digest === hex)) return undefined;
    const file = join(blobs, hex);
    const found = statSync(file, { throwIfNoEntry: false });
    return found && { file, size: found.size };
  }
  takeBlob(): void {
    throw new RegistryError('DENIED', 'Nothing is pushed here.');
  }
  push(): Promise<void> {
    throw new RegistryError('DENIED', 'Nothing is pushed here.');
  }
}
