import { deflateRawSync, inflateRawSync } from 'node:zlib';
import * as z from 'zod';
import type { Database } from './database.ts';

/** A path in the image, bytes read, ms from power-on to the first read, ms waited for a disk (missing in older records). */
const StoredReads = z.array(z.tuple([z.string(), z.number(), z.number(), z.number().optional()]));

export interface PathRead {
  /** without a leading slash, UTF-8; that of a directory, which was listed, ends with one */
  path: string;
  bytes: number;
  /** ms since power-on */
  atMs: number;
  /** ms that its reads waited for a disk of this machine, each for itself */
  waitedMs: number;
}

export interface BootReadRecord {
  boot: string;
  /** 64 hex digits */
  imageId: string;
  /** from power-on to booted, or null when the boot did not get there */
  bootedMs: number | null;
  /** the image went to the node whole, as hybrid boots and those from RAM take it */
  isCopied: boolean;
  /** in the order of the first reads */
  reads: PathRead[];
}

/** The files of images that boots have read; a record goes with its boot. */
export class ReadRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Adds to what a boot has read; nothing happens for an unknown boot. `at` of the reads: ms since the epoch. */
  add(
    boot: string,
    imageId: string,
    reads: readonly { path: string; bytes: number; at: number; waitedMs: number }[],
  ): void {
    const { sqlite } = this.#database;
    this.#database.transaction(() => {
      const found = sqlite.prepare('SELECT started_at FROM boots WHERE id = ?').get(boot);
      if (!found || reads.length === 0) return;
      const all = new Map(this.#stored(boot).map((read) => [read.path, read]));
      for (const { at, ...read } of reads) {
        const known = all.get(read.path);
        if (known) {
          known.bytes += read.bytes;
          known.waitedMs += read.waitedMs;
        } else all.set(read.path, { ...read, atMs: Math.max(0, at - Number(found.started_at)) });
      }
      const rows = Array.from(all.values(), ({ path, bytes, atMs, waitedMs }) => [
        path,
        bytes,
        atMs,
        Math.round(waitedMs * 1000) / 1000,
      ]);
      sqlite
        .prepare('INSERT OR REPLACE INTO boot_reads (boot, image_id, reads) VALUES (?, ?, ?)')
        .run(boot, imageId, deflateRawSync(JSON.stringify(rows)));
    });
  }

  /** What a boot has read, or undefined when nothing is on record. */
  ofBoot(boot: string): BootReadRecord | undefined {
    return this.#select('boots.id = ?', boot)[0];
  }

  /** The last boots on an image of this name, the newest first. */
  ofImage(image: string, limit: number): BootReadRecord[] {
    return this.#select('boots.image = ?', image, limit);
  }

  #stored(boot: string): PathRead[] {
    const row = this.#database.sqlite.prepare('SELECT reads FROM boot_reads WHERE boot = ?').get(boot);
    return row ? unpack(row.reads) : [];
  }

  #select(condition: string, value: string, limit = 1): BootReadRecord[] {
    return this.#database.sqlite
      .prepare(
        `SELECT boot_reads.*, boots.outcome, boots.timeline,
                EXISTS (SELECT 1 FROM boot_events
                        WHERE boot_events.boot = boots.id AND event ->> 'kind' = 'copy') AS copied
           FROM boot_reads JOIN boots ON boots.id = boot_reads.boot
          WHERE ${condition} ORDER BY boots.started_at DESC, boots.rowid DESC LIMIT ?`,
      )
      .all(value, limit)
      .map((row) => ({
        boot: String(row.boot),
        imageId: String(row.image_id),
        bootedMs: row.outcome === 'booted' ? bootedMs(String(row.timeline)) : null,
        isCopied: row.copied === 1,
        reads: unpack(row.reads),
      }));
  }
}

const Stages = z.array(z.object({ name: z.string(), startMs: z.number() }));

function bootedMs(timeline: string): number | null {
  const stages = Stages.parse(JSON.parse(timeline));
  return stages.find(({ name }) => name === 'booted')?.startMs ?? null;
}

function unpack(reads: unknown): PathRead[] {
  if (!(reads instanceof Uint8Array)) return [];
  const rows = StoredReads.parse(JSON.parse(inflateRawSync(reads).toString()));
  return rows.map(([path, bytes, atMs, waitedMs = 0]) => ({ path, bytes, atMs, waitedMs }));
}
