import { z } from 'zod';
import type { Database } from './database.ts';

/** How many past boots of a node are kept, and how many events of each. */
const BOOTS_PER_NODE = 20;
const EVENTS_PER_BOOT = 500;

export const StoredStages = z.array(
  z.object({ name: z.string(), startMs: z.number(), durationMs: z.number(), detail: z.string() }),
);
export type StoredStages = z.infer<typeof StoredStages>;

export interface BootRecord {
  /** hex */
  id: string;
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

  begin(boot: BootRecord): void {
    const { sqlite } = this.#database;
    this.#database.transaction(() => {
      sqlite
        .prepare(
          'INSERT OR REPLACE INTO boots (id, mac, image, started_at, outcome, reason, timeline) VALUES (?, ?, ?, ?, ?, ?, ?)',
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

  last(mac: string): BootRecord | undefined {
    return toRecord(
      this.#database.sqlite
        .prepare('SELECT * FROM boots WHERE mac = ? ORDER BY started_at DESC, rowid DESC LIMIT 1')
        .get(mac),
    );
  }
}

function toRecord(row: Record<string, unknown> | undefined): BootRecord | undefined {
  if (!row) return undefined;
  return {
    id: String(row.id),
    mac: String(row.mac),
    image: String(row.image),
    startedAt: Number(row.started_at),
    outcome: String(row.outcome),
    reason: row.reason === null ? null : String(row.reason),
    stages: StoredStages.parse(JSON.parse(String(row.timeline))),
  };
}
