import type { Config } from './oci.ts';
import type { ImageRecord } from './records.ts';

type Layered = { layers: readonly { digest: string; size: number }[] };

/** One step in the making of an image. */
export interface HistoryEntry {
  /** ISO time, or '' when it is not told */
  created: string;
  createdBy: string;
  comment: string;
  /** counted from 1, the lowest; null: the step made none */
  layer: number | null;
  /** 64 hex digits of the layer, uncompressed */
  digest: string | null;
  sizeBytes: number;
  /** names of the other images that have the layer */
  sharedWith: string[];
}

/**
 * How an image was made, the last step first. Configurations need not tell; layers that they do not speak of follow the
 * last step that they do speak of (OCI image-spec, "config.md": history).
 */
export function historyOf(
  image: ImageRecord,
  config: Config,
  others: readonly ImageRecord[],
): HistoryEntry[] {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const layers = image.layers.entries();
  const layerOf = (next: IteratorResult<[number, ImageRecord['layers'][number]]>) => {
    if (next.done) return { layer: null, digest: null, sizeBytes: 0, sharedWith: [] };
    const [at, { digest, size }] = next.value;
    const sharing = others.filter(
      (other) => other.name !== image.name && other.layers.some((layer) => layer.digest === digest),
    );
    return { layer: at + 1, digest, sizeBytes: size, sharedWith: sharing.map(({ name }) => name) };
  };
  const none = { done: true, value: undefined } as const;
  const entries = (config.history ?? []).map((step) => ({
    created: text(step['created']),
    createdBy: text(step['created_by']),
    comment: text(step['comment']),
    ...layerOf(step['empty_layer'] === true ? none : layers.next()),
  }));
  for (let next = layers.next(); !next.done; next = layers.next())
    entries.push({ created: '', createdBy: '', comment: '', ...layerOf(next) });
  return entries.reverse();
}

/** The bytes of those of an image's layers that no other image has. */
export function ownBytes(image: Layered, users: ReadonlyMap<string, number>): number {
  return image.layers.reduce((sum, { digest, size }) => sum + (users.get(digest) === 1 ? size : 0), 0);
}

/** How many images have a layer, by its digest. */
export function layerUsers(images: readonly Layered[]): Map<string, number> {
  const users = new Map<string, number>();
  for (const image of images) {
    for (const digest of new Set(image.layers.map((layer) => layer.digest)))
      users.set(digest, (users.get(digest) ?? 0) + 1);
  }
  return users;
}
