import { BootyardError } from '../errors.ts';
import type { Database } from '../state/database.ts';

/** A point in time with a name; ms since the epoch. */
export interface Checkpoint {
  name: string;
  time: number;
}

/** Reference points in time for ranges of `log show`; each change is one transaction. Sentences as WalT's. */
export class Checkpoints {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** By time. */
  list(): Checkpoint[] {
    const rows = this.#database.sqlite
      .prepare('SELECT name, time FROM log_checkpoints ORDER BY time, name')
      .all();
    return rows.map(({ name, time }) => ({ name: String(name), time: Number(time) / 1000 }));
  }

  /** ms since the epoch */
  readonly timeOf = (name: string): number | undefined => {
    const row = this.#database.sqlite.prepare('SELECT time FROM log_checkpoints WHERE name = ?').get(name);
    return row && Number(row.time) / 1000;
  };

  add(name: string, time: number): Checkpoint {
    if (!/^[a-zA-Z0-9]+[a-zA-Z0-9-]+$/.test(name)) {
      throw new BootyardError(
        'log.checkpoint',
        'Invalid checkpoint name:\n* Only alnum and dash(-) characters are allowed.\n* dash(-) is not allowed as the 1st character.\n* It has at least 2 characters.',
        { name },
      );
    }
    if (this.timeOf(name) !== undefined) {
      throw new BootyardError('log.checkpoint', 'Failed: a checkpoint with this name already exists.', {
        name,
      });
    }
    this.#database.sqlite
      .prepare('INSERT INTO log_checkpoints (name, time) VALUES (?, ?)')
      .run(name, Math.round(time * 1000));
    return { name, time };
  }

  remove(name: string): void {
    const { changes } = this.#database.sqlite.prepare('DELETE FROM log_checkpoints WHERE name = ?').run(name);
    if (Number(changes) > 0) return;
    throw new BootyardError('log.checkpoint', `Failed: no checkpoint with this name '${name}'.`, { name });
  }
}
