import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeRecords } from '../../backend/api/log-lines.ts';
import { EventBus } from '../../backend/events/bus.ts';
import { LogIngester } from '../../backend/logs/ingester.ts';
import { LogReader, type LogQuery } from '../../backend/logs/reader.ts';
import { LogStore } from '../../backend/logs/store.ts';
import { openDatabase, type Database } from '../../backend/state/database.ts';
import { compared, inTurn } from './compare.ts';
import type { BenchRow } from './row.ts';

const LINES = Number(process.env.BOOTYARD_BENCH_LINES ?? 10_000_000);
const NODES = 8;
const STREAMS = ['virtualconsole', 'walt-init', 'app', 'netconsole'];
/** One line of so many is a fault. */
const RARE = Math.max(100, Math.floor(LINES / 1000));
const SEARCH = 'fault E[0-9]+ of disk (sda|sdb)$';
/** ms since the epoch; a line comes each 100 us */
const BEGIN = 1_700_000_000_000;
const timeOf = (line: number): number => BEGIN + Math.floor(line / 10);
/** A hundredth of the time, in the middle. */
const RANGE = { from: timeOf(Math.floor(LINES * 0.5)), to: timeOf(Math.floor(LINES * 0.51)) };

interface LogLine {
  node: string;
  stream: string;
  /** ms since the epoch */
  time: number;
  text: string;
}

/** The same lines each time, of about 60 bytes. */
function* lines(): Generator<LogLine> {
  let state = 12345;
  for (let line = 0; line < LINES; line++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const hex = state.toString(16).padStart(8, '0');
    const isFault = line % RARE === RARE - 1;
    yield {
      node: `vnode${(state >>> 8) % NODES}`,
      stream: STREAMS[(state >>> 16) % STREAMS.length] ?? '',
      time: timeOf(line),
      text: isFault
        ? `[${line}] fault E${state % 1000} of disk sd${state % 2 ? 'a' : 'b'}`
        : `[${line}] usb 1-${state % 7}: device ${hex} is number ${line % 997}, state ok`,
    };
  }
}

const JOURNALD = 'journald';
/** Lines of one search, and how long it took: ms to the first, and to the last. */
interface Found {
  count: number;
  firstMs: number;
  lastMs: number;
}

