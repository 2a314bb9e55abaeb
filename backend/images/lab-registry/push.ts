import type { PushedManifest, ServedManifest } from '../../protocols/registry/content.ts';
import { RegistryError } from '../../protocols/registry/errors.ts';
import { checkLayerCount, hostArchitecture } from '../import-layout.ts';
import { imageModels, imageName } from '../names.ts';
import {
  Config,
  type Descriptor,
  hexOf,
  Index,
  labelsOf,
  Manifest,
  MediaType,
  parseDocument,
} from '../oci.ts';

/** An image as a client describes it; nothing of it is believed but that digests were checked when bytes came. */
export interface PushedImage {
  /** what the tag names, and the manifest in it if that is an index */
  documents: ServedManifest[];
  manifest: ServedManifest;
  config: { digest: string; bytes: Buffer };
  /** lowest first: digests of the blob and of its tar */
  layers: { blob: string; tar: string }[];
  /** of the label walt.node.models */
  models: string[];
}

/** What is here already. */
export interface Known {
  bytes: (digest: string) => Buffer | undefined;
  has: (hex: string) => boolean;
  /** a manifest of this repository that came before its index */
  untagged: (digest: string) => boolean;
}

const INDEXES: string[] = [MediaType.index, MediaType.dockerList];
const MANIFESTS: string[] = [MediaType.manifest, MediaType.dockerManifest];
const CONFIGS: string[] = [MediaType.config, MediaType.dockerConfig];

/**
 * Reads a manifest or index, all of whose parts must be here. Undefined for one that is no image of its own: it is pushed
 * by digest, for an index, or an index without an image for this machine. Throws `RegistryError`, or `image.…` for what
 * is malformed.
 */
export function readPush(pushed: PushedManifest, known: Known): PushedImage | undefined {
  const { repository, reference, mediaType, bytes } = pushed;
  const isTagged = !reference.startsWith('sha256:');
  if (isTagged) imageName(reference === 'latest' ? repository : `${repository}:${reference}`);
  checkType(mediaType, bytes);
  if (MANIFESTS.includes(mediaType)) {
    if (isTagged) return readManifest(pushed, [pushed], known);
    // Such as an attestation of BuildKit, which looks like an image and is none.
    checkParts(parseDocument(Manifest, bytes, 'manifest'), known);
    return undefined;
  }
  const index = parseDocument(Index, bytes, 'index');
  for (const { digest } of index.manifests) {
    if (!known.untagged(digest)) throw missing(digest);
  }
  const entry = forThisMachine(index);
  const child = entry && known.bytes(entry.digest);
  if (!entry || !child || !MANIFESTS.includes(entry.mediaType)) return undefined;
  const manifest = { mediaType: entry.mediaType, digest: entry.digest, bytes: child };
  return readManifest(manifest, [pushed, manifest], known);
}

function checkType(mediaType: string, bytes: Buffer): void {
  if (![...INDEXES, ...MANIFESTS].includes(mediaType)) {
    throw new RegistryError(
      'MANIFEST_INVALID',
      `Manifests of type '${mediaType.slice(0, 100)}' are not taken.`,
    );
  }
  let stated: unknown;
  try {
    stated = (JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown } | null)?.mediaType;
  } catch {
    throw new RegistryError('MANIFEST_INVALID', 'The manifest is not JSON.');
  }
  if (stated === undefined || stated === mediaType) return;
  throw new RegistryError('MANIFEST_INVALID', 'The manifest is of another type than the request says.');
}

function readManifest(
  { mediaType, digest, bytes }: ServedManifest,
  documents: ServedManifest[],
  known: Known,
): PushedImage {
  const manifest = parseDocument(Manifest, bytes, 'manifest');
  checkParts(manifest, known);
  const configBytes = CONFIGS.includes(manifest.config.mediaType)
    ? known.bytes(manifest.config.digest)
    : undefined;
  if (!configBytes) {
    throw new RegistryError('MANIFEST_INVALID', 'This is no image but an artefact of another kind.');
  }
  const config = parseDocument(Config, configBytes, 'configuration');
  const tars = config.rootfs.diff_ids;
  checkLayerCount(manifest.layers.length, config);
  return {
    documents: documents.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, bytes })),
    manifest: { mediaType, digest, bytes },
    config: { digest: manifest.config.digest, bytes: configBytes },
    layers: manifest.layers.map(({ digest }, at) => ({ blob: digest, tar: tars[at] ?? '' })),
    models: imageModels(labelsOf(config)),
  };
}

function checkParts({ config, layers }: Manifest, known: Known): void {
  for (const { digest } of [config, ...layers]) if (!known.has(hexOf(digest))) throw missing(digest);
}

function forThisMachine({ manifests }: Index): Descriptor | undefined {
  const images = manifests.filter(({ platform }) => !platform || platform.os === 'linux');
  const [only] = images;
  return (
    images.find(({ platform }) => platform?.architecture === hostArchitecture()) ??
    (images.length === 1 ? only : undefined)
  );
}

function missing(digest: string): RegistryError {
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', `The registry lacks ${digest}: send it first.`);
}
