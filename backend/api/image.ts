import * as z from 'zod';
import { BuiltFrom, Recipe } from '../images/oci.ts';
import { Repair } from '../images/files/repair.ts';
import { method } from './method.ts';

/** How many findings of each severity `image lint` has on an image. */
export const LintCounts = z.object({ errors: z.number(), warnings: z.number(), infos: z.number() });
export type LintCounts = z.infer<typeof LintCounts>;

export const ImageInfo = z.object({
  name: z.string(),
  /** 64 hex digits: sha256 of the image's configuration, as Docker and Podman count it */
  id: z.string(),
  labels: z.record(z.string(), z.string()),
  /** uncompressed bytes of all layers */
  sizeBytes: z.number(),
  /** those of the layers that no other image has */
  ownBytes: z.number(),
  /** ISO time */
  created: z.string(),
  inUse: z.boolean(),
  /** names of the nodes that boot it */
  nodes: z.array(z.string()),
  layers: z.number(),
  /** node models of the label walt.node.models */
  models: z.array(z.string()),
  /** the link by which it was cloned (`lab:anna/router`); absent when it was made or changed here */
  origin: z.string().optional(),
  /** folder and Dockerfile on this host, of which it was built here */
  builtFrom: BuiltFrom.optional(),
  /** how it was made here; absent when it was changed since */
  recipe: Recipe.optional(),
  /** absent: it was not checked yet, which happens by itself while nothing boots */
  lint: LintCounts.optional(),
});
export type ImageInfo = z.infer<typeof ImageInfo>;

/** What `image lint` finds; `path` is absolute in the image, or the name of a label. */
export const Finding = z.object({
  /** stable id of the rule */
  rule: z.string(),
  severity: z.enum(['error', 'warning', 'info']),
  message: z.string(),
  path: z.string(),
  /** what to do, one sentence */
  fix: z.string(),
  /** a line for the image's Dockerfile that does it, where one does */
  dockerfile: z.string().optional(),
  /** what `image fix` does about it in the image; absent where there is something to choose */
  repair: Repair.optional(),
});
export type Finding = z.infer<typeof Finding>;
/** `config`: byte by byte; its SHA-256 is the id. Layers: lowest first, by the digests of their tars */
const ImageContent = z.object({
  name: z.string(),
  config: z.string(),
  labels: z.record(z.string(), z.string()),
  layers: z.array(z.object({ digest: z.string(), size: z.number() })),
});

export const imageMethods = {
  /** `all`: also those without a name, which is '' then, that running nodes or snapshots still need. */
  'image.list': method(
    z.object({ images: z.array(z.string()).optional(), all: z.boolean().optional() }),
    z.array(ImageInfo),
  ),
  /** `path`: absolute; a root file system tar, an OCI or Docker archive, an OCI layout or a root folder. Progress, cancel. */
  'image.import': method(
    z.object({
      path: z.string(),
      name: z.string(),
      labels: z.record(z.string(), z.string()).default({}),
      force: z.boolean().default(false),
      origin: z.string().optional(),
      recipe: Recipe.optional(),
    }),
    /**
     * `warnings`: a sentence for each thing in it that nodes will not see; `outdated`: nodes that run on the image that it
     * has replaced, and get it when they boot again
     */
    ImageInfo.extend({ warnings: z.array(z.string()), outdated: z.array(z.string()) }),
  ),
  /** Findings, errors first, for nodes of so much memory (as the setting `ram` has it; its default). Progress, cancel. */
  'image.lint': method(z.object({ image: z.string(), ram: z.string().optional() }), z.array(Finding)),
  /**
   * For those who move images from and to registries: which of `layers` (digests of tars, 64 hex digits) are in the store,
   * what `image` consists of, and the folders of the store in which they work.
   */
  'image.transfer': method(
    z.object({ layers: z.array(z.string()).default([]), image: z.string().optional() }),
    z.object({
      there: z.array(z.string()),
      content: ImageContent.optional(),
      folders: z.object({ blobs: z.string(), downloads: z.string(), compressed: z.string() }),
    }),
  ),
  'image.remove': method(z.object({ images: z.array(z.string()).min(1) }), z.object({})),
};
