import type { Database } from './database.ts';

/** Settings of the lab as a whole, as texts by name; each change is one transaction. */
export class LabSettings {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(name: string): string | undefined {
    const row = this.#database.sqlite.prepare('SELECT value FROM lab_settings WHERE name = ?').get(name);
    return row && String(row.value);
  }

  set(name: string, value: string | undefined): void {
    const { sqlite } = this.#database;
    if (value === undefined) sqlite.prepare('DELETE FROM lab_settings WHERE name = ?').run(name);
    else sqlite.prepare('INSERT OR REPLACE INTO lab_settings (name, value) VALUES (?, ?)').run(name, value);
  }
}
