import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError } from '../errors.ts';
import { type Descriptor, Index, MediaType, parseDocument } from './oci.ts';

/** Where processes that move images from and to registries work; they are not the daemon, which has no way there. */
export interface TransferFolders {
  blobs: string;
  /** what is on its way; each folder in it is removed when nothing has been done to it for a week */
  downloads: string;
  /** how registries keep the layers of the store (`registry/known-blobs.ts`), by digest of the tar */
  compressed: string;
}
const DOWNLOAD_MS = 7 * 24 * 3600_000;

/**
 * A folder that is an OCI image layout (image-spec 1.1, "image-layout.md"), and beside it what Bootyard derives:
 * `bootyard/layers/<digest>` (index of a layer), `bootyard/trees/<image id>` (merged tree), `bootyard/manifests/<image id>`
 * (checksums; also of images that are gone), `bootyard/tmp`, `bootyard/registry`, and the `TransferFolders`.
 * Every file appears by a rename; index.json is replaced last, so a crash leaves at most files that nothing refers to.
 */
export class LayoutFolder {
  readonly temporary: string;
  readonly transfers: TransferFolders;
  /** what was pushed to the lab's registry, as it was pushed (`lab-registry/pushed-folder.ts`) */
  readonly pushed: string;
  readonly #blobs: string;
  readonly #layers: string;
  readonly #trees: string;
  readonly #manifests: string;
  readonly #index: string;

  /** Makes the folder if it is not there, and removes what imports that did not end have left. */
  constructor(folder: string) {
    this.#blobs = join(folder, 'blobs/sha256');
    this.#layers = join(folder, 'bootyard/layers');
    this.#trees = join(folder, 'bootyard/trees');
    this.#manifests = join(folder, 'bootyard/manifests');
    this.temporary = join(folder, 'bootyard/tmp');
    this.#index = join(folder, 'index.json');
    this.pushed = join(folder, 'bootyard/registry');
    this.transfers = {
      blobs: this.#blobs,
      downloads: join(folder, 'bootyard/downloads'),
      compressed: join(folder, 'bootyard/compressed'),
    };
    const { downloads, compressed } = this.transfers;
    for (const made of [
      this.#blobs,
      this.#layers,
      this.#trees,
      this.#manifests,
      this.pushed,
      downloads,
      compressed,
    ])
      mkdirSync(made, { recursive: true });
    rmSync(this.temporary, { recursive: true, force: true });
    mkdirSync(this.temporary);
    const layout = join(folder, 'oci-layout');
    if (!existsSync(layout)) this.#replace(layout, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    if (!existsSync(this.#index)) this.writeIndex([]);
  }

  blob(hex: string): string {
    return join(this.#blobs, hex);
  }
  layerIndex(hex: string): string {
    return join(this.#layers, hex);
  }
  tree(imageId: string): string {
    return join(this.#trees, imageId);
  }

  manifest(imageId: string): string {
    return join(this.#manifests, imageId);
  }
  /** Removes the oldest manifests of images that are not in `kept`, all but `count` of them. */
  removeOldManifests(kept: ReadonlySet<string>, count: number): void {
    const old = readdirSync(this.#manifests).filter((name) => !kept.has(name));
    const age = new Map(old.map((name) => [name, statSync(this.manifest(name)).mtimeMs]));
    old.sort((a, b) => (age.get(b) ?? 0) - (age.get(a) ?? 0));
    for (const name of old.slice(count)) rmSync(this.manifest(name), { force: true });
  }

  readIndex(): Descriptor[] {
    return parseDocument(Index, readFileSync(this.#index), `store's '${this.#index}'`).manifests;
  }
  writeIndex(manifests: Descriptor[]): void {
    this.#replace(this.#index, JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests }));
  }

  /** A blob whose content must be right: small ones, that are read whole. */
  readBlob(hex: string): Buffer {
    const content = readFileSync(this.blob(hex));
    if (createHash('sha256').update(content).digest('hex') === hex) return content;
    throw new BootyardError(
      'image.damaged',
      `The blob ${this.blob(hex)} is damaged: import its image again.`,
    );
  }

  /** Adds bytes as a blob; returns their digest (64 hex digits). */
  addBlob(content: Uint8Array): string {
    const hex = createHash('sha256').update(content).digest('hex');
    this.#replace(this.blob(hex), content);
    return hex;
  }
  /** Moves a complete file in as the blob of its digest. */
  takeBlob(file: string, hex: string): void {
    renameSync(file, this.blob(hex));
  }

  #replace(file: string, content: string | Uint8Array): void {
    const temporary = this.#temporaryName();
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  }
  #temporaryName(): string {
    return join(this.temporary, randomBytes(8).toString('hex'));
  }

  /** Bytes on disk: of each blob by its digest, of what is derived from them, and of work under way. */
  sizes(): { blobs: Map<string, number>; derived: number; temporary: number } {
    const derived = [this.#layers, this.#trees, this.#manifests, this.pushed].map(sizesIn);
    const sum = (sizes: Iterable<number>): number => [...sizes].reduce((total, size) => total + size, 0);
    return {
      blobs: sizesIn(this.#blobs),
      derived: sum(derived.map((sizes) => sum(sizes.values()))),
      temporary: sum(sizesIn(this.temporary).values()),
    };
  }

  /**
   * Removes blobs and derived files that are not in `blobs` or `trees` (64 hex digits each). They vanish at once; their
   * disk space is given back in the background, before the promise is fulfilled.
   */
  async removeAllBut(blobs: ReadonlySet<string>, trees: ReadonlySet<string>): Promise<void> {
    const garbage: string[] = [];
    const { downloads, compressed } = this.transfers;
    const sweep = (folder: string, kept: ReadonlySet<string>): void => {
      for (const name of readdirSync(folder)) {
        if (kept.has(name)) continue;
        const moved = this.#temporaryName();
        renameSync(join(folder, name), moved);
        garbage.push(moved);
      }
    };
    sweep(this.#blobs, blobs);
    sweep(this.#layers, blobs);
    sweep(this.#trees, trees);
    sweep(compressed, blobs);
    sweep(downloads, youngIn(downloads));
    for (const file of garbage) await rm(file, { recursive: true, force: true });
  }
}

/** Bytes of the files in a folder and below, by their names there. */
function sizesIn(folder: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    if (found?.isFile()) sizes.set(name, found.size);
  }
  return sizes;
}
function youngIn(folder: string): Set<string> {
  const isYoung = (name: string): boolean => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return Date.now() - (found?.mtimeMs ?? 0) < DOWNLOAD_MS;
  };
  return new Set(readdirSync(folder).filter(isYoung));
}
