import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  PushedManifest,
  RegistryContent,
  ServedBlob,
  ServedManifest,
} from '../../protocols/registry/content.ts';
import { RegistryError } from '../../protocols/registry/errors.ts';
import { hexOf, MediaType } from '../oci.ts';
import { manifestOf } from '../records.ts';
import type { ImageRecord, ImageStore } from '../store.ts';
import { type PushedImage, readPush } from './push.ts';
import { PushedFolder, type PushRecord } from './pushed-folder.ts';
import { refusalOf } from './refusal.ts';

export interface StoreRegistryParts {
  images: ImageStore;
  /** a folder of its own on the disk of the store */
  folder: string;
  /** Lets `work` make or replace an image of that name; throws when that may not be now. `models`: what it will be for. */
  replace: (name: string, models: string[], work: () => Promise<ImageRecord>) => Promise<ImageRecord>;
  log: (line: string) => void;
}

const TIDY_MS = 10 * 60_000;
/** images that are read at once, and that wait for it */
const MOST_IMPORTS = 2;
const MOST_WAITING = 16;
const MOST_UNTAGGED = 256;

/**
 * The images of the store as a registry has them: `name` is repository `name` with tag `latest`. What was pushed is
 * pulled as it was pushed, as long as the image is the same; else manifest and layers are those of the store, which are
 * not compressed.
 */
export class StoreRegistry implements RegistryContent {
  readonly #parts: StoreRegistryParts;
  readonly #pushed: PushedFolder;
  /** manifests that were pushed by digest only, for an index that is to come */
  readonly #untagged = new Map<string, { repository: string; mediaType: string }>();
  readonly #turns: (() => void)[] = [];
  #importing = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: StoreRegistryParts) {
    this.#parts = parts;
    this.#pushed = new PushedFolder(parts.folder);
    this.collect();
    this.#timer = setInterval(() => this.collect(), TIDY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  names(): { repository: string; tag: string }[] {
    const names = this.#parts.images.list().map(({ name }) => splitName(name));
    const key = ({ repository, tag }: { repository: string; tag: string }): string => `${repository}\0${tag}`;
    return names.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  manifests(repository: string, reference: string): ServedManifest[] {
    if (!reference.startsWith('sha256:')) {
      const image = this.#parts.images.get(nameOf(repository, reference));
      return image ? this.#forms(image) : [];
    }
    const own = this.#parts.images.list().filter(({ name }) => splitName(name).repository === repository);
    const forms = own.flatMap((image) => this.#forms(image));
    const found =
      forms.find(({ digest }) => digest === reference) ?? this.#untaggedForm(repository, reference);
    return found ? [found] : [];
  }

  #untaggedForm(repository: string, digest: string): ServedManifest | undefined {
    const known = this.#untagged.get(digest);
    const bytes = known?.repository === repository ? this.#pushed.document(digest) : undefined;
    return known && bytes && { mediaType: known.mediaType, digest, bytes };
  }

  /** As it was pushed under this name, as it was pushed under another one, as the store has it. */
  #forms(image: ImageRecord): ServedManifest[] {
    const records = this.#pushed.records.filter(({ imageId }) => imageId === image.id);
    const rank = ({ name }: PushRecord): number => (name === image.name ? 0 : 1);
    const documents = records.toSorted((a, b) => rank(a) - rank(b)).flatMap((record) => record.documents);
    const pushed = documents.flatMap(({ mediaType, digest }) => {
      const bytes = this.#pushed.document(digest);
      return bytes ? [{ mediaType, digest, bytes }] : [];
    });
    return [...pushed, this.#stored(image, 'oci'), this.#stored(image, 'docker')];
  }

  #stored({ id, layers }: ImageRecord, kind: 'oci' | 'docker'): ServedManifest {
    const { size } = statSync(this.#storeBlob(id));
    const bytes = manifestOf(id, size, layers, kind);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    return { mediaType: kind === 'oci' ? MediaType.manifest : MediaType.dockerManifest, digest, bytes };
  }

  #storeBlob(hex: string): string {
    return join(this.#parts.images.transfer({ layers: [] }).folders.blobs, hex);
  }

  blob(hex: string): ServedBlob | undefined {
    const file = this.#storeBlob(hex);
    const found = statSync(file, { throwIfNoEntry: false });
    return found ? { file, size: found.size } : this.#pushed.blob(hex);
  }

  takeBlob(file: string, hex: string): void {
    this.#pushed.take(file, hex);
  }

