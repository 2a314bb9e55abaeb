import { renameSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { PushedManifest, RegistryContent, ServedBlob } from '../../protocols/registry/content.ts';
import { RegistryError } from '../../protocols/registry/errors.ts';
import { RegistryServer } from '../../protocols/registry/server.ts';
import { hexOf, Manifest, MediaType, parseDocument } from '../oci.ts';
import type { ImportControl } from '../staging.ts';
import { callEngine } from './call.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import type { PartialLayout } from './layout.ts';

/** What the store has. */
export interface KnownLayers {
  /** digests of tars, 64 hex digits */
  layers: ReadonlySet<string>;
  /** the folder that holds them under these names */
  blobs: string;
}

/**
 * Has Podman push an image to a registry of ours on this host's loopback: Podman asks for each layer by the digest of its
 * tar first, and sends only those that are not in `known` (containers/image: docker_image_dest.go, TryReusingBlob). Docker
 * does not ask for layers that it has never pushed or pulled, and would compress and send all of them.
 * Answers false when the engine did not find the way here, as one in a virtual machine does.
 */
export async function readPushed(
  engine: Engine,
  image: InspectedImage,
  known: KnownLayers,
  layout: PartialLayout,
  control: ImportControl,
): Promise<boolean> {
  const { signal, progress } = control;
  const content = new OneImage(layout, known);
  const server = new RegistryServer({
    address: '127.0.0.1',
    port: 0,
    content,
    uploads: join(layout.folder, 'uploads'),
    mayPush: () => true,
    log: () => {},
  });
  await server.start();
  try {
    progress?.({ message: `Fetching layers of ${engine.name} that are not here yet` });
    const path = `/v4.0.0/libpod/images/${image.id}/push`;
    const destination = `127.0.0.1:${server.port}/${content.repository}:image`;
    const query = { destination, tlsVerify: 'false', quiet: 'true' };
    await callEngine(engine, { method: 'POST', path, query, ...(signal ? { signal } : {}) });
  } catch (error) {
    signal?.throwIfAborted();
    if (!content.wasReached) return false;
    throw error;
  } finally {
    await server.close();
  }
  return content.isComplete;
}

/** A registry of one image that is to come. Its repository has a name that nobody else on this host knows. */
class OneImage implements RegistryContent {
  readonly repository = `bootyard/${randomBytes(16).toString('hex')}`;
  isComplete = false;
  wasReached = false;
  readonly #layout: PartialLayout;
  readonly #known: KnownLayers;

  constructor(layout: PartialLayout, known: KnownLayers) {
    this.#layout = layout;
    this.#known = known;
  }

  names(): [] {
    return [];
  }
  manifests(): [] {
    return [];
  }
  blob(hex: string): ServedBlob | undefined {
    this.wasReached = true;
    const file = this.#known.layers.has(hex) ? join(this.#known.blobs, hex) : this.#layout.blob(hex);
    const found = statSync(file, { throwIfNoEntry: false });
    return found && { file, size: found.size };
  }
  takeBlob(file: string, hex: string): void {
    renameSync(file, this.#layout.blob(hex));
  }
  push({ repository, mediaType, bytes }: PushedManifest): Promise<void> {
    if (repository !== this.repository)
      throw new RegistryError('NAME_UNKNOWN', 'There is no such repository.');
    const { config, layers } = parseDocument(Manifest, bytes, 'manifest');
    const lacking = [config, ...layers].find(({ digest }) => !this.blob(hexOf(digest)));
    if (lacking) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `The registry lacks ${lacking.digest}.`);
    const isOci = mediaType === MediaType.manifest;
    this.#layout.finish(this.#layout.put(bytes, isOci ? MediaType.manifest : MediaType.dockerManifest));
    this.isComplete = true;
    return Promise.resolve();
  }
}
