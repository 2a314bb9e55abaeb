import { BootyardError, messageOf } from '../errors.ts';
import { readImage } from './import.ts';
import { ImageChecksums } from './checksums.ts';
import { importWarnings } from './import-warnings.ts';
import type { LayerIndex } from './tree/layer-index.ts';
import type { HeldLayer } from './import-layout.ts';
import { LayoutFolder } from './layout-folder.ts';
import type { ImageManifest } from './tree/manifest.ts';
import { imageName } from './names.ts';
import { mergeInSlices } from './tree/merge-layers.ts';
import {
  BUILT_FROM,
  Config,
  hexOf,
  ORIGIN,
  RECIPE,
  REF_NAME,
  parseDocument,
  type Descriptor,
} from './oci.ts';
import { checkLayerCount, withLayer } from './derived.ts';
import { type ImageRecord, recordOf, type StoredManifest, storeImage } from './records.ts';
import { type ImportControl, type StagedLayer, Staging } from './staging.ts';
import { TreeCache } from './tree/tree-cache.ts';
import { type ImageTree, treeId } from './tree/tree.ts';
import { type StoreUsage, usageOf } from './usage.ts';

import type {
  Derived,
  DeriveOptions,
  ImportParams,
  OpenImage,
  StoreOptions,
  Transfer,
} from './store-calls.ts';

export type * from './store-calls.ts';
export type { ImageRecord } from './records.ts';
export type { ImportProgress } from './staging.ts';

/** An image of the store. One without a name has lost it, and is kept while a node may still run on it. */
interface Entry {
  manifest: Descriptor;
  name: string | undefined;
  record: ImageRecord;
}

/**
 * The images: an OCI image layout on disk that skopeo and others can read, with layers kept as plain tars, so that trees
 * are served from them. One process uses a folder at a time; calls may overlap.
 */
export class ImageStore {
  readonly #folder: LayoutFolder;
  readonly #trees: TreeCache;
  readonly #options: StoreOptions;
  readonly #checksums: ImageChecksums;
  #entries: Entry[] = [];
  /** of index.json, but damaged or not ours: they stay as they are until their names are used anew */
  #unreadable: Descriptor[] = [];

  /** Opens the store in `folder`, or makes it. Images that cannot be read are logged and not listed. */
  constructor(folder: string, options: StoreOptions = {}) {
    this.#options = options;
    this.#folder = new LayoutFolder(folder);
    this.#trees = new TreeCache(this.#folder, (id) => this.#unused(id));
    this.#checksums = new ImageChecksums(this.#folder, (id) => this.tree(id));
    for (const manifest of this.#folder.readIndex()) {
      const name = manifest.annotations?.[REF_NAME];
      try {
        this.#entries.push({ manifest, name, record: recordOf(this.#folder, manifest, name ?? '') });
      } catch (error) {
        this.#unreadable.push(manifest);
        options.log?.(`image ${name ?? manifest.digest} cannot be used: ${messageOf(error)}`);
      }
    }
  }

  /** All images that have a name, in the order of names. */
  list(): ImageRecord[] {
    const named = this.#entries.filter((entry) => entry.name !== undefined).map((entry) => entry.record);
    return named.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): ImageRecord | undefined {
    const wanted = name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name;
    return this.#entries.find((entry) => entry.name === wanted)?.record;
  }