  async push(pushed: PushedManifest): Promise<void> {
    try {
      const image = readPush(pushed, {
        bytes: (digest) => this.#documentBytes(digest),
        has: (hex) => this.blob(hex) !== undefined,
        untagged: (digest) => this.#untagged.get(digest)?.repository === pushed.repository,
      });
      if (pushed.reference.startsWith('sha256:')) return this.#keepUntagged(pushed);
      if (!image) throw new RegistryError('MANIFEST_INVALID', 'An index needs an image for this machine.');
      await this.#inTurn(() => this.#import(pushed, image));
    } catch (error) {
      throw refusalOf(error);
    }
  }

  #keepUntagged({ repository, mediaType, digest, bytes }: PushedManifest): void {
    if (this.#untagged.size >= MOST_UNTAGGED) {
      throw new RegistryError('TOOMANYREQUESTS', 'Too many manifests are without a tag: push with tags.');
    }
    this.#pushed.put(bytes);
    this.#untagged.set(digest, { repository, mediaType });
  }

  #documentBytes(digest: string): Buffer | undefined {
    return this.#pushed.document(digest) ?? this.#fromStore(digest);
  }
  #fromStore(digest: string): Buffer | undefined {
    const { images } = this.#parts;
    const image = images.list().find(({ id }) => id === hexOf(digest));
    const content = image && images.transfer({ layers: [], image: image.name }).content;
    return content && Buffer.from(content.config);
  }

  async #import(pushed: PushedManifest, image: PushedImage): Promise<void> {
    const { images, replace, log } = this.#parts;
    const name = nameOf(pushed.repository, pushed.reference);
    const folder = this.#pushed.workFolder();
    try {
      this.#writeLayout(folder, image);
      const { signal } = pushed;
      const record = await replace(name, image.models, () =>
        images.import({ path: folder, name, force: true, signal }),
      );
      for (const { bytes } of image.documents) this.#pushed.put(bytes);
      this.#pushed.add({
        name: record.name,
        imageId: record.id,
        documents: image.documents.map(({ mediaType, digest }) => ({ mediaType, digest })),
        layers: image.layers.map(({ blob, tar }) => ({ blob: hexOf(blob), tar: hexOf(tar) })),
      });
      this.#pushed.settle([record.id, ...image.layers.map(({ blob }) => hexOf(blob))]);
      for (const { digest } of image.documents) this.#untagged.delete(digest);
      log(`registry: image ${record.name} (${record.id.slice(0, 12)}) was pushed`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
      this.collect();
    }
  }

  /** An OCI image layout of links, without layers whose tars the store has and of which is known that they are the same. */
  #writeLayout(folder: string, { manifest, config, layers }: PushedImage): void {
    const blobs = join(folder, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const put = (digest: string, bytes: Buffer): void => writeFileSync(join(blobs, hexOf(digest)), bytes);
    put(manifest.digest, manifest.bytes);
    put(config.digest, config.bytes);
    const isKnown = this.#knownLayers();
    for (const { blob, tar } of layers) {
      const hex = hexOf(blob);
      const link = join(blobs, hex);
      const source = this.blob(hex);
      if (source && !existsSync(link) && !isKnown(hex, hexOf(tar))) linkSync(source.file, link);
    }
    const entry = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
    const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [entry] };
    writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
    writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  }

  /** Tells whether a blob is known to hold that tar, and the store has it: an import found so before. */
  #knownLayers(): (blob: string, tar: string) => boolean {
    const stored = new Set(
      this.#parts.images.list().flatMap(({ layers }) => layers.map(({ digest }) => digest)),
    );
    const pairs = this.#pushed.records.flatMap(({ layers }) =>
      layers.map(({ blob, tar }) => `${blob} ${tar}`),
    );
    const known = new Set(pairs);
    return (blob, tar) => stored.has(tar) && (blob === tar || known.has(`${blob} ${tar}`));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#importing >= MOST_IMPORTS) {
      if (this.#turns.length >= MOST_WAITING) {
        throw new RegistryError('TOOMANYREQUESTS', 'Too many images are pushed at once: try again later.');
      }
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    } else this.#importing++;
    try {
      await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#importing--;
    }
  }

  /** Removes what was pushed of images that are gone, and uploads that led to no image. */
  collect(now?: number): void {
    const ids = new Set(this.#parts.images.list().map(({ id }) => id));
    this.#pushed.collect(ids, (hex) => existsSync(this.#storeBlob(hex)), now);
    for (const digest of this.#untagged.keys()) {
      if (!this.#pushed.has(hexOf(digest))) this.#untagged.delete(digest);
    }
  }
}

function splitName(name: string): { repository: string; tag: string } {
  const [repository = '', tag = 'latest'] = name.split(':');
  return { repository, tag };
}
function nameOf(repository: string, tag: string): string {
  return tag === 'latest' ? repository : `${repository}:${tag}`;
}
