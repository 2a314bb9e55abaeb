import { existsSync } from 'node:fs';
import * as z from 'zod';

const Rows = z.array(z.object({ model: z.string() }));

/** The models of a lab's nodes, read beside a daemon that may run. None when the database is not there or not readable. */
export function usedModels(file: string): string[] {
  const sqlite = process.getBuiltinModule?.('node:sqlite');
  if (!sqlite || !existsSync(file)) return [];
  try {
    const database = new sqlite.DatabaseSync(file, { readOnly: true });
    try {
      const rows = database.prepare('SELECT DISTINCT model FROM nodes').all();
      return Rows.parse(rows).map(({ model }) => model);
    } finally {
      database.close();
    }
  } catch {
    // Whoever opens it to use it says what is wrong with it.
    return [];
  }
}
