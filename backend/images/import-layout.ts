import { createHash } from 'node:crypto';
import { BootyardError } from '../errors.ts';
import { readDocument, type ByteSource, type FileSet } from './blob-source.ts';
import {
  Config,
  type Descriptor,
  DockerArchive,
  hexOf,
  Index,
  Layout,
  Manifest,
  MediaType,
  parseDocument,
} from './oci.ts';
import type { LayerIndex } from './tree/layer-index.ts';
import { mergeInSlices } from './tree/merge-layers.ts';
import type { ImageRecord } from './records.ts';
import type { StagedLayer, Staging } from './staging.ts';
import { shown } from './tar/tar-path.ts';
import { treeId } from './tree/tree.ts';
import type { PackedTree } from './tree/tree-arrays.ts';

/** A layer that the store has already; digest: 64 hex digits. */
export interface HeldLayer {
  digest: string;
  size: number;
  index: LayerIndex;
}
/** Finds a layer of the store by the digest of its tar (64 hex digits). */
export type HeldLayers = (digest: string) => Promise<HeldLayer | undefined>;

/** What an import found: the image's configuration, byte by byte, and its layers, lowest first. */
export interface ImportedImage {
  config: Buffer;
  /** layers of the store that lie below */
  base?: ImageRecord['layers'];
  layers: (StagedLayer | HeldLayer)[];
  /** the layers merged */
  tree: PackedTree;
}

/** bytes of the description of one image; no engine makes more than 127 */
const MAX_LAYERS = 500;

/**
 * An image of an OCI image layout (image-spec 1.1, "image-layout.md"): a folder, or the content of an archive. Layers may
 * be missing in it that `held` finds.
 */
export async function importOciLayout(
  files: FileSet,
  staging: Staging,
  held: HeldLayers,
): Promise<ImportedImage> {
  parseDocument(Layout, await readDocument(files, 'oci-layout'), "file 'oci-layout'");
  const index = parseDocument(Index, await readDocument(files, 'index.json'), "file 'index.json'");
  const descriptor = await oneImage(index, files);
  const manifest = parseDocument(Manifest, await blob(files, descriptor), 'manifest');
  const configType = manifest.config.mediaType;
  if (configType !== MediaType.config && configType !== MediaType.dockerConfig) {
    throw new BootyardError(
      'image.notImage',
      `The layout holds no image but an artefact of type '${configType}'.`,
    );
  }
  const configBytes = await blob(files, manifest.config);
  const config = parseDocument(Config, configBytes, 'configuration');
  checkLayerCount(manifest.layers.length, config);
  const layers: ImportedImage['layers'] = [];
  for (const [at, layer] of manifest.layers.entries()) {
    const path = `blobs/sha256/${hexOf(layer.digest)}`;
    const source = await files.open(path);
    const tar = config.rootfs.diff_ids[at];
    const there = source || tar === undefined ? undefined : await held(hexOf(tar));
    const message = `Reading layer ${at + 1} of ${manifest.layers.length}`;
    layers.push(
      there ?? (await staging.layer(source ?? missing(path), message, { given: layer.digest, tar })),
    );
  }
  return { config: configBytes, layers, tree: await merged(layers) };
}

/** The manifest of the only image for this machine, looked for in nested indexes too. */
async function oneImage(index: Index, files: FileSet, depth = 0): Promise<Descriptor> {
  const candidates = index.manifests.filter((entry) => entry.platform?.os !== 'unknown');
  const fitting = candidates.filter(
    (entry) =>
      !entry.platform ||
      (entry.platform.os === 'linux' && entry.platform.architecture === hostArchitecture()),
  );
  const chosen = fitting.length > 0 ? fitting : candidates;
  const digests = new Set(chosen.map((entry) => entry.digest));
  const [first] = chosen;
  if (!first) throw new BootyardError('image.notImage', 'The layout holds no image.');
  if (digests.size > 1) {
    throw new BootyardError(
      'image.several',
      `The layout holds ${digests.size} images: make one with only the wanted image, for example with skopeo copy.`,
    );
  }
  if (first.mediaType !== MediaType.index && first.mediaType !== MediaType.dockerList) return first;
  if (depth >= 4)
    throw new BootyardError('image.badDocument', 'The image is refused: its indexes are nested too deep.');
  return oneImage(parseDocument(Index, await blob(files, first), 'index'), files, depth + 1);
}

/** An architecture by the name that images use (GOARCH). */
export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** A small blob, checked against its descriptor. */
async function blob(files: FileSet, descriptor: Descriptor): Promise<Buffer> {
  const hex = hexOf(descriptor.digest);
  const content = await readDocument(files, `blobs/sha256/${hex}`);
  checkDigest(content, hex);
  return content;
}

function checkDigest(content: Uint8Array, hex: string): void {
  if (createHash('sha256').update(content).digest('hex') === hex) return;
  throw new BootyardError(
    'image.wrongDigest',
    `The image is refused: the content of its blob ${hex.slice(0, 12)} does not match its digest; the image is damaged or was tampered with.`,
    { digest: hex },
  );
}

export function checkLayerCount(count: number, config: Config): void {
  const stated = config.rootfs.diff_ids.length;
  if (count === stated && count <= MAX_LAYERS) return;
  throw new BootyardError(
    'image.badDocument',
    count === stated
      ? `The image is refused: it has more than ${MAX_LAYERS} layers.`
      : `The image is refused: its manifest has ${count} layers, its configuration ${stated}.`,
  );
}

async function openFile(files: FileSet, path: string): Promise<ByteSource> {
  return (await files.open(path)) ?? missing(path);
}

function missing(path: string): never {
  throw new BootyardError('image.incomplete', `The image is refused: its file ${shown(path)} is missing.`, {
    path,
  });
}

/** An image of a Docker archive (`docker save`), old or new form. */
export async function importDockerArchive(files: FileSet, staging: Staging): Promise<ImportedImage> {
  const images = parseDocument(
    DockerArchive,
    await readDocument(files, 'manifest.json'),
    "file 'manifest.json'",
  );
  const [image] = images;
  if (!image || images.length > 1) {
    throw new BootyardError(
      'image.several',
      `The archive holds ${images.length} images: save only the wanted one.`,
    );
  }
  const configBytes = await readDocument(files, image.Config);
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (named) checkDigest(configBytes, named);
  const config = parseDocument(Config, configBytes, 'configuration');
  checkLayerCount(image.Layers.length, config);
  const layers: StagedLayer[] = [];
  for (const [at, path] of image.Layers.entries()) {
    const message = `Reading layer ${at + 1} of ${image.Layers.length}`;
    layers.push(
      await staging.layer(await openFile(files, path), message, { tar: config.rootfs.diff_ids[at] }),
    );
  }
  return { config: configBytes, layers, tree: await merged(layers) };
}

function merged(layers: ImportedImage['layers']): Promise<PackedTree> {
  const id = treeId(layers.map((layer) => layer.digest));
  return mergeInSlices(
    layers.map((layer) => layer.index),
    id,
  );
}
