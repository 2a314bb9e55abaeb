import type { EventBus } from '../events/bus.ts';
import type { Database } from '../state/database.ts';
import { LabSettings } from '../state/lab-settings.ts';
import { Checkpoints } from './checkpoints.ts';
import { LogIngester } from './ingester.ts';
import { LogReader } from './reader.ts';
import { LogRetention } from './retention.ts';
import { LogStore } from './store.ts';

/** Nodes, as far as logs know them. */
interface NamedNodes {
  byMac(mac: string): { name: string } | undefined;
  byName(name: string): unknown;
  isTemporary(mac: string): boolean;
}

export interface LogSystemParts {
  database: Database;
  /** the database's */
  file: string;
  bus: EventBus;
  /** not asked before there are nodes */
  nodes: () => NamedNodes;
  log: (line: string) => void;
}

/** The parts of the log system, put together. */
export class LogSystem {
  readonly reader: LogReader;
  readonly checkpoints: Checkpoints;
  readonly retention: LogRetention;
  readonly #store: LogStore;
  readonly #ingester: LogIngester;
  readonly #unsubscribe: () => void;

  constructor({ database, file, bus, nodes, log }: LogSystemParts) {
    const store = new LogStore(database);
    const nameOf = (mac: string): string | undefined => nodes().byMac(mac)?.name;
    const ingester = new LogIngester({ store, nameOf, log });
    this.reader = new LogReader({
      store,
      file,
      ingester,
      nodes: {
        nameOf,
        isTemporary: (mac) => nodes().isTemporary(mac),
        isNode: (name) => nodes().byName(name) !== undefined,
      },
    });
    this.checkpoints = new Checkpoints(database);
    this.retention = new LogRetention({ store, settings: new LabSettings(database), log });
    this.#store = store;
    this.#ingester = ingester;
    this.#unsubscribe = bus.subscribe(ingester.take);
  }

  /** Names of streams that have lines. */
  streams(): string[] {
    return this.#store.streams().map(({ name }) => name);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.retention.close();
    this.#ingester.flush();
  }
}

/** What writes lines of the lab itself: to `write` and WalT's stream for a daemon, and to that for nodes as well. */
export function ownLogs(
  bus: EventBus,
  write: (line: string) => void,
): Record<'log' | 'nodeLog', (line: string) => void> {
  const publish = (stream: string, line: string): void =>
    bus.publish({ kind: 'log', stream, line, timestamp: Date.now() });
  const log = (line: string): void => {
    write(line);
    publish('daemon.stderr', line);
  };
  const nodeLog = (line: string): void => {
    log(line);
    publish('platform.nodes', line);
  };
  return { log, nodeLog };
}
