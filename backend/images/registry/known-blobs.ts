import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Descriptor } from '../oci.ts';

/** How registries keep a layer whose tar is in the store: compressed, and in which repositories it was seen. */
const KnownBlob = z.object({
  blob: Descriptor,
  places: z.array(z.object({ host: z.string(), repository: z.string() })),
});
type KnownBlob = z.infer<typeof KnownBlob>;
type Place = KnownBlob['places'][number];

const MAX_PLACES = 8;
/** OCI's media types of layers (image-spec 1.1, "layer.md") for what Docker and OCI call the same. */
const OCI_TYPES: Record<string, string> = {
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar': 'application/vnd.oci.image.layer.v1.tar',
};

/**
 * A folder with what is known of layers, by the digest of their tar (64 hex digits): a layer that a registry has is then
 * neither compressed nor sent again. It is a cache: what cannot be read is not known.
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
    const known = this.get(tar);
    const others = known?.blob.digest === digest ? known.places : [];
    const isOther = (other: Place): boolean =>
      other.host !== place.host || other.repository !== place.repository;
    const entry: KnownBlob = {
      blob: { mediaType: OCI_TYPES[mediaType] ?? mediaType, digest, size },
      places: [place, ...others.filter(isOther)].slice(0, MAX_PLACES),
    };
    mkdirSync(this.#folder, { recursive: true });
    const temporary = join(this.#folder, `.${randomBytes(6).toString('hex')}`);
    writeFileSync(temporary, JSON.stringify(entry));
    renameSync(temporary, join(this.#folder, tar));
  }
}
