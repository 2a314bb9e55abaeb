/** What a registry serves and takes; digests are `sha256:` and 64 hex digits, `hex` those digits alone. */

export interface ServedManifest {
  mediaType: string;
  digest: string;
  bytes: Buffer;
}
export interface ServedBlob {
  /** its content never changes, but it may be unlinked at any time */
  file: string;
  /** bytes */
  size: number;
}
/** One that need not be sent, but is not to be had. */
export interface PresentBlob {
  file?: undefined;
  size: number;
}
export interface PushedManifest extends ServedManifest {
  repository: string;
  /** a tag or a digest */
  reference: string;
  /** the client is gone: nothing may be left of the push then */
  signal: AbortSignal;
}

export interface RegistryContent {
  /** the images that there are, in the order of repositories, then tags */
  names(): { repository: string; tag: string }[];
  /** A manifest in the forms in which it can be had, the best one first; none when it is unknown. */
  manifests(repository: string, reference: string): ServedManifest[];
  blob(hex: string): ServedBlob | PresentBlob | undefined;
  /** Takes a complete blob whose digest is right; the file is the content's then. */
  takeBlob(file: string, hex: string): void;
  /** Takes a manifest, and under a tag the image that it describes. Throws `RegistryError`. */
  push(manifest: PushedManifest): Promise<void>;
}
