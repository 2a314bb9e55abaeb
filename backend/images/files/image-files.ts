import { BootyardError } from '../../errors.ts';
import type { ImportControl } from '../staging.ts';
import type { ImageRecord, ImageStore } from '../store.ts';
import type { FileType, ImageTree } from '../tree/tree.ts';
import { escapedBytes, escapedText } from './escaped-name.ts';
import { type FoundInImage, type SearchOptions, searchTree } from './search.ts';

/** A file of an image as a listing shows it. Names and targets are as `escapedText` writes them. */
export interface FileInfo {
  name: string;
  type: FileType;
  /** permission bits with setuid, setgid and sticky */
  mode: number;
  uid: number;
  gid: number;
  /** bytes of a file, otherwise 0 */
  size: number;
  mtimeMs: number;
  /** of a symbolic link */
  target: string | null;
  /** what a symbolic link leads to; null: nothing, or it is none */
  leadsTo: FileType | null;
  /** names of its extended attributes */
  xattrs: string[];
  device: { major: number; minor: number } | null;
  /** names of the inode */
  links: number;
  /** number of the layer, from 1 on, that it is from; null: implied by others */
  layer: number | null;
}
/** A page of a listing. `next`: where the following one starts; null: that was all */
export interface Listing {
  id: string;
  files: FileInfo[];
  next: number | null;
}

const KEPT_MS = 60_000;
const MAX_KEPT = 4;
/** what one `read` gives at most */
const MAX_READ = 4 << 20;

interface Kept {
  tree: Promise<ImageTree>;
  users: number;
  timer?: NodeJS.Timeout;
}

/**
 * Reads images in the store as file systems, straight from their trees: nothing is unpacked. Symbolic links are followed
 * inside the image, those on the way too; `..` is no name. Trees of the images that were asked for last stay open a minute.
 * Errors: `file.missing`, `file.notFolder`, `file.isFolder`, `file.special`, `file.badPath`, `image.unknown`.
 */
export class ImageFiles {
  readonly #images: ImageStore;
  readonly #kept = new Map<string, Kept>();

  constructor(images: ImageStore) {
    this.#images = images;
  }

