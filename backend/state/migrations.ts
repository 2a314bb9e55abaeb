import type { DatabaseSync } from 'node:sqlite';

export type Migration = (sqlite: DatabaseSync) => void;

/** In order, one per schema version. A migration that was released is never changed; a new one is added. */
export const migrations: readonly Migration[] = [nodesLeasesAndBoots, snapshots, temporaryNodes, labSettings];

function nodesLeasesAndBoots(sqlite: DatabaseSync): void {
  sqlite.exec(`
    CREATE TABLE nodes (
      mac TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE COLLATE NOCASE,
      ip TEXT NOT NULL UNIQUE,
      model TEXT NOT NULL,
      image TEXT NOT NULL,
      -- JSON object with what differs from the defaults
      settings TEXT NOT NULL DEFAULT '{}',
      -- JSON object that lets a new daemon adopt the machine, or NULL when none runs
      running TEXT,
      -- JSON object with the state that outlives the machine (failed and why), or NULL
      ended TEXT
    ) STRICT;

    CREATE TABLE leases (
      -- IPv4 address as a number
      address INTEGER PRIMARY KEY,
      mac TEXT NOT NULL,
      -- ms since the epoch
      expires INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE boots (
      id TEXT PRIMARY KEY,
      mac TEXT NOT NULL REFERENCES nodes (mac) ON DELETE CASCADE,
      image TEXT NOT NULL,
      -- ms since the epoch
      started_at INTEGER NOT NULL,
      -- going on, booted, failed, off
      outcome TEXT NOT NULL,
      reason TEXT,
      -- JSON array of stages
      timeline TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
    CREATE INDEX boots_of_node ON boots (mac, started_at);

    CREATE TABLE boot_events (
      boot TEXT NOT NULL REFERENCES boots (id) ON DELETE CASCADE,
      -- counts from 1 within a boot
      number INTEGER NOT NULL,
      event TEXT NOT NULL,
      PRIMARY KEY (boot, number)
    ) STRICT, WITHOUT ROWID;
  `);
}

function snapshots(sqlite: DatabaseSync): void {
  sqlite.exec(`
    CREATE TABLE snapshots (
      id TEXT PRIMARY KEY,
      mac TEXT NOT NULL REFERENCES nodes (mac) ON DELETE CASCADE,
      name TEXT NOT NULL,
      -- ms since the epoch
      created_at INTEGER NOT NULL,
      -- name of the image at that time, and its id
      image TEXT NOT NULL,
      image_id TEXT NOT NULL,
      bytes INTEGER NOT NULL,
      -- JSON object with the settings that the machine ran with
      machine TEXT NOT NULL,
      UNIQUE (mac, name)
    ) STRICT;
    CREATE INDEX snapshots_of_image ON snapshots (image_id);
  `);
}

/** 1: made for one job, and removed with it */
function temporaryNodes(sqlite: DatabaseSync): void {
  sqlite.exec('ALTER TABLE nodes ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0');
}

function labSettings(sqlite: DatabaseSync): void {
  sqlite.exec('CREATE TABLE lab_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;');
}
