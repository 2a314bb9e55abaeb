import { EventBus, type LogEvent } from '../../../backend/events/bus.ts';
import { LogIngester } from '../../../backend/logs/ingester.ts';
import type { IssuerNodes } from '../../../backend/logs/issuers.ts';
import { textOf } from '../../../backend/logs/line.ts';
import { LogReader, type LogQuery, type LogRecord } from '../../../backend/logs/reader.ts';
import { LogStore } from '../../../backend/logs/store.ts';
import { openDatabase, type Database } from '../../../backend/state/database.ts';

export const VNODE1 = '52:54:00:00:00:01';
export const VNODE2 = '52:54:00:00:00:02';

/** The log system on a database in memory, with two nodes that a test may rename or take away. */
export class Logs {
  readonly database: Database;
  readonly bus = new EventBus();
  readonly store: LogStore;
  readonly names = new Map([
    [VNODE1, 'vnode1'],
    [VNODE2, 'vnode2'],
  ]);
  readonly complaints: string[] = [];
  readonly ingester: LogIngester;
  readonly nodes: IssuerNodes = {
    nameOf: (issuer) => this.names.get(issuer),
    isTemporary: () => false,
    isNode: (name) => [...this.names.values()].includes(name),
  };
  readonly reader: LogReader;

  constructor(database = openDatabase(':memory:')) {
    this.database = database;
    this.store = new LogStore(database);
    this.ingester = new LogIngester({
      store: this.store,
      nameOf: (mac) => this.names.get(mac),
      log: (line) => void this.complaints.push(line),
    });
    this.reader = new LogReader({ store: this.store, ingester: this.ingester, nodes: this.nodes });
    this.bus.subscribe(this.ingester.take);
  }

  put(line: string, event: Partial<LogEvent> = {}): void {
    this.bus.publish({ kind: 'log', node: VNODE1, stream: 'app', line, timestamp: Date.now(), ...event });
  }

  query(query: Partial<LogQuery>, signal = new AbortController().signal): AsyncGenerator<LogRecord[]> {
    return this.reader.read(
      { issuers: ['my-nodes'], history: { from: -Infinity, to: Infinity }, realtime: false, ...query },
      signal,
    );
  }

  async all(query: Partial<LogQuery> = {}): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for await (const page of this.query(query)) records.push(...page);
    return records;
  }

  async lines(query: Partial<LogQuery> = {}): Promise<string[]> {
    return (await this.all(query)).map(({ line }) => textOf(line));
  }

  close(): void {
    this.ingester.flush();
    this.database.close();
  }
}
