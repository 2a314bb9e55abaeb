import * as z from 'zod';
import { Edit } from '../images/files/edit.ts';
import { ImageInfo } from './image.ts';
import { method } from './method.ts';

export { escapedBytes, escapedText } from '../images/files/escaped-name.ts';

const FileType = z.enum(['file', 'directory', 'symlink', 'char', 'block', 'fifo', 'socket']);
/** Names and targets: bytes that are no UTF-8, or would not be seen, are written as `%XX`; so are they in paths. */
export const ImageFile = z.object({
  name: z.string(),
  type: FileType,
  /** permission bits with setuid, setgid and sticky */
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  size: z.number(),
  mtimeMs: z.number(),
  target: z.string().nullable(),
  /** what a symbolic link leads to; null: nothing, or it is none */
  leadsTo: FileType.nullable(),
  /** names of its extended attributes */
  xattrs: z.array(z.string()),
  device: z.object({ major: z.number(), minor: z.number() }).nullable(),
  links: z.number(),
  /** number of the layer that it is from; null: implied by others */
  layer: z.number().nullable(),
});
export type ImageFile = z.infer<typeof ImageFile>;
export const ImageMatch = z.object({
  path: z.string(),
  /** from 1; null: the name matches */
  line: z.number().nullable(),
  column: z.number(),
  preview: z.string(),
});
export type ImageMatch = z.infer<typeof ImageMatch>;

/** `name`: of an image of its own, which nodes can boot; `base`: what it is a copy of */
export const WorkingCopy = z.object({
  name: z.string(),
  base: z.string(),
  isChanged: z.boolean(),
  /** its image has become another one since */
  isStale: z.boolean(),
});
export type WorkingCopy = z.infer<typeof WorkingCopy>;
const Edited = z.object({ image: ImageInfo, changed: z.boolean(), rebooted: z.array(z.string()) });

const At = z.object({ image: z.string(), path: z.string().startsWith('/') });

/**
 * Images as file systems. Paths are absolute; symbolic links are followed inside the image. `id`: the image's at that
 * moment. Refused with `file.missing`, `file.notFolder`, `file.isFolder`, `file.special` and `file.badPath`.
 */
export const imageFileMethods = {
  /** The file itself, which may be a symbolic link. */
  'image.file': method(At, z.object({ id: z.string(), file: ImageFile })),
  /** A page of a folder in the order of names' bytes; `next` is the following one's `from`, or null. */
  'image.files': method(
    At.extend({
      from: z.number().int().min(0).default(0),
      limit: z.number().int().min(1).max(2000).default(2000),
    }),
    z.object({ id: z.string(), files: z.array(ImageFile), next: z.number().nullable() }),
  ),
  /** `data`: base64 of at most `length` bytes from `offset` on; `size` is the whole file's. */
  'image.readFile': method(
    At.extend({
      offset: z.number().int().min(0).default(0),
      length: z
        .number()
        .int()
        .min(0)
        .max(4 << 20)
        .default(1 << 20),
    }),
    z.object({ id: z.string(), size: z.number(), data: z.string() }),
  ),
  /** Plain text in the names, or in the lines of text files, of all below `path`. Progress, cancel. */
  'image.searchFiles': method(
    At.extend({
      text: z.string().min(1).max(1000),
      in: z.enum(['names', 'contents']),
      caseSensitive: z.boolean().default(false),
      limit: z.number().int().min(1).max(5000).default(1000),
    }),
    z.object({
      matches: z.array(ImageMatch),
      /** there are more than the limit */
      isCut: z.boolean(),
      searched: z.number(),
      /** files whose content was left out: binary, or too large */
      skipped: z.number(),
    }),
  ),
  /** The working copy of an image, made if need be; each image has one. Removed with `image.remove`. */
  'image.edit': method(z.object({ image: z.string() }), WorkingCopy),
  /**
   * Does an edit to a working copy, and its layer anew. Without `force` refused with `image.wouldReboot` when nodes run on
   * the copy; also with `file.exists`, `file.notEmpty`, `file.denied` and `image.noWorkingCopy`.
   */
  'image.editFile': method(
    z.object({ image: z.string(), edit: Edit, force: z.boolean().default(false) }),
    Edited,
  ),
  /**
   * Gives the image of a working copy what was edited, as one layer; or makes another image `as` of it. Refused as the
   * changes of `imageOperationMethods`, and with `image.changed` when the image has become another one.
   */
  'image.saveEdits': method(
    z.object({ image: z.string(), as: z.string().optional(), force: z.boolean().default(false) }),
    Edited,
  ),
};
