import * as z from 'zod';
import type { Database } from './database.ts';

const Text = z.string();

/** A snapshot that is complete: its files are on disk. */
export interface SnapshotRecord {
  /** hex; names its folder */
  id: string;
  /** of the node that was saved */
  mac: string;
  name: string;
  /** ms since the epoch */
  createdAt: number;
  /** the image's name when the node booted it, and its id (64 hex digits) */
  image: string;
  imageId: string;
  /** what its files take of the host's disk */
  bytes: number;
  /** JSON: the machine that was saved */
  machine: string;
}

/** The snapshots of all nodes. A row is the last thing made of a snapshot, and the first that goes. */
export class SnapshotRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  add(snapshot: SnapshotRecord): void {
    const { id, mac, name, createdAt, image, imageId, bytes, machine } = snapshot;
    this.#database.sqlite
      .prepare(
        'INSERT INTO snapshots (id, mac, name, created_at, image, image_id, bytes, machine) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(id, mac, name, createdAt, image, imageId, bytes, machine);
  }

  /** The oldest first. */
  ofNode(mac: string): SnapshotRecord[] {
    return this.#database.sqlite
      .prepare('SELECT * FROM snapshots WHERE mac = ? ORDER BY created_at, rowid')
      .all(mac)
      .map(toRecord);
  }

  remove(id: string): void {
    this.#database.sqlite.prepare('DELETE FROM snapshots WHERE id = ?').run(id);
  }

  usesImage(imageId: string): boolean {
    return (
      this.#database.sqlite.prepare('SELECT 1 FROM snapshots WHERE image_id = ? LIMIT 1').get(imageId) !==
      undefined
    );
  }
}

function toRecord(row: Record<string, unknown>): SnapshotRecord {
  return {
    id: Text.parse(row.id),
    mac: Text.parse(row.mac),
    name: Text.parse(row.name),
    createdAt: Number(row.created_at),
    image: Text.parse(row.image),
    imageId: Text.parse(row.image_id),
    bytes: Number(row.bytes),
    machine: Text.parse(row.machine),
  };
}
