import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { Descriptor, Digest } from '../oci.ts';

/** How others keep a layer whose tar is in the store. */
const KnownBlob = z.object({
  /** what registries have, compressed */
  blob: Descriptor.optional(),
  /** where it was seen */
  places: z.array(z.object({ host: z.string(), repository: z.string() })),
  /** by which Docker asks a registry for it, the latest first */
  docker: z.array(Digest).default([]),
});
type KnownBlob = z.infer<typeof KnownBlob>;
type Place = KnownBlob['places'][number];

const MAX_PLACES = 8;
const MAX_DIGESTS = 8;
/** OCI's media types of layers (image-spec 1.1, "layer.md") for what Docker and OCI call the same. */
const OCI_TYPES: Record<string, string> = {
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar': 'application/vnd.oci.image.layer.v1.tar',
};

/**
 * A folder with what is known of layers, by the digest of their tar (64 hex digits): a layer that a registry or Docker
 * has is then neither compressed nor sent again. It is a cache: what cannot be read is not known.
 */
export class KnownBlobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get(tar: string): KnownBlob | undefined {
    try {
      return KnownBlob.parse(JSON.parse(readFileSync(join(this.#folder, tar), 'utf8')));
    } catch {
      return undefined;
    }
  }

  put(tar: string, { mediaType, digest, size }: Descriptor, place: Place): void {
    const { blob, places = [], docker = [] } = this.get(tar) ?? {};
    const others = blob?.digest === digest ? places : [];
    const isOther = (other: Place): boolean =>
      other.host !== place.host || other.repository !== place.repository;
    this.#write(tar, {
      blob: { mediaType: OCI_TYPES[mediaType] ?? mediaType, digest, size },
      places: [place, ...others.filter(isOther)].slice(0, MAX_PLACES),
      docker,
    });
  }

  putDocker(tar: string, digest: string): void {
    const known = this.get(tar) ?? { places: [], docker: [] };
    if (known.docker[0] === digest) return;
    const others = known.docker.filter((other) => other !== digest);
    this.#write(tar, { ...known, docker: [digest, ...others].slice(0, MAX_DIGESTS) });
  }

  #write(tar: string, entry: KnownBlob): void {
    mkdirSync(this.#folder, { recursive: true });
    const temporary = join(this.#folder, `.${randomBytes(6).toString('hex')}`);
    writeFileSync(temporary, JSON.stringify(entry));
    renameSync(temporary, join(this.#folder, tar));
  }
}
