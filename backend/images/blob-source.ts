import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError, systemCode } from '../errors.ts';
import { shown } from './tar/tar-path.ts';
import type { ImageTree } from './tree/tree.ts';

/** Bytes that an import reads: a file, or a member of an archive. */
export interface ByteSource {
  readonly size: number;
  /** Fills `target` from `position` on; the number of bytes is less only at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
}

/** Where the files of an image layout or archive come from. */
export interface FileSet {
  /** undefined when there is no such file */
  open(path: string): Promise<ByteSource | undefined>;
  close(): Promise<void>;
}

export async function fileSource(handle: FileHandle): Promise<ByteSource> {
  const { size } = await handle.stat();
  return {
    size,
    async read(target, position) {
      let done = 0;
      while (done < target.length) {
        const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
  };
}

/** Files below a folder. */
export class FolderFiles implements FileSet {
  readonly #folder: string;
  readonly #handles: FileHandle[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }
  async open(path: string): Promise<ByteSource | undefined> {
    const file = join(this.#folder, path);
    const found = await stat(file).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (!found?.isFile()) return undefined;
    const handle = await open(file, 'r');
    this.#handles.push(handle);
    return fileSource(handle);
  }
  async close(): Promise<void> {
    await Promise.all(this.#handles.splice(0).map((handle) => handle.close()));
  }
}

/** Members of a tar; links between them are followed, as old `docker save` archives need. */
export class ArchiveFiles implements FileSet {
  readonly #tree: ImageTree;

  /** The tree is closed with the file set. */
  constructor(tree: ImageTree) {
    this.#tree = tree;
  }
  open(path: string): Promise<ByteSource | undefined> {
    const inode = this.#tree.lookupPath(path);
    if (inode === 0 || this.#tree.stat(inode).type !== 'file') return Promise.resolve(undefined);
    const { size } = this.#tree.source(inode);
    return Promise.resolve({
      size,
      read: (target, position) => this.#tree.readCold(inode, position, target, 0, target.length),
    });
  }
  close(): Promise<void> {
    this.#tree.close();
    return Promise.resolve();
  }
}

const MAX_DOCUMENT = 8 << 20;

/** The whole of a small file of a set. */
export async function readDocument(files: FileSet, path: string): Promise<Buffer> {
  const source = await files.open(path);
  if (!source) {
    throw new BootyardError('image.incomplete', `The image is refused: its file ${shown(path)} is missing.`, {
      path,
    });
  }
  if (source.size > MAX_DOCUMENT) {
    throw new BootyardError(
      'image.badDocument',
      `The image is refused: its file ${shown(path)} is larger than 8 MiB.`,
    );
  }
  const content = Buffer.alloc(source.size);
  await source.read(content, 0);
  return content;
}

/** The first bytes of a source. */
export async function firstBytes(source: ByteSource, count: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.min(count, source.size));
  await source.read(bytes, 0);
  return bytes;
}

/** A source as a stream, for decompressors. */
export async function* chunksOf(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let position = 0; position < source.size;) {
    signal?.throwIfAborted();
    const chunk = Buffer.allocUnsafeSlow(Math.min(1 << 20, source.size - position));
    const count = await source.read(chunk, position);
    if (count === 0) return;
    position += count;
    yield chunk.subarray(0, count);
  }
}
