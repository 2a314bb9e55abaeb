import * as z from 'zod';
import type { Database } from './database.ts';

/** How many past boots of a node are kept, and how many events of each. */
const BOOTS_PER_NODE = 50;
const EVENTS_PER_BOOT = 500;

export const StoredStages = z.array(
  z.object({ name: z.string(), startMs: z.number(), durationMs: z.number(), detail: z.string() }),
);
export type StoredStages = z.infer<typeof StoredStages>;

export interface BootRecord {
  /** hex */
  id: string;
  /** counts the boots of its node from 1 on */
  number: number;
  mac: string;
  image: string;
  /** ms since the epoch */
  startedAt: number;
  /** `going on`, `booted`, `failed` or `off` */
  outcome: string;
  reason: string | null;
  stages: StoredStages;
}

/** Boots that are going on and past ones, with the events that explain them. Bounded per node. */
export class BootRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  begin(boot: Omit<BootRecord, 'number'>): void {
    const { sqlite } = this.#database;
    this.#database.transaction(() => {
      sqlite
        .prepare(
          `INSERT OR REPLACE INTO boots (id, mac, image, started_at, outcome, reason, timeline, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT coalesce(max(number), 0) + 1 FROM boots WHERE mac = ?2))`,
        )
        .run(
          boot.id,
          boot.mac,
          boot.image,
          boot.startedAt,
          boot.outcome,
          boot.reason,
          JSON.stringify(boot.stages),
        );
      sqlite
        .prepare(
          `DELETE FROM boots WHERE mac = ?1 AND id NOT IN
             (SELECT id FROM boots WHERE mac = ?1 ORDER BY started_at DESC, rowid DESC LIMIT ${BOOTS_PER_NODE})`,
        )
        .run(boot.mac);
    });
  }

  update(id: string, outcome: string, reason: string | null, stages: StoredStages): void {
    this.#database.sqlite
      .prepare('UPDATE boots SET outcome = ?, reason = ?, timeline = ? WHERE id = ?')
      .run(outcome, reason, JSON.stringify(stages), id);
  }

  /** Keeps a JSON text with the boot, in the place of an earlier one. Nothing happens for an unknown boot. */
  setExplanation(id: string, json: string): void {
    this.#database.sqlite.prepare('UPDATE boots SET explanation = ? WHERE id = ?').run(json, id);
  }

  explanation(id: string): unknown {
    const row = this.#database.sqlite.prepare('SELECT explanation FROM boots WHERE id = ?').get(id);
    return typeof row?.explanation === 'string' ? JSON.parse(row.explanation) : undefined;
  }

  /** Adds to what happened in a boot; events beyond the bound are left out. Nothing happens for an unknown boot. */
  appendEvents(id: string, events: readonly unknown[]): void {
    const { sqlite } = this.#database;
    const insert = sqlite.prepare('INSERT INTO boot_events (boot, number, event) VALUES (?, ?, ?)');
    this.#database.transaction(() => {
      if (!sqlite.prepare('SELECT 1 FROM boots WHERE id = ?').get(id)) return;
      const row = sqlite.prepare('SELECT max(number) AS last FROM boot_events WHERE boot = ?').get(id);
      const last = Number(row?.last ?? 0);
      for (const [index, event] of events.slice(0, Math.max(0, EVENTS_PER_BOOT - last)).entries()) {
        insert.run(id, last + index + 1, JSON.stringify(event));
      }
    });
  }

  events(id: string): unknown[] {
    const rows = this.#database.sqlite
      .prepare('SELECT event FROM boot_events WHERE boot = ? ORDER BY number')
      .all(id);
    return rows.map((row): unknown => JSON.parse(String(row.event)));
  }

  find(id: string): BootRecord | undefined {
    return toRecord(this.#database.sqlite.prepare('SELECT * FROM boots WHERE id = ?').get(id));
  }

  numbered(mac: string, number: number): BootRecord | undefined {
    return toRecord(
      this.#database.sqlite.prepare('SELECT * FROM boots WHERE mac = ? AND number = ?').get(mac, number),
    );
  }

  /** The newest first. */
  ofNode(mac: string): BootRecord[] {
    return this.#select('mac = ?', mac);
  }
  /** Boots of any node on an image of this name, the newest first. */
  ofImage(image: string): BootRecord[] {
    return this.#select('image = ?', image);
  }

  last(mac: string): BootRecord | undefined {
    return toRecord(
      this.#database.sqlite
        .prepare('SELECT * FROM boots WHERE mac = ? ORDER BY started_at DESC, rowid DESC LIMIT 1')
        .get(mac),
    );
  }

  #select(condition: string, value: string): BootRecord[] {
    return this.#database.sqlite
      .prepare(`SELECT * FROM boots WHERE ${condition} ORDER BY started_at DESC, rowid DESC`)
      .all(value)
      .flatMap((row) => toRecord(row) ?? []);
  }
}

function toRecord(row: Record<string, unknown> | undefined): BootRecord | undefined {
  if (!row) return undefined;
  return {
    id: String(row.id),
    number: Number(row.number),
    mac: String(row.mac),
    image: String(row.image),
    startedAt: Number(row.started_at),
    outcome: String(row.outcome),
    reason: row.reason === null ? null : String(row.reason),
    stages: StoredStages.parse(JSON.parse(String(row.timeline))),
  };
}
