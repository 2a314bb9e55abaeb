import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { open, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError, systemCode } from '../errors.ts';
import { chunksOf, firstBytes, type ByteSource } from './blob-source.ts';
import { compressionOf, decompress } from './tar/decompress.ts';
import type { LayerIndex } from './tree/layer-index.ts';
import { scanTar } from './tar/tar-scan.ts';

export interface ImportProgress {
  message: string;
  /** 0 to 1 */
  fraction?: number;
}
export interface ImportControl {
  signal?: AbortSignal;
  progress?: (progress: ImportProgress) => void;
}

/** Bytes that were written to a file of the staging folder, with their SHA-256 (64 hex digits). */
export interface StagedBlob {
  file: string;
  digest: string;
  size: number;
}
export interface StagedLayer extends StagedBlob {
  index: LayerIndex;
}

const CHUNK = 1 << 20;
/** Decompression stops when the disk has no more than this left. */
export const SPARE_BYTES = 128 << 20;

const MAX_LAYER = 64 * 2 ** 30;

/** A folder in which one import works. Nothing outside it changes before the store takes the result over. */
export class Staging {
  readonly folder: string;
  readonly control: ImportControl;
  readonly #maxLayer: number;
  #files = 0;

  /** `maxLayer`: what a layer may unpack to, in bytes */
  constructor(parent: string, control: ImportControl, maxLayer = MAX_LAYER) {
    this.#maxLayer = maxLayer;
    this.folder = join(parent, randomBytes(8).toString('hex'));
    this.control = control;
    mkdirSync(this.folder, { recursive: true });
  }
  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
  newFile(): string {
    return join(this.folder, String(++this.#files));
  }

  /**
   * Stores a layer uncompressed and indexes it. `expected` are digests (`sha256:…`) that the image states: of the bytes as
   * they are given, and of the tar.
   */
  async layer(
    source: ByteSource,
    message: string,
    expected: { given?: string; tar?: string } = {},
  ): Promise<StagedLayer> {
    const kind = compressionOf(await firstBytes(source, 8));
    const given = kind && expected.given ? createHash('sha256') : undefined;
    const counted = this.reported(source, message);
    const blob = kind
      ? await this.write(
          decompress(kind, tapped(chunksOf(counted, this.control.signal), given), this.control.signal),
        )
      : await this.copy(counted);
    if (given && `sha256:${given.digest('hex')}` !== expected.given) throw wrongDigest(expected.given ?? '');
    const stated = [kind ? undefined : expected.given, expected.tar];
    for (const digest of stated) if (digest && digest !== `sha256:${blob.digest}`) throw wrongDigest(digest);
    return this.indexed(blob, { needsEnd: expected.tar === undefined });
  }

  async indexed(blob: StagedBlob, options: { needsEnd: boolean }): Promise<StagedLayer> {
    const handle = await open(blob.file, 'r');
    try {
      return {
        ...blob,
        index: await scanTar(handle.fd, blob.size, { ...options, signal: this.control.signal }),
      };
    } finally {
      await handle.close();
    }
  }

  /**
   * Copies bytes into a new file and hashes them: while one chunk is hashed and seen by `onChunk`, it is written and the
   * next one is read.
   */
  async copy(source: ByteSource, onChunk?: (chunk: Buffer, position: number) => void): Promise<StagedBlob> {
    const file = this.newFile();
    const handle = await open(file, 'wx');
    const hash = createHash('sha256');
    const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)] as const;
    let size = 0;
    try {
      let count = await source.read(buffers[0], 0);
      for (let turn = 0; count > 0; turn++) {
        this.control.signal?.throwIfAborted();
        const chunk = buffers[turn % 2 === 0 ? 0 : 1].subarray(0, count);
        const reading = source.read(buffers[turn % 2 === 0 ? 1 : 0], size + count);
        const writing = writeAll(handle, chunk, size);
        hash.update(chunk);
        onChunk?.(chunk, size);
        size += count;
        [count] = await Promise.all([reading, writing]);
      }
    } catch (error) {
      throw diskError(error);
    } finally {
      await handle.close();
    }
    if (size !== source.size) throw changedImage();
    return { file, digest: hash.digest('hex'), size };
  }

  /** Writes chunks of unknown number into a new file and hashes them. */
  async write(chunks: AsyncIterable<Uint8Array>): Promise<StagedBlob> {
    const file = this.newFile();
    const handle = await open(file, 'wx');
    const hash = createHash('sha256');
    let size = 0;
    let checkedAt = 0;
    try {
      for await (const chunk of chunks) {
        const writing = writeAll(handle, chunk, size);
        hash.update(chunk);
        size += chunk.length;
        await writing;
        if (size > this.#maxLayer) throw tooLarge(this.#maxLayer);
        this.control.signal?.throwIfAborted();
        if (size - checkedAt < 64 * CHUNK) continue;
        checkedAt = size;
        await this.#checkSpace();
      }
    } catch (error) {
      throw diskError(error);
    } finally {
      await handle.close();
    }
    return { file, digest: hash.digest('hex'), size };
  }

  async #checkSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    if (bavail * bsize < SPARE_BYTES) throw noSpace();
  }

  /** Tells the progress of reading, at most every percent. */
  reported(source: ByteSource, message: string): ByteSource {
    const { progress } = this.control;
    if (!progress) return source;
    let percent = -1;
    return {
      size: source.size,
      read: (target, position) => {
        const now = Math.floor((position / Math.max(source.size, 1)) * 100);
        if (now > percent) progress({ message, fraction: (percent = now) / 100 });
        return source.read(target, position);
      },
    };
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function* tapped(
  chunks: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash> | undefined,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash?.update(chunk);
    yield chunk;
  }
}

function wrongDigest(digest: string): BootyardError {
  return new BootyardError(
    'image.wrongDigest',
    `The image is refused: the content of a layer does not match its digest ${digest.slice(0, 19)}…; the image is damaged or was tampered with.`,
    { digest },
  );
}

function tooLarge(limit: number): BootyardError {
  return new BootyardError(
    'image.tooLarge',
    `The image is refused: a layer of it unpacks to more than ${limit} bytes.`,
  );
}

export function changedImage(): BootyardError {
  return new BootyardError('image.changed', 'The image changed while it was read: import it again.');
}

export function noSpace(): BootyardError {
  return new BootyardError(
    'image.noSpace',
    'There is not enough disk space for the image: free some and import it again.',
  );
}

export function diskError(error: unknown): unknown {
  return systemCode(error) === 'ENOSPC' || systemCode(error) === 'EDQUOT' ? noSpace() : error;
}
