import { BootyardError } from '../../errors.ts';
import { checkLayerCount } from '../import-layout.ts';
import { Config, type Descriptor, Index, labelsOf, Manifest, MediaType, parseDocument } from '../oci.ts';
import type { RegistryClient, RemoteManifest } from './client.ts';

/** The description of an image in a registry: all but its layers. */
export interface RemoteImage {
  repository: string;
  manifest: RemoteManifest;
  /** byte by byte; its SHA-256 is the image's id */
  configBytes: Buffer;
  configDigest: string;
  labels: Record<string, string>;
  architecture: string;
  /** lowest first, with the digest of each tar (`sha256:…`) beside what the registry holds of it */
  layers: { blob: Descriptor; tar: string }[];
}

export interface ImageChoice {
  repository: string;
  /** a tag or a digest */
  reference: string;
  /** as configurations name it (GOARCH); without it that of the usual node model, or the only one that there is */
  architecture?: string;
  signal?: AbortSignal;
}

const USUAL_ARCHITECTURE = 'amd64';
const INDEXES = new Set<string>([MediaType.index, MediaType.dockerList]);
/** Compressed bytes of all layers. */
const MAX_BYTES = 64 * 2 ** 30;

/** Reads an image's description; undefined when the registry has no such image. */
export async function remoteImage(
  client: RegistryClient,
  choice: ImageChoice,
): Promise<RemoteImage | undefined> {
  const { repository, signal } = choice;
  const found = await client.manifest(repository, choice.reference, signal);
  if (!found) return undefined;
  const bytes = await oneManifest(client, found, choice);
  const manifest = parseDocument(Manifest, bytes.bytes, 'manifest');
  if (![MediaType.config, MediaType.dockerConfig].some((type) => type === manifest.config.mediaType)) {
    throw new BootyardError('image.notImage', `'${repository}' is no image but an artefact of another kind.`);
  }
  const configBytes = await client.document(repository, manifest.config, signal);
  const config = parseDocument(Config, configBytes, 'configuration');
  checkLayerCount(manifest.layers.length, config);
  checkSize(manifest.layers);
  const image = {
    repository,
    manifest: bytes,
    configBytes,
    configDigest: manifest.config.digest,
    labels: labelsOf(config),
    architecture: config.architecture,
    layers: manifest.layers.map((blob, at) => ({ blob, tar: config.rootfs.diff_ids[at] ?? '' })),
  };
  if (choice.architecture && image.architecture !== choice.architecture) {
    throw otherArchitecture(repository, choice.architecture, [image.architecture]);
  }
  return image;
}

async function oneManifest(
  client: RegistryClient,
  found: RemoteManifest,
  choice: ImageChoice,
): Promise<RemoteManifest> {
  if (!INDEXES.has(found.mediaType)) return found;
  const { repository, signal } = choice;
  const index = parseDocument(Index, found.bytes, 'index');
  const { digest } = platformOf(index, choice);
  const manifest = await client.manifest(repository, digest, signal);
  if (manifest && !INDEXES.has(manifest.mediaType)) return manifest;
  throw new BootyardError(
    'image.incomplete',
    `The image '${repository}' is refused: the registry does not have all of it.`,
  );
}

/** The entry of an index that fits; BuildKit's attestations are entries of platform unknown. */
function platformOf(index: Index, { repository, architecture }: ImageChoice): Descriptor {
  const images = index.manifests.filter(({ platform }) => !platform || platform.os === 'linux');
  const [only] = images;
  const named = (wanted: string) => images.find(({ platform }) => platform?.architecture === wanted);
  if (!architecture && only && images.length === 1) return only;
  const found = named(architecture ?? USUAL_ARCHITECTURE);
  if (found) return found;
  const there = images.map(({ platform }) => platform?.architecture ?? 'unknown');
  throw otherArchitecture(repository, architecture ?? USUAL_ARCHITECTURE, there);
}

function otherArchitecture(repository: string, wanted: string, there: string[]): BootyardError {
  const list = [...new Set(there)].join(', ') || 'nothing';
  return new BootyardError(
    'image.otherArchitecture',
    `The image '${repository}' is not made for ${wanted} but for ${list}: choose with --model a node model that fits.`,
    { wanted, there },
  );
}

function checkSize(layers: Descriptor[]): void {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  if (total <= MAX_BYTES) return;
  throw new BootyardError('registry.tooLarge', `The image is refused: its layers have ${total} bytes.`);
}