  /**
   * Brings an image in. Until it is complete nothing of it can be seen; when it fails or is cancelled nothing is left.
   * Throws sentences for names, kinds, damaged and hostile content.
   */
  async import(params: ImportParams): Promise<ImageRecord> {
    const name = imageName(params.name);
    this.#checkFree(name, params.force);
    const { signal, progress } = params;
    const staging = new Staging(this.#folder.temporary, { signal, progress }, this.#options.maxLayerBytes);
    try {
      const image = await readImage(params.path, staging, (digest) => this.#heldLayer(digest));
      params.signal?.throwIfAborted();
      const stored = storeImage(this.#folder, image, params.labels ?? {}, (labels) => {
        this.#checkFree(name, params.force);
        params.check?.(labels);
      });
      const { origin, builtFrom, recipe } = params;
      const record = this.#add(name, { ...stored, record: { ...stored.record, origin, builtFrom, recipe } });
      await this.collect();
      for (const sentence of importWarnings(image.tree)) params.warn?.(sentence);
      return record;
    } catch (error) {
      await this.collect();
      throw error;
    } finally {
      staging.dispose();
    }
  }

  async #heldLayer(digest: string): Promise<HeldLayer | undefined> {
    const entry = this.#entries.find(({ record }) => record.layers.some((layer) => layer.digest === digest));
    const layer = entry?.record.layers.find((candidate) => candidate.digest === digest);
    return layer && { ...layer, index: await this.#trees.index(layer) };
  }

  /** What those need to know who move images from and to registries. Throws `image.unknown`. */
  transfer({ layers, image }: { layers: readonly string[]; image?: string }): Transfer {
    const there = new Set(this.#entries.flatMap(({ record }) => record.layers.map(({ digest }) => digest)));
    const record = image === undefined ? undefined : this.named(image);
    const content = record && { ...record, config: this.#folder.readBlob(record.id).toString('utf8') };
    return {
      there: layers.filter((digest) => there.has(digest)),
      folders: this.#folder.transfers,
      ...(content ? { content } : {}),
    };
  }

  /** A folder to make a layer in; the caller disposes it. */
  staging(control: ImportControl): Staging {
    return new Staging(this.#folder.temporary, control);
  }

  /**
   * Makes an image of another one and one more layer: same configuration and labels, one more entry of history. Throws
   * `image.exists` when the name is taken and `force` is not given. Until it is complete nothing of it can be seen; when it
   * is cancelled nothing is left.
   */
  async addLayer(params: {
    /** id of the image below */
    base: string;
    layer: StagedLayer;
    name: string;
    /** what made the layer, for the history */
    createdBy: string;
    force?: boolean;
    signal?: AbortSignal;
    check?: () => void;
  }): Promise<ImageRecord> {
    const { base, layer, createdBy, ...options } = params;
    this.checkName(params.name, params.force);
    const image = await this.openId(base);
    try {
      const config = withLayer(image.config, layer, createdBy);
      return await this.derive(image, { config, added: [layer] }, options);
    } finally {
      image.tree.close();
    }
  }

  /**
   * Makes an image of another one that is open: `config` becomes its configuration; `added` come on top of its layers, or
   * `squashed` takes their place. `check` may refuse at the last moment. Throws as `addLayer`, and `image.tooManyLayers`.
   */
  async derive(base: OpenImage, made: Derived, options: DeriveOptions): Promise<ImageRecord> {
    const { signal, force } = options;
    const name = imageName(options.name);
    const { added = [], squashed, kept } = made;
    const below = squashed ? [] : base.record.layers.slice(0, kept);
    const layers = squashed ? [squashed] : added;
    if (added.length > 0) checkLayerCount({ ...base.record, layers: below });
    try {
      signal?.throwIfAborted();
      const lower = await this.#trees.indexes({ ...base.record, layers: below });
      const id = treeId([...below, ...layers].map(({ digest }) => digest));
      const tree = await mergeInSlices([...lower, ...layers.map(({ index }) => index)], id, signal);
      const image = { config: Buffer.from(JSON.stringify(made.config)), base: below, layers, tree };
      const stored = storeImage(this.#folder, image, {}, (labels) => {
        this.#checkFree(name, force);
        options.check?.(labels);
      });
      const { builtFrom } = name === base.record.name ? base.record : {};
      return this.#add(name, { ...stored, record: { ...stored.record, builtFrom } });
    } finally {
      await this.collect();
    }
  }

  /** An image by its name, to read its parts; `tree.close()` lets it go. Throws `image.unknown`. */
  open(name: string): Promise<OpenImage> {
    return this.#open(this.#named(name));
  }

  /** One that may have lost its name, as `open`. Throws `image.gone`. */
  openId(id: string): Promise<OpenImage> {
    return this.#open(this.#byId(id));
  }

  #byId(id: string): Entry {
    const entry = this.#entries.find(({ record }) => record.id === id);
    if (entry) return entry;
    throw new BootyardError('image.gone', `There is no image with id ${id.slice(0, 12)} any more.`, { id });
  }

  async #open({ record, manifest }: Entry): Promise<OpenImage> {
    const tree = await this.#trees.open(record);
    try {
      return {
        record,
        manifest,
        tree,
        config: this.config(record.id),
        blob: (hex) => this.#folder.blob(hex),
      };
    } catch (error) {
      tree.close();
      throw error;
    }
  }

  /** The configuration of an image that is there. */
  config(id: string): Config {
    return parseDocument(Config, this.#folder.readBlob(id), 'configuration');
  }

  /** Gives an image one more name. Throws `image.unknown`, `image.exists`. */
  duplicate(name: string, as: string): ImageRecord {
    const free = imageName(as);
    const entry = this.#named(name);
    this.#checkFree(free);
    return this.#add(free, entry);
  }

  /** Throws as `duplicate`. */
  rename(name: string, as: string): ImageRecord {
    const free = imageName(as);
    const entry = this.#named(name);
    this.#checkFree(free);
    const old = entry.record.name;
    this.#entries = this.#entries.filter((other) => other !== entry);
    const record = this.#add(free, entry);
    this.#options.publish?.({ kind: 'image', phase: 'removed', name: old });
    return record;
  }

  /** Throws `image.unknown`. */
  named(name: string): ImageRecord {
    return this.#named(name).record;
  }

  #named(name: string): Entry {
    const record = this.get(name);
    const entry = this.#entries.find((candidate) => candidate.record === record);
    if (entry) return entry;
    throw new BootyardError('image.unknown', `Error: No such image '${name}'. (tip: bootyard image show)`, {
      image: name,
    });
  }

  /** Images without a name, which nodes or snapshots still need. */
  unnamed(): ImageRecord[] {
    const named = new Set(this.list().map(({ id }) => id));
    return this.#entries.map(({ record }) => record).filter(({ id }) => !named.has(id));
  }

  usage(): StoreUsage {
    const documents = this.#entries.flatMap(({ manifest, record }) => [hexOf(manifest.digest), record.id]);
    return usageOf(this.#folder, [...this.list(), ...this.unnamed()], new Set(documents));
  }

  /** Throws for a name that no image may have, and, without `force`, for one that an image has. */
  checkName(name: string, force = false): void {
    this.#checkFree(imageName(name), force);
  }

  #checkFree(name: string, force = false): void {
    if (force || !this.get(name)) return;
    throw new BootyardError('image.exists', `Error: Image '${name}' already exists.`, { image: name });
  }

  #add(name: string, { manifest, record }: StoredManifest): ImageRecord {
    this.#forget(name);
    this.#unreadable = this.#unreadable.filter((manifest) => manifest.annotations?.[REF_NAME] !== name);
    // Should the same image be there without a name, it has one again.
    this.#entries = this.#entries.filter(
      (entry) => entry.name !== undefined || entry.record.id !== record.id,
    );
    const named = { ...record, name };
    const annotations: Record<string, string> = { [REF_NAME]: name };
    if (record.origin !== undefined) annotations[ORIGIN] = record.origin;
    if (record.builtFrom !== undefined) annotations[BUILT_FROM] = JSON.stringify(record.builtFrom);
    if (record.recipe !== undefined) annotations[RECIPE] = JSON.stringify(record.recipe);
    this.#entries.push({ manifest: { ...manifest, annotations }, name, record: named });
    this.#save();
    this.#options.publish?.({ kind: 'image', phase: 'added', name });
    return named;
  }

  /** Takes an image's name away. Its content goes as soon as no tree of it is open. */
  async remove(name: string): Promise<void> {
    const record = this.named(name);
    this.#forget(record.name);
    this.#save();
    this.#options.publish?.({ kind: 'image', phase: 'removed', name: record.name });
    await this.collect();
  }

  /** Leaves the entry without its name; `collect` takes it away when it is not needed. */
  #forget(name: string): void {
    const entry = this.#entries.find((candidate) => candidate.name === name);
    if (!entry) return;
    entry.name = undefined;
    entry.record = { ...entry.record, name: '' };
    entry.manifest = { ...entry.manifest, annotations: undefined };
  }

  #save(): void {
    this.#folder.writeIndex([...this.#entries.map((entry) => entry.manifest), ...this.#unreadable]);
  }

  /**
   * The root file system of an image, by id; images that have lost their name are found too. Trees of one image share
   * memory and files. The caller closes it.
   */
  async tree(id: string): Promise<ImageTree> {
    return this.#trees.open(this.#byId(id).record);
  }

  /** What each layer of an image holds, the lowest first; for as long as a tree of it is open. */
  layerIndexes(image: ImageRecord): Promise<LayerIndex[]> {
    return this.#trees.indexes(image);
  }

  /** The checksums of an image's files. The first time, each of them is read. */
  manifest(id: string): Promise<ImageManifest> {
    return this.#checksums.of(id);
  }

  /** The manifest of an image that may be gone, if one was made. `id`: 64 hex digits */
  keptManifest(id: string): ImageManifest | undefined {
    return this.#checksums.kept(id);
  }

  /**
   * Removes images without a name that are not needed and that no tree is open of, and all files that no image needs. Done after each import and
   * removal; a new daemon calls it when it has opened the trees of nodes that run.
   */
  async collect(): Promise<void> {
    const kept = this.#entries.filter(
      ({ name, record: { id } }) =>
        name !== undefined || this.#trees.isOpen(id) || this.#options.isNeeded?.(id),
    );
    if (kept.length !== this.#entries.length) {
      this.#entries = kept;
      this.#save();
    }
    // What an image needs that cannot be read is not known, so nothing is thrown away.
    if (this.#unreadable.length > 0) return;
    const blobs = new Set<string>();
    for (const { manifest, record } of kept) {
      blobs.add(manifest.digest.slice('sha256:'.length));
      blobs.add(record.id);
      for (const layer of record.layers) blobs.add(layer.digest);
    }
    const ids = new Set(kept.map((entry) => entry.record.id));
    this.#checksums.collect(ids);
    await this.#folder.removeAllBut(blobs, ids);
  }

  /** The last tree of an image was closed. */
  #unused(id: string): void {
    if (!this.#entries.some((entry) => entry.name === undefined && entry.record.id === id)) return;
    this.collect().catch((error: unknown) => {
      this.#options.log?.(`unused files of the image store stay until later: ${messageOf(error)}`);
    });
  }
}
