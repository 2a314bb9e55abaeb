import { existsSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { BootyardError } from '../errors.ts';
import type { ImportedImage } from './import-layout.ts';
import { saveLayerIndex } from './tree/layer-index.ts';
import type { LayoutFolder } from './layout-folder.ts';
import { imageModels } from './names.ts';
import { savePacked } from './tree/packed.ts';
import {
  BUILT_FROM,
  BuiltFrom,
  Config,
  type Descriptor,
  hexOf,
  labelsOf,
  Manifest,
  MediaType,
  ORIGIN,
  parseDocument,
  RECIPE,
  Recipe,
} from './oci.ts';

export interface ImageRecord {
  name: string;
  /** 64 hex digits: SHA-256 of the configuration, as Docker and Podman count it */
  id: string;
  labels: Record<string, string>;
  /** uncompressed bytes of all layers */
  sizeBytes: number;
  /** ISO time */
  created: string;
  /** lowest first; digests are 64 hex digits */
  layers: { digest: string; size: number }[];
  architecture: string;
  /** node models that it serves (label walt.node.models) */
  models: string[];
  /** the link by which it was cloned, as long as it was not changed here */
  origin?: string;
  /** what it was built of here, also when it was changed since */
  builtFrom?: BuiltFrom;
  /** how it was made here, as long as it was not changed since */
  recipe?: Recipe;
}
export interface StoredManifest {
  manifest: Descriptor;
  record: ImageRecord;
}

/** Reads what the store's index.json refers to. Throws when a document or layer is missing or damaged. */
export function recordOf(folder: LayoutFolder, descriptor: Descriptor, name: string): ImageRecord {
  const manifest = parseDocument(Manifest, folder.readBlob(hexOf(descriptor.digest)), 'manifest');
  const id = hexOf(manifest.config.digest);
  const config = parseDocument(Config, folder.readBlob(id), 'configuration');
  if (manifest.layers.some((layer) => layer.mediaType !== MediaType.layer)) {
    throw new BootyardError(
      'image.foreign',
      'Its layers are compressed, so Bootyard did not put it here: import it.',
    );
  }
  const layers = manifest.layers.map(({ digest, size }) => ({ digest: hexOf(digest), size }));
  const origin = descriptor.annotations?.[ORIGIN];
  for (const layer of layers) {
    if (statSync(folder.blob(layer.digest)).size === layer.size) continue;
    throw new BootyardError(
      'image.damaged',
      `The layer ${layer.digest.slice(0, 12)} is cut off: import the image again.`,
    );
  }
  const builtFrom = annotation(descriptor, BUILT_FROM, BuiltFrom);
  const recipe = annotation(descriptor, RECIPE, Recipe);
  return { ...makeRecord(name, id, config, layers), origin, builtFrom, recipe };
}

/** Others may have written the index: what is no such record is none. */
function annotation<T>({ annotations }: Descriptor, key: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(annotations?.[key] ?? 'null')).data;
  } catch {
    return undefined;
  }
}

function makeRecord(name: string, id: string, config: Config, layers: ImageRecord['layers']): ImageRecord {
  const labels = labelsOf(config);
  return {
    name,
    id,
    labels,
    sizeBytes: layers.reduce((sum, layer) => sum + layer.size, 0),
    created: isoTime(config.created),
    layers,
    architecture: config.architecture,
    models: imageModels(labels),
  };
}

/** Configurations have times with nanoseconds and zones, or none. */
function isoTime(text: string | undefined): string {
  const time = new Date(text ?? 0);
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString();
}

/**
 * Moves a staged image into the store: layers and their indexes, tree, configuration, manifest; nothing refers to them yet.
 * It is one synchronous step, so that no collection of garbage can come between. `check` may refuse before it starts.
 */
export function storeImage(
  folder: LayoutFolder,
  image: ImportedImage,
  labels: Record<string, string>,
  check: (labels: Record<string, string>) => void,
): StoredManifest {
  const configBytes = labelled(image.config, labels);
  const config = parseDocument(Config, configBytes, 'configuration');
  check(labelsOf(config));
  for (const layer of image.layers) checkHeld(folder, layer);
  for (const layer of image.layers) saveLayerIndex(folder.layerIndex(layer.digest), layer.index);
  for (const layer of image.layers) if ('file' in layer) folder.takeBlob(layer.file, layer.digest);
  const id = folder.addBlob(configBytes);
  savePacked(folder.tree(id), image.tree);
  const layers = [...(image.base ?? []), ...image.layers].map(({ digest, size }) => ({ digest, size }));
  const manifest = manifestOf(id, configBytes.length, layers);
  const digest = `sha256:${folder.addBlob(manifest)}`;
  return {
    manifest: { mediaType: MediaType.manifest, digest, size: manifest.length },
    record: makeRecord('', id, config, layers),
  };
}

/** The manifest of an image as the store has it, or with Docker's media types; digests are 64 hex digits. */
export function manifestOf(
  id: string,
  configSize: number,
  layers: ImageRecord['layers'],
  kind: 'oci' | 'docker' = 'oci',
): Buffer {
  const isOci = kind === 'oci';
  const configType = isOci ? MediaType.config : MediaType.dockerConfig;
  const mediaType = isOci ? MediaType.layer : MediaType.dockerLayer;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: isOci ? MediaType.manifest : MediaType.dockerManifest,
      config: { mediaType: configType, digest: `sha256:${id}`, size: configSize },
      layers: layers.map(({ digest, size }) => ({ mediaType, digest: `sha256:${digest}`, size })),
    }),
  );
}

/** A layer that was in the store may have gone with the last image that had it. */
function checkHeld(folder: LayoutFolder, layer: ImportedImage['layers'][number]): void {
  if ('file' in layer || existsSync(folder.blob(layer.digest))) return;
  throw new BootyardError(
    'image.layerGone',
    'A layer of the image was removed from the store meanwhile: try again.',
  );
}

/** The configuration with labels added; byte by byte the same when there is nothing to add, so that its id stays. */
function labelled(bytes: Buffer, labels: Record<string, string>): Buffer {
  const config = parseDocument(Config, bytes, 'configuration');
  const known = labelsOf(config);
  if (Object.entries(labels).every(([key, value]) => known[key] === value)) return bytes;
  return Buffer.from(
    JSON.stringify({ ...config, config: { ...config.config, Labels: { ...known, ...labels } } }),
  );
}
