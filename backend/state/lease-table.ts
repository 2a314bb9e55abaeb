import type { Database } from './database.ts';

interface LeaseRow {
  mac: string;
  /** IPv4 address as a number */
  address: number;
  /** ms since the epoch */
  expires: number;
}

/** DHCP leases of the dynamic range; each call is one transaction. Leases outlive the daemon, and end with the lab's network. */
export class LeaseRows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  load(): LeaseRow[] {
    const rows = this.#database.sqlite.prepare('SELECT address, mac, expires FROM leases').all();
    return rows.map((row) => ({
      mac: String(row.mac),
      address: Number(row.address),
      expires: Number(row.expires),
    }));
  }

  save(leases: readonly LeaseRow[]): void {
    const upsert = this.#database.sqlite.prepare(
      'INSERT OR REPLACE INTO leases (address, mac, expires) VALUES (?, ?, ?)',
    );
    this.#database.quickTransaction(() => {
      for (const lease of leases) upsert.run(lease.address, lease.mac, Math.round(lease.expires));
    });
  }

  clear(): void {
    this.#database.sqlite.exec('DELETE FROM leases');
  }

  remove(addresses: readonly number[]): void {
    const remove = this.#database.sqlite.prepare('DELETE FROM leases WHERE address = ?');
    this.#database.quickTransaction(() => {
      for (const address of addresses) remove.run(address);
    });
  }
}
