import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../../errors.ts';
import { hexOf } from '../oci.ts';

const Document = z.object({ mediaType: z.string(), digest: z.string() });
/** A push that became an image of the store. */
const PushRecord = z.object({
  /** of the image */
  name: z.string(),
  /** 64 hex digits */
  imageId: z.string(),
  /** what was put under the tag, and for an index the manifest in it that became the image */
  documents: z.array(Document).min(1),
  /** layers, lowest first: digests of the blob and of its tar, 64 hex digits each */
  layers: z.array(z.object({ blob: z.string(), tar: z.string() })),
});
export type PushRecord = z.infer<typeof PushRecord>;

/** A push takes this long at most from a blob to its manifest. */
const FRESH_MS = 3600_000;
const MAX_DOCUMENT = 8 << 20;

/**
 * What was pushed, byte by byte, so that it is pulled with the digests with which it was pushed: manifests and compressed
 * layers, as long as the image is in the store. What the store has itself is not kept twice. All of it is a cache: what
 * cannot be read is not known, and the image is served from the store.
 */
export class PushedFolder {
  readonly #folder: string;
  readonly #blobs: string;
  readonly #work: string;
  #records: PushRecord[] = [];
  /** files that no record speaks of yet, with when they came; ms of the monotonic clock */
  readonly #fresh = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#blobs = join(folder, 'blobs');
    this.#work = join(folder, 'work');
    rmSync(this.#work, { recursive: true, force: true });
    for (const made of [this.#blobs, this.#work]) mkdirSync(made, { recursive: true });
    this.#records = this.#load();
  }

  get records(): readonly PushRecord[] {
    return this.#records;
  }

  #load(): PushRecord[] {
    try {
      return z.array(PushRecord).parse(JSON.parse(readFileSync(join(this.#folder, 'pushed.json'), 'utf8')));
    } catch (error) {
      const isDamaged = error instanceof SyntaxError || error instanceof z.ZodError;
      if (isDamaged || systemCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #save(): void {
    const temporary = join(this.#work, randomBytes(8).toString('hex'));
    writeFileSync(temporary, JSON.stringify(this.#records));
    renameSync(temporary, join(this.#folder, 'pushed.json'));
  }

  /** The file of a blob or document (64 hex digits), if it is here. */
  blob(hex: string): { file: string; size: number } | undefined {
    const file = join(this.#blobs, hex);
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found) return undefined;
    if (this.#fresh.has(hex)) this.#fresh.set(hex, performance.now());
    return { file, size: found.size };
  }

  has(hex: string): boolean {
    return existsSync(join(this.#blobs, hex));
  }

  take(file: string, hex: string): void {
    renameSync(file, join(this.#blobs, hex));
    this.#fresh.set(hex, performance.now());
  }

  /** Keeps a document for as long as a fresh blob; answers its digest, 64 hex digits. */
  put(bytes: Buffer): string {
    const hex = createHash('sha256').update(bytes).digest('hex');
    const temporary = join(this.#work, randomBytes(8).toString('hex'));
    writeFileSync(temporary, bytes);
    this.take(temporary, hex);
    return hex;
  }

  /** A small document whose bytes are right, or undefined. */
  document(digest: string): Buffer | undefined {
    const hex = hexOf(digest);
    const found = this.blob(hex);
    const bytes = found && found.size <= MAX_DOCUMENT ? readFileSync(found.file) : undefined;
    return bytes && createHash('sha256').update(bytes).digest('hex') === hex ? bytes : undefined;
  }

  /** A new folder for one push; the caller removes it. */
  workFolder(): string {
    const folder = join(this.#work, randomBytes(8).toString('hex'));
    mkdirSync(folder);
    return folder;
  }

  /** Takes the place of what was pushed under that name before. */
  add(record: PushRecord): void {
    this.#records = [...this.#records.filter(({ name }) => name !== record.name), record];
    this.#save();
  }

  /** Removes what belongs to no image in `ids`, what `isStored` says the store has, and uploads that led to nothing. */
  collect(ids: ReadonlySet<string>, isStored: (hex: string) => boolean, now = performance.now()): void {
    const isWhole = ({ documents, layers }: PushRecord): boolean =>
      [...documents.map(({ digest }) => hexOf(digest)), ...layers.map(({ blob }) => blob)].every(
        (hex) => existsSync(join(this.#blobs, hex)) || isStored(hex),
      );
    const kept = this.#records.filter((record) => ids.has(record.imageId) && isWhole(record));
    if (kept.length !== this.#records.length) {
      this.#records = kept;
      this.#save();
    }
    const layers = kept.flatMap((record) => record.layers.map(({ blob }) => blob));
    const needed = new Set(layers.filter((hex) => !isStored(hex)));
    for (const { documents } of kept) for (const { digest } of documents) needed.add(hexOf(digest));
    for (const hex of readdirSync(this.#blobs)) {
      const since = this.#fresh.get(hex);
      const isFresh = since !== undefined && now - since < FRESH_MS;
      if (needed.has(hex)) this.#fresh.delete(hex);
      else if (!isFresh) {
        this.#fresh.delete(hex);
        rmSync(join(this.#blobs, hex), { force: true });
      }
    }
  }

  /** The blobs of a push that has become an image are as old as it. */
  settle(hexes: Iterable<string>): void {
    for (const hex of hexes) this.#fresh.delete(hex);
  }
}