  /** The file itself at a path, which may be a symbolic link. `id`: the image's, now */
  async stat(image: string, path: string): Promise<{ id: string; file: FileInfo }> {
    return await this.#with(image, (tree, { id }) => {
      const bytes = escapedBytes(path);
      const inode = this.#find(tree, path, { follow: false });
      const name = bytes.subarray(bytes.lastIndexOf(0x2f) + 1);
      return { id, file: fileInfo(tree, inode, name, bytes) };
    });
  }

  /** The files of a folder in the order of their names' bytes, from number `from` on. */
  async list(image: string, path: string, from: number, limit: number): Promise<Listing> {
    return await this.#with(image, (tree, { id }) => {
      const folder = this.#find(tree, path);
      if (tree.stat(folder).type !== 'directory') throw refused('notFolder', path);
      const files: FileInfo[] = [];
      const first = tree.entryStart(folder) + from;
      const end = Math.min(tree.entryEnd(folder), first + limit);
      const bytes = escapedBytes(path);
      for (let entry = first; entry < end; entry++) {
        const name = Buffer.from(tree.names.subarray(tree.nameStart(entry), tree.nameEnd(entry)));
        const place = Buffer.concat([bytes, Buffer.from('/'), name]);
        files.push(fileInfo(tree, tree.entryInode(entry), name, place));
      }
      return { id, files, next: end < tree.entryEnd(folder) ? from + limit : null };
    });
  }

  /** Bytes of a file, as many as it has from `offset` on, and `length` at most. `size`: of the whole file */
  async read(
    image: string,
    path: string,
    offset: number,
    length: number,
  ): Promise<{ id: string; size: number; bytes: Buffer }> {
    return await this.#with(image, async (tree, { id }) => {
      const inode = this.#find(tree, path);
      const { type, size } = tree.stat(inode);
      if (type === 'directory') throw refused('isFolder', path);
      if (type !== 'file') throw refused('special', path);
      const count = Math.max(0, Math.min(length, MAX_READ, size - offset));
      const bytes = Buffer.allocUnsafe(count);
      await tree.readCold(inode, offset, bytes, 0, count);
      return { id, size, bytes };
    });
  }

  /** Names and lines of text below a folder; see `searchTree`. */
  async search(
    image: string,
    path: string,
    options: SearchOptions,
    control: ImportControl,
  ): Promise<FoundInImage> {
    return await this.#with(image, async (tree) => {
      const folder = this.#find(tree, path);
      return await searchTree(tree, { inode: folder, path: escapedBytes(path) }, options, control);
    });
  }

  close(): void {
    for (const [id, kept] of this.#kept) this.#drop(id, kept);
  }

  #find(tree: ImageTree, path: string, options: { follow?: boolean } = {}): number {
    const bytes = escapedBytes(path);
    const isUp = bytes.toString('latin1').split('/').includes('..');
    const inode = isUp ? 0 : tree.lookupPath(bytes, options);
    if (inode === 0) throw refused('missing', path);
    return inode;
  }

  async #with<T>(image: string, use: (tree: ImageTree, record: ImageRecord) => T | Promise<T>): Promise<T> {
    const record = this.#images.named(image);
    const kept = this.#kept.get(record.id) ?? { tree: this.#images.tree(record.id), users: 0 };
    // The one that was used last is the last to go.
    this.#kept.delete(record.id);
    this.#kept.set(record.id, kept);
    clearTimeout(kept.timer);
    kept.users++;
    kept.tree.catch(() => this.#kept.delete(record.id));
    try {
      return await use(await kept.tree, record);
    } finally {
      kept.users--;
      kept.timer = setTimeout(() => this.#drop(record.id, kept), KEPT_MS);
      kept.timer.unref();
      this.#trim();
    }
  }

  #trim(): void {
    const idle = [...this.#kept].filter(([, { users }]) => users === 0);
    for (const [id, kept] of idle.slice(0, Math.max(0, this.#kept.size - MAX_KEPT))) this.#drop(id, kept);
  }

  #drop(id: string, kept: Kept): void {
    clearTimeout(kept.timer);
    if (kept.users > 0) return;
    if (this.#kept.get(id) === kept) this.#kept.delete(id);
    void kept.tree.then(
      (tree) => tree.close(),
      () => undefined,
    );
  }
}

/** `path`: bytes, where it is */
function fileInfo(tree: ImageTree, inode: number, name: Uint8Array, path: Uint8Array): FileInfo {
  const { type, mode, uid, gid, size, mtimeMs, rdev, links } = tree.stat(inode);
  const isLink = type === 'symlink';
  const behind = isLink ? tree.lookupPath(path) : 0;
  const xattrs = [...tree.xattrs(inode).keys()];
  return {
    ...{ type, mode, uid, gid, mtimeMs, links },
    name: escapedText(name),
    size: type === 'file' ? size : 0,
    target: isLink ? escapedText(tree.linkTarget(inode)) : null,
    leadsTo: behind === 0 ? null : tree.stat(behind).type,
    xattrs: xattrs.map((key) => escapedText(Buffer.from(key, 'latin1'))),
    device: type === 'char' || type === 'block' ? rdev : null,
    layer: tree.layer(inode) || null,
  };
}

type Why = 'missing' | 'notFolder' | 'isFolder' | 'special' | 'exists' | 'notEmpty';

/** What is wrong with a path, as a sentence. */
export function refused(why: Why, path: string): BootyardError {
  const sentences: Record<Why, string> = {
    missing: `No such file or directory: ${path}`,
    notFolder: `Not a directory: ${path}`,
    isFolder: `${path} is a directory.`,
    special: `${path} is neither a file nor a directory: it is shown, and cannot be opened.`,
    exists: `${path} exists already.`,
    notEmpty: `The directory ${path} is not empty.`,
  };
  return new BootyardError(`file.${why}`, sentences[why], { path });
}
