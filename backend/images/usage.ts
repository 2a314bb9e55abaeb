import { layerUsers } from './history.ts';
import type { LayoutFolder } from './layout-folder.ts';
import type { ImageRecord } from './records.ts';

/** Bytes on disk, and how many files they are in. */
interface Share {
  count: number;
  bytes: number;
}
/** Where the disk space of the image store goes. `shared`, `own` and `unnamed` are layers; each is counted once. */
export interface StoreUsage {
  /** images that have a name, and all of their layers */
  images: Share;
  /** layers that several of them have */
  shared: Share;
  /** layers that one of them has */
  own: Share;
  /** images without a name, that nodes or snapshots still need, and layers that only they have */
  unnamed: Share;
  /** blobs that no image needs: `gc` takes them away */
  unreferenced: Share;
  /** imports and other work under way */
  partialBytes: number;
  /** indexes, trees, checksums and the images' descriptions */
  derivedBytes: number;
}

/** `documents`: digests of configurations and manifests */
export function usageOf(
  folder: LayoutFolder,
  images: readonly ImageRecord[],
  documents: ReadonlySet<string>,
): StoreUsage {
  const { blobs, derived, temporary } = folder.sizes();
  const named = images.filter(({ name }) => name !== '');
  const users = layerUsers(named);
  const all = new Set(images.flatMap(({ layers }) => layers.map(({ digest }) => digest)));
  const share = (digests: Iterable<string>): Share => {
    const sizes = [...digests].map((digest) => blobs.get(digest) ?? 0);
    return { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  };
  const usedBy = (count: (users: number) => boolean): string[] =>
    [...users].filter(([, number]) => count(number)).map(([digest]) => digest);
  return {
    images: { ...share(users.keys()), count: named.length },
    shared: share(usedBy((number) => number > 1)),
    own: share(usedBy((number) => number === 1)),
    unnamed: {
      ...share([...all].filter((digest) => !users.has(digest))),
      count: images.length - named.length,
    },
    unreferenced: share([...blobs.keys()].filter((digest) => !all.has(digest) && !documents.has(digest))),
    partialBytes: temporary,
    derivedBytes: derived + share(documents).bytes,
  };
}
