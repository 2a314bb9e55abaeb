import { createHash, type Hash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { RegistryError } from './errors.ts';

export interface UploadLimits {
  /** bytes of one blob */
  bytes: number;
  /** uploads of one client, and of all, that are not complete */
  perClient: number;
  total: number;
  /** ms without a byte after which an upload is dropped, and after which it is in any case */
  idle: number;
  life: number;
  /** bytes that stay free on the disk */
  spare: number;
}
export const UPLOAD_LIMITS: UploadLimits = {
  bytes: 64 * 2 ** 30,
  perClient: 64,
  total: 256,
  idle: 15 * 60_000,
  life: 12 * 3600_000,
  spare: 512 << 20,
};
/** The disk is asked for its space once for so many bytes. */
const SPACE_STEP = 32 << 20;

/** A blob on its way. */
export interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly client: string;
  readonly file: string;
  readonly opened: number;
  readonly hash: Hash;
  /** bytes that are there */
  size: number;
  touched: number;
  /** a request works on it */
  isBusy: boolean;
}

/** The blobs that clients are sending, each a file of `folder`. What an earlier process has left there is removed. */
export class Uploads {
  readonly #folder: string;
  readonly #limits: UploadLimits;
  readonly #all = new Map<string, Upload>();

  constructor(folder: string, limits: Partial<UploadLimits> = {}) {
    this.#folder = folder;
    this.#limits = { ...UPLOAD_LIMITS, ...limits };
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }

  get count(): number {
    return this.#all.size;
  }

  /** Begins one. Where a client has too many, its oldest one that rests makes room. Throws TOOMANYREQUESTS. */
  open(repository: string, client: string): Upload {
    const own = [...this.#all.values()].filter((upload) => upload.client === client);
    if (own.length >= this.#limits.perClient) this.#makeRoom(own);
    if (this.#all.size >= this.#limits.total) throw tooMany();
    const id = randomBytes(16).toString('hex');
    const now = performance.now();
    const upload: Upload = {
      id,
      repository,
      client,
      file: join(this.#folder, id),
      opened: now,
      hash: createHash('sha256'),
      size: 0,
      touched: now,
      isBusy: false,
    };
    this.#all.set(id, upload);
    return upload;
  }

  #makeRoom(own: Upload[]): void {
    const resting = own.filter(({ isBusy }) => !isBusy).toSorted((a, b) => a.touched - b.touched);
    const [oldest] = resting;
    if (!oldest) throw tooMany();
    this.drop(oldest);
  }

  find(id: string, repository: string): Upload {
    const upload = this.#all.get(id);
    if (upload?.repository === repository) return upload;
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'There is no such upload (any more): start again.');
  }

  /** Does `work` while no other request may work on the upload. */
  async use<T>(upload: Upload, work: () => Promise<T>): Promise<T> {
    if (upload.isBusy) {
      throw new RegistryError('BLOB_UPLOAD_INVALID', 'Another request works on this upload.', {
        status: 409,
      });
    }
    upload.isBusy = true;
    try {
      return await work();
    } finally {
      upload.isBusy = false;
      upload.touched = performance.now();
    }
  }

  /**
   * Adds bytes. When the sender breaks off, what has come stays, and the sender may go on from there; what is too large,
   * or does not fit the disk, ends the upload.
   */
  async append(upload: Upload, body: AsyncIterable<Buffer>): Promise<void> {
    const handle = await open(upload.file, 'a');
    let askedAt = -Infinity;
    try {
      for await (const chunk of body) {
        if (upload.size - askedAt >= SPACE_STEP) {
          await this.#checkSpace(upload);
          askedAt = upload.size;
        }
        this.#checkLimits(upload, chunk.length);
        await handle.appendFile(chunk);
        upload.hash.update(chunk);
        upload.size += chunk.length;
        upload.touched = performance.now();
      }
    } finally {
      await handle.close();
    }
  }

  async #checkSpace(upload: Upload): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize >= this.#limits.spare) return;
    this.drop(upload);
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'There is not enough disk space for this image.', {
      status: 507,
    });
  }

  #checkLimits(upload: Upload, more: number): void {
    // It may have been dropped meanwhile.
    if (!this.#all.has(upload.id))
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'This upload took too long.');
    if (upload.size + more <= this.#limits.bytes) return;
    this.drop(upload);
    throw new RegistryError('SIZE_INVALID', `A blob may have ${this.#limits.bytes} bytes at most.`);
  }

  /** Ends an upload that is complete: its file, if it has the digest (64 hex digits); nothing of it is left otherwise. */
  async finish(upload: Upload, hex: string): Promise<string> {
    if (upload.hash.digest('hex') !== hex) {
      this.drop(upload);
      throw new RegistryError('DIGEST_INVALID', 'What was sent does not have this digest.');
    }
    if (upload.size === 0) await (await open(upload.file, 'a')).close();
    this.#all.delete(upload.id);
    return upload.file;
  }

  drop(upload: Upload): void {
    this.#all.delete(upload.id);
    rmSync(upload.file, { force: true });
  }

  /** Drops what rests for too long. */
  sweep(now = performance.now()): void {
    for (const upload of this.#all.values()) {
      if (now - upload.touched > this.#limits.idle || now - upload.opened > this.#limits.life)
        this.drop(upload);
    }
  }

  close(): void {
    for (const upload of this.#all.values()) this.drop(upload);
  }
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'Too many uploads are under way: finish some first.', {
    headers: { 'retry-after': '5' },
  });
}
