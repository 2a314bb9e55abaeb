import type { DatabaseSync } from 'node:sqlite';

export type Migration = (sqlite: DatabaseSync) => void;

/** In order, one per schema version. A migration that was released is never changed; a new one is added. */
export const migrations: readonly Migration[] = [
  nodesLeasesAndBoots,
  snapshots,
  temporaryNodes,
  labSettings,
  bootNumbers,
  logs,
  bootReads,
  bootExplanations,
  rawLines,
];

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

/** Boots are called by their number, which counts those of a node. */
function bootNumbers(sqlite: DatabaseSync): void {
  sqlite.exec(`
    ALTER TABLE boots ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
    UPDATE boots SET number = numbered.number FROM
      (SELECT id, row_number() OVER (PARTITION BY mac ORDER BY started_at, rowid) AS number FROM boots) AS numbered
      WHERE boots.id = numbered.id;
    CREATE INDEX boots_of_image ON boots (image, started_at);
  `);
}

function logs(sqlite: DatabaseSync): void {
  sqlite.exec(`
    CREATE TABLE log_streams (
      -- never given to another one
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      -- MAC of a node, 'server', or the IPv4 address of something that is no node
      issuer TEXT NOT NULL,
      -- of the issuer when the stream began: all that is left of a node's name when it is removed
      issuer_name TEXT NOT NULL,
      name TEXT NOT NULL,
      UNIQUE (issuer, name)
    ) STRICT;

    CREATE TABLE log_lines (
      -- in the order of arrival
      id INTEGER PRIMARY KEY,
      stream INTEGER NOT NULL,
      -- us since the epoch
      time INTEGER NOT NULL,
      -- as it came, without the newline
      line BLOB NOT NULL
    ) STRICT;
    CREATE INDEX log_lines_of_stream ON log_lines (stream, time);

    -- One row, kept with each change: to count ten million lines takes seconds.
    CREATE TABLE log_totals (lines INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
    INSERT INTO log_totals VALUES (0, 0);

    CREATE TABLE log_checkpoints (
      name TEXT PRIMARY KEY,
      -- us since the epoch
      time INTEGER NOT NULL
    ) STRICT;
  `);
}

function bootReads(sqlite: DatabaseSync): void {
  sqlite.exec(`
    CREATE TABLE boot_reads (
      boot TEXT PRIMARY KEY REFERENCES boots (id) ON DELETE CASCADE,
      -- what the image's name meant then
      image_id TEXT NOT NULL,
      -- deflated JSON array of [path, bytes, ms from power-on to the first read]
      reads BLOB NOT NULL
    ) STRICT;
  `);
}

/** JSON object: why the boot stopped, or what ended its machine later. */
function bootExplanations(sqlite: DatabaseSync): void {
  sqlite.exec('ALTER TABLE boots ADD COLUMN explanation TEXT');
}

/** What a line of a serial line was made of; NULL: the line and its newline. */
function rawLines(sqlite: DatabaseSync): void {
  sqlite.exec('ALTER TABLE log_lines ADD COLUMN raw BLOB');
}
