import { open } from 'node:fs/promises';
import { BootyardError } from '../../errors.ts';
import { LayerFile } from './layer-file.ts';
import { type LayerIndex, loadLayerIndex, saveLayerIndex } from './layer-index.ts';
import type { LayoutFolder } from '../layout-folder.ts';
import { mergeInSlices } from './merge-layers.ts';
import { loadPacked, savePacked } from './packed.ts';
import type { ImageRecord } from '../records.ts';
import { scanTar } from '../tar/tar-scan.ts';
import { type Holder, ImageTree, treeId } from './tree.ts';
import { type PackedTree, TREE_FORMAT } from './tree-arrays.ts';

/** The arrays of an image whose trees are open. */
interface OpenImage {
  packed: Promise<PackedTree>;
  users: number;
}

/** Trees of stored images: the arrays of one image and the open files of one layer are shared by all that use them. */
export class TreeCache {
  readonly #folder: LayoutFolder;
  readonly #onUnused: (id: string) => void;
  readonly #images = new Map<string, OpenImage>();
  readonly #layers = new Map<string, LayerFile>();

  /** `onUnused` gets the id of an image when its last tree was closed. */
  constructor(folder: LayoutFolder, onUnused: (id: string) => void) {
    this.#folder = folder;
    this.#onUnused = onUnused;
  }

  isOpen(id: string): boolean {
    return this.#images.has(id);
  }

  async open(image: ImageRecord): Promise<ImageTree> {
    const entry = this.#images.get(image.id) ?? { packed: this.#load(image), users: 0 };
    this.#images.set(image.id, entry);
    const holder = this.#holder(image.id, entry);
    const layers: LayerFile[] = [];
    try {
      const packed = await entry.packed;
      for (const { digest, size } of image.layers) layers.push(this.#layer(digest, size));
      return new ImageTree(treeId(image.layers.map(({ digest }) => digest)), packed, layers, holder);
    } catch (error) {
      for (const layer of layers) layer.release();
      holder.release();
      throw error;
    }
  }

  /** Counts the trees of an image, starting with one. */
  #holder(id: string, entry: OpenImage): Holder {
    entry.users++;
    return {
      retain: () => void entry.users++,
      release: () => {
        if (--entry.users !== 0) return;
        this.#images.delete(id);
        this.#onUnused(id);
      },
    };
  }

  #layer(digest: string, size: number): LayerFile {
    const known = this.#layers.get(digest);
    if (known) return known.retain();
    const layer = new LayerFile(this.#folder.blob(digest), () => this.#layers.delete(digest));
    if (layer.size !== size) {
      layer.release();
      throw new BootyardError(
        'image.damaged',
        `The layer ${digest.slice(0, 12)} is cut off: import the image again.`,
      );
    }
    this.#layers.set(digest, layer);
    return layer;
  }

  /** The indexes of an image's layers, the lowest first. */
  async indexes(image: ImageRecord): Promise<LayerIndex[]> {
    const indexes: LayerIndex[] = [];
    for (const layer of image.layers) indexes.push(await this.index(layer));
    return indexes;
  }

  /** The merged tree from disk, or made from the layers' indexes and put there. */
  async #load(image: ImageRecord): Promise<PackedTree> {
    const saved = loadPacked(this.#folder.tree(image.id), TREE_FORMAT);
    if (saved) return saved;
    const packed = await mergeInSlices(
      await this.indexes(image),
      treeId(image.layers.map(({ digest }) => digest)),
    );
    savePacked(this.#folder.tree(image.id), packed);
    return packed;
  }

  /** A layer's index from disk; made anew when it is missing, damaged or of an older form. */
  async index({ digest, size }: ImageRecord['layers'][number]): Promise<LayerIndex> {
    const file = this.#folder.layerIndex(digest);
    const saved = loadLayerIndex(file, size);
    if (saved) return saved;
    const handle = await open(this.#folder.blob(digest), 'r');
    try {
      const index = await scanTar(handle.fd, size, { needsEnd: false });
      saveLayerIndex(file, index);
      return index;
    } finally {
      await handle.close();
    }
  }
}
