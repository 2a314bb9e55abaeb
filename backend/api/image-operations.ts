import * as z from 'zod';
import { BuiltFrom, Recipe } from '../images/oci.ts';
import { Finding, ImageInfo } from './image.ts';
import { method } from './method.ts';

const Share = z.object({ count: z.number(), bytes: z.number() });
/** `rebooted`: names of the nodes that used the image, and were rebooted */
const Changed = z.object({ image: ImageInfo, changed: z.boolean(), rebooted: z.array(z.string()) });

export const ImageHistoryEntry = z.object({
  /** ISO time, or '' */
  created: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  /** number of the layer, the lowest is 1; null: the step made none */
  layer: z.number().nullable(),
  digest: z.string().nullable(),
  sizeBytes: z.number(),
  /** other images that have the layer */
  sharedWith: z.array(z.string()),
});
export const ImageChange = z.object({
  path: z.string(),
  /** added, modified, deleted */
  kind: z.enum(['A', 'M', 'D']),
  type: z.enum(['file', 'directory', 'symlink', 'char', 'block', 'fifo', 'socket']),
  /** bytes of a file; of one that is gone, those that it had */
  sizeBytes: z.number(),
  oldSizeBytes: z.number().nullable(),
  /** of the second image, or the first one for what is gone */
  layer: z.number().nullable(),
  aspects: z.array(z.enum(['type', 'content', 'target', 'mode', 'owner', 'device', 'xattrs'])),
});
export type ImageChange = z.infer<typeof ImageChange>;
export const EXPORT_FORMATS = ['oci-archive', 'docker-archive'] as const;
export const DIFF_ORDERS = ['path', 'size', 'layer'] as const;

/**
 * Those that change an image are refused with `image.busy` while another one does, and, without `force`, with
 * `image.wouldReboot` when nodes run on it; with `force` these are rebooted afterwards.
 */
export const imageOperationMethods = {
  /** The last step first. */
  'image.history': method(z.object({ image: z.string() }), z.array(ImageHistoryEntry)),
  /** Refused with `image.exists` when the name is taken. */
  'image.duplicate': method(z.object({ image: z.string(), name: z.string() }), ImageInfo),
  /** Refused with `image.inUse` when a node has it, and `image.exists`. */
  'image.rename': method(z.object({ image: z.string(), name: z.string() }), ImageInfo),
  /** One layer of all, under another name if `as` is given, which without `force` may not be there. Progress, cancel. */
  'image.squash': method(
    z.object({ image: z.string(), as: z.string().optional(), force: z.boolean().default(false) }),
    Changed,
  ),
  'image.label': method(
    z.object({
      image: z.string(),
      labels: z.record(z.string(), z.string()).default({}),
      remove: z.array(z.string()).default([]),
      force: z.boolean().default(false),
    }),
    Changed,
  ),
  /**
   * Repairs with one layer what `image.lint` finds, as far as its findings have a `repair`. `rules`: ids; all if empty.
   * `labels`: values for those that findings are about. `left`: what the rules still find, 1000 at most. Refused with
   * `image.noRule` and `image.fix`. Progress, cancel.
   */
  'image.fix': method(
    z.object({
      image: z.string(),
      rules: z.array(z.string()).default([]),
      labels: z.record(z.string(), z.string()).default({}),
      force: z.boolean().default(false),
    }),
    Changed.extend({
      repaired: z.array(z.object({ rule: z.string(), path: z.string(), done: z.string() })),
      left: z.array(Finding.omit({ severity: true })),
    }),
  ),
  /**
   * Brings in what was built elsewhere. `path`: an archive or layout, as `image.import` takes; layers that the store has may
   * be missing. `session`: the one of `image.holdEdit` that this ends. Refused with `image.exists` without `force`. Progress,
   * cancel.
   */
  'image.replace': method(
    z.object({
      path: z.string().startsWith('/'),
      name: z.string(),
      session: z.string().optional(),
      builtFrom: BuiltFrom.optional(),
      recipe: Recipe.optional(),
      force: z.boolean().default(false),
    }),
    Changed.extend({ warnings: z.array(z.string()) }),
  ),
  /** By what `to` differs from `from`; times do not count. `changes` has the first `limit` of `count`. Progress, cancel. */
  'image.diff': method(
    z.object({
      from: z.string(),
      to: z.string(),
      by: z.enum(DIFF_ORDERS).default('path'),
      limit: z.number().int().min(0).max(50_000).default(10_000),
    }),
    z.object({
      count: z.number(),
      totals: z.object({ A: Share, M: Share, D: Share }),
      changes: z.array(ImageChange),
    }),
  ),
  /** `file`: absolute; without `force` it may not be there. Progress, cancel, which leaves no file. */
  'image.export': method(
    z.object({
      image: z.string(),
      file: z.string().startsWith('/'),
      format: z.enum(EXPORT_FORMATS).default('oci-archive'),
      force: z.boolean().default(false),
    }),
    z.object({}),
  ),
  /**
   * From this host into an image or back, as cp(1): one of the two is `IMAGE:PATH`, a relative path of the host is below
   * `folder`. `changed` is false when the image has it all already, and for a copy to this host. Progress, cancel.
   */
  'image.cp': method(
    z.object({
      from: z.string(),
      to: z.string(),
      folder: z.string().startsWith('/'),
      /** keep owners and extended attributes in the image; otherwise all is root's */
      archive: z.boolean().default(false),
      force: z.boolean().default(false),
    }),
    z.object({
      image: z.string(),
      changed: z.boolean(),
      rebooted: z.array(z.string()),
      warnings: z.array(z.string()),
    }),
  ),
  /** Where the disk space goes; layers that several images have are counted once. */
  'image.df': method(
    z.object({}),
    z.object({
      images: Share,
      shared: Share,
      own: Share,
      unnamed: Share,
      unreferenced: Share,
      partialBytes: z.number(),
      derivedBytes: z.number(),
    }),
  ),
  /** Removes what no image needs, which is done after each change, too. */
  'image.gc': method(z.object({}), z.object({ freedBytes: z.number() })),
};