/** Log lines beside systemd's journal: systemd-journal-remote writes it, journalctl searches it. */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-logs-'));
  const ours = new Ours(join(folder, 'lab.db'));
  const journal = join(folder, 'journal');
  mkdirSync(journal);
  try {
    const ingest = await inTurn(
      1,
      () => perSecond(() => ours.ingest()),
      () => perSecond(() => ingestJournal(journal)),
    );
    const row = { unit: 'lines/s', peerName: JOURNALD, target: null };
    const searches = await searchRows(ours, journal);
    return [compared({ ...row, name: `logs: ${LINES} lines kept` }, ingest), ...searches];
  } finally {
    ours.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function searchRows(ours: Ours, journal: string): Promise<BenchRow[]> {
  const searches: [string, number, Partial<LogQuery>, string[]][] = [
    ['an expression', 1, { regexp: SEARCH }, ['--case-sensitive=yes', '--grep', SEARCH]],
    [
      'a hundredth of the time',
      3,
      { history: RANGE },
      [`--since=@${RANGE.from / 1000}`, `--until=@${RANGE.to / 1000}`],
    ],
  ];
  const rows: BenchRow[] = [];
  for (const [name, rounds, query, options] of searches) {
    const found = { ours: [] as Found[], peer: [] as Found[] };
    for (let round = 0; round < rounds; round++) {
      found.peer.push(await searchJournal(journal, options));
      found.ours.push(await ours.search(query));
    }
    const counts = new Set([...found.ours, ...found.peer].map(({ count }) => count));
    if (counts.size !== 1 || counts.has(0)) throw new Error(`${name}: found ${[...counts].join(', ')} lines`);
    const what = { unit: 'ms', peerName: JOURNALD, target: null, less: true };
    for (const [which, key] of [
      ['first', 'firstMs'],
      ['all', 'lastMs'],
    ] as const) {
      const figures = { ours: found.ours.map((one) => one[key]), peer: found.peer.map((one) => one[key]) };
      rows.push(compared({ ...what, name: `logs: ${which} of ${[...counts][0]} lines by ${name}` }, figures));
    }
  }
  return rows;
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return LINES / ((performance.now() - started) / 1000);
}

/** The log system as the daemon has it, without its network. */
class Ours {
  readonly #database: Database;
  readonly #bus = new EventBus();
  readonly #ingester: LogIngester;
  readonly #reader: LogReader;

  constructor(file: string) {
    this.#database = openDatabase(file);
    const store = new LogStore(this.#database);
    const nameOf = (issuer: string): string | undefined => (issuer === 'server' ? undefined : issuer);
    this.#ingester = new LogIngester({ store, nameOf, log: console.log });
    const nodes = { nameOf, isTemporary: () => false, isNode: () => true };
    this.#reader = new LogReader({ store, file, ingester: this.#ingester, nodes });
    this.#bus.subscribe(this.#ingester.take);
  }

  ingest(): Promise<void> {
    for (const { node, stream, time, text } of lines()) {
      this.#bus.publish({ kind: 'log', node, stream, line: text, timestamp: time });
    }
    this.#ingester.flush();
    return Promise.resolve();
  }

  async search(query: Partial<LogQuery>): Promise<Found> {
    const started = performance.now();
    const found: Found = { count: 0, firstMs: 0, lastMs: 0 };
    const history = { from: -Infinity, to: Infinity };
    const all: LogQuery = { issuers: ['all-nodes'], history, realtime: false, ...query };
    for await (const page of this.#reader.read(all, new AbortController().signal)) {
      if (page.length > 0 && encodeRecords(page).length > 0) found.firstMs ||= performance.now() - started;
      found.count += page.length;
    }
    return { ...found, lastMs: performance.now() - started };
  }

  close(): void {
    this.#database.close();
  }
}

async function ingestJournal(folder: string): Promise<void> {
  const program = join(unpacked(), 'lib/systemd/systemd-journal-remote');
  const env = { ...process.env, LD_LIBRARY_PATH: join(unpacked(), 'usr/lib/x86_64-linux-gnu') };
  const remote = spawn(program, ['-o', join(folder, 'remote.journal'), '-'], {
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = success(remote, program);
  let batch = '';
  for (const { node, stream, time, text } of lines()) {
    batch += `__REALTIME_TIMESTAMP=${time}000\nMESSAGE=${text}\n_HOSTNAME=${node}\nSYSLOG_IDENTIFIER=${stream}\n\n`;
    if (batch.length < 256 * 1024) continue;
    if (!remote.stdin?.write(batch)) await Promise.race([once(remote.stdin ?? remote, 'drain'), ended]);
    batch = '';
  }
  remote.stdin?.end(batch);
  await ended;
}

async function searchJournal(folder: string, options: readonly string[]): Promise<Found> {
  const started = performance.now();
  const args = ['--directory', folder, '--no-pager', '--quiet', '--output', 'short-iso', ...options];
  const search = spawn('journalctl', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = success(search, 'journalctl');
  const found: Found = { count: 0, firstMs: 0, lastMs: 0 };
  for await (const line of createInterface({ input: search.stdout })) {
    if (line === '') continue;
    found.firstMs ||= performance.now() - started;
    found.count++;
  }
  await ended;
  return { ...found, lastMs: performance.now() - started };
}

async function success(child: ChildProcess, name: string): Promise<void> {
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
}

/** Where `fetch-peers` has put the journal's server. */
function unpacked(): string {
  const root = join(import.meta.dirname, '../../.cache/bench/systemd-journal-remote');
  if (existsSync(join(root, 'usr'))) return root;
  throw new Error('systemd-journal-remote is not there: run test/bench/fetch-peers first');
}
