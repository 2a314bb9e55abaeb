import { z } from 'zod';
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

/** Parses a JSON document of an image; `what` names it in the error's sentence. */
export function parseDocument<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.output<T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new BootyardError('image.badDocument', `The image is refused: its ${what} is not JSON.`);
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
