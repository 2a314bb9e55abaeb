import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type {
  PresentBlob,
  PushedManifest,
  RegistryContent,
  ServedBlob,
} from '../../protocols/registry/content.ts';
import { RegistryError } from '../../protocols/registry/errors.ts';
import type { TransferFolders } from '../layout-folder.ts';
import { type Descriptor, hexOf, Manifest, MediaType, parseDocument } from '../oci.ts';
import { KnownBlobs } from '../registry/known-blobs.ts';
import type { EngineKind } from './connect.ts';
import type { InspectedImage } from './images.ts';
import type { PartialLayout } from './layout.ts';
import { REPOSITORY, transferTag } from './loopback.ts';

/** What the store has. */
export interface KnownLayers extends TransferFolders {
  /** digests of tars, 64 hex digits */
  layers: ReadonlySet<string>;
}

/** The digests (64 hex digits) by which an engine may ask for a layer of the store, beside that of its tar. */
export function toldDigests({ compressed }: TransferFolders, tar: string): string[] {
  const { blob, docker = [] } = new KnownBlobs(compressed).get(tar) ?? {};
  return [...(blob ? [blob.digest] : []), ...docker].map(hexOf);
}

/**
 * A registry of one image that is to come, under a tag that nobody else on this host knows.
 *
 * Docker asks for a layer by the digest of a compressed form. Those that the store has not heard of are promised: at most
 * one for each layer, and only while there is a layer here of which no digest is known. The manifest tells for which layer each
 * stands. If one stands for a layer that is not here, the manifest is refused, and the next push of the image is answered by
 * what was learned.
 */
export class OneImage implements RegistryContent {
  readonly tag: string;
  isComplete = false;
  wasReached = false;
  /** something was promised that is not here; another push will go well */
  wasWrong = false;
  readonly #layout: PartialLayout;
  readonly #known: KnownLayers;
  readonly #image: InspectedImage;
  readonly #isDocker: boolean;
  /** tars of the store, by the digests by which they may be asked for */
  readonly #tars = new Map<string, string>();
  readonly #promised = new Set<string>();
  #mayPromise: boolean;

  constructor(layout: PartialLayout, known: KnownLayers, image: InspectedImage, kind: EngineKind) {
    this.tag = transferTag(known.blobs);
    this.#layout = layout;
    this.#known = known;
    this.#image = image;
    this.#isDocker = kind === 'docker';
    const told = [...known.layers].map((tar) => [tar, toldDigests(known, tar)] as const);
    for (const [tar, digests] of told) for (const digest of [tar, ...digests]) this.#tars.set(digest, tar);
    this.#mayPromise = this.#isDocker && told.some(([, digests]) => digests.length === 0);
  }

  names(): [] {
    return [];
  }
  manifests(): [] {
    return [];
  }

  blob(hex: string): ServedBlob | PresentBlob | undefined {
    this.wasReached = true;
    const tar = this.#tars.get(hex);
    const file = tar === undefined ? this.#layout.blob(hex) : join(this.#known.blobs, tar);
    const found = statSync(file, { throwIfNoEntry: false });
    // Of a compressed form there is only the tar.
    if (found) return tar === undefined || tar === hex ? { file, size: found.size } : { size: found.size };
    // Docker writes the size into the manifest, where nobody reads it, but it leaves out a 0.
    return tar === undefined && this.#promises(hex) ? { size: 1 } : undefined;
  }

  #promises(hex: string): boolean {
    // The configuration is asked for too.
    if (!this.#mayPromise || hex === this.#image.id) return false;
    if (this.#promised.size < this.#image.layers.length) this.#promised.add(hex);
    return this.#promised.has(hex);
  }

  takeBlob(file: string, hex: string): void {
    renameSync(file, this.#layout.blob(hex));
  }

  push({ repository, reference, mediaType, bytes }: PushedManifest): Promise<void> {
    if (repository !== REPOSITORY || reference !== this.tag)
      throw new RegistryError('NAME_UNKNOWN', 'There is no such repository.');
    const { config, layers } = parseDocument(Manifest, bytes, 'manifest');
    this.#learn(layers);
    const lacking = [config, ...layers].find(({ digest }, at) => {
      const tar = at === 0 ? undefined : this.#image.layers[at - 1];
      return !this.#hasCome(digest) && !(tar !== undefined && this.#known.layers.has(tar));
    });
    if (lacking) {
      this.wasWrong = this.#promised.has(hexOf(lacking.digest));
      this.#mayPromise = false;
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `The registry lacks ${lacking.digest}.`);
    }
    const isOci = mediaType === MediaType.manifest;
    this.#layout.finish(this.#layout.put(bytes, isOci ? MediaType.manifest : MediaType.dockerManifest));
    this.isComplete = true;
    return Promise.resolve();
  }

  #hasCome(digest: string): boolean {
    return statSync(this.#layout.blob(hexOf(digest)), { throwIfNoEntry: false }) !== undefined;
  }

  /** By these digests Docker will ask the next time. */
  #learn(layers: readonly Descriptor[]): void {
    if (!this.#isDocker || layers.length !== this.#image.layers.length) return;
    const blobs = new KnownBlobs(this.#known.compressed);
    for (const [at, { digest }] of layers.entries()) {
      const tar = this.#image.layers[at] ?? '';
      blobs.putDocker(tar, digest);
      if (this.#known.layers.has(tar)) this.#tars.set(hexOf(digest), tar);
    }
  }
}
