import type { LayoutFolder } from './layout-folder.ts';
import { type ImageManifest, loadManifest, makeManifest } from './tree/manifest.ts';
import type { ImageTree } from './tree/tree.ts';

/** Manifests of images that are gone: as many are kept. */
const KEPT = 32;

/** The checksums of images' files, on disk beside the images; they may outlive these. */
export class ImageChecksums {
  readonly #folder: LayoutFolder;
  readonly #tree: (id: string) => Promise<ImageTree>;
  readonly #making = new Map<string, Promise<ImageManifest>>();

  /** `tree` opens that of an image */
  constructor(folder: LayoutFolder, tree: (id: string) => Promise<ImageTree>) {
    this.#folder = folder;
    this.#tree = tree;
  }

  /** Those of an image that is there. The first time, each of its files is read. */
  of(id: string): Promise<ImageManifest> {
    const known = this.kept(id);
    if (known) return Promise.resolve(known);
    const making = this.#making.get(id) ?? this.#make(id);
    this.#making.set(id, making);
    return making.finally(() => this.#making.delete(id));
  }

  /** Those of an image that may be gone, if they were made. */
  kept(id: string): ImageManifest | undefined {
    return loadManifest(this.#folder.manifest(id));
  }

  /** Removes those of images that went long ago; `ids`: the images that are there. */
  collect(ids: ReadonlySet<string>): void {
    this.#folder.removeOldManifests(ids, KEPT);
  }

  async #make(id: string): Promise<ImageManifest> {
    const tree = await this.#tree(id);
    try {
      return await makeManifest(tree, this.#folder.manifest(id));
    } finally {
      tree.close();
    }
  }
}
