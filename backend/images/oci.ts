import * as z from 'zod';
import { BootyardError } from '../errors.ts';

/** Documents of the OCI image-spec 1.1 and of `docker save`, as far as they are read. Other fields are let through. */
export const MediaType = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** Annotation of ours in index.json: the link by which an image was cloned. */
export const ORIGIN = 'dev.bootyard.origin';
/** The same: the Dockerfile of which an image was built, as JSON of `BuiltFrom`. */
export const BUILT_FROM = 'dev.bootyard.built-from';

/** What an image was built of: paths of this host, absolute, without links. */
export const BuiltFrom = z.object({ folder: z.string(), dockerfile: z.string() });
export type BuiltFrom = z.infer<typeof BuiltFrom>;

/** The same: what a lab file made an image by, as JSON of `Recipe`. */
export const RECIPE = 'dev.bootyard.recipe';
/**
 * How an image was made, so that it need not be made again as long as that is the same. `entry`: as a lab file says it;
 * `digest`: SHA-256 of that and of all the files that went in.
 */
export const Recipe = z.object({
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  entry: z.record(z.string(), z.json()),
});
export type Recipe = z.infer<typeof Recipe>;

/** `sha256:` and 64 hex digits; no other algorithm is used in practice. */
export const Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const Descriptor = z.looseObject({
  mediaType: z.string(),
  digest: Digest,
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.looseObject({ architecture: z.string(), os: z.string() }).optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

export const Index = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(Descriptor) });
export type Index = z.infer<typeof Index>;

export const Manifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor),
});
export type Manifest = z.infer<typeof Manifest>;

export const Config = z.looseObject({
  created: z.string().optional(),
  architecture: z.string().default('amd64'),
  history: z.array(z.looseObject({})).nullish(),
  config: z.looseObject({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
  rootfs: z.looseObject({ diff_ids: z.array(Digest) }),
});
export type Config = z.infer<typeof Config>;

export const Layout = z.looseObject({ imageLayoutVersion: z.string() });

/** `manifest.json` of a Docker archive. */
export const DockerArchive = z
  .array(
    z.looseObject({
      Config: z.string(),
      Layers: z.array(z.string()),
      RepoTags: z.array(z.string()).nullish(),
    }),
  )
  .min(1);

/** What is deeper could be read, but not be written again: that takes a call for each level. */
const MAX_DEPTH = 100;

function isTooDeep(document: unknown): boolean {
  let level = [document];
  for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
  return level.length > 0;
}

/** Parses a JSON document of an image; `what` names it in the error's sentence. */
export function parseDocument<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.output<T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new BootyardError('image.badDocument', `The image is refused: its ${what} is not JSON.`);
  }
  if (isTooDeep(parsed)) {
    throw new BootyardError(
      'image.badDocument',
      `The image is refused: its ${what} is nested more than ${MAX_DEPTH} levels deep.`,
    );
  }
  const checked = schema.safeParse(parsed);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const where = issue && issue.path.length > 0 ? ` at '${issue.path.join('.')}'` : '';
  throw new BootyardError(
    'image.badDocument',
    `The image is refused: its ${what} is not as the OCI image specification says${where} (${issue?.message ?? 'unknown'}).`,
  );
}

export function labelsOf(config: Config): Record<string, string> {
  return config.config?.Labels ?? {};
}

export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
