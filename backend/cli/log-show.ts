import { once } from 'node:events';
import { isUtf8 } from 'node:buffer';
import type { Params } from '../api/contract.ts';
import { eachRecord, isoTime, SERVER_NAME, textOf, type LogRecord } from '../api/log-lines.ts';
import { compileFormat, DEFAULT_FORMAT } from './log-format.ts';
import { printable } from './table.ts';
import type { LabSession, Session } from './session.ts';
import { timeoutSeconds, UsageError } from './usage.ts';

export interface FilterOptions {
  issuers?: string;
  /** other words for `issuers` */
  emitters?: string;
  nodes?: string;
  streams?: string;
  platform?: boolean;
  server?: boolean;
  format?: string;
  json?: boolean;
}
export interface ShowLogOptions extends FilterOptions {
  realtime?: boolean;
  raw?: boolean;
  history: string;
}
export interface WaitOptions extends FilterOptions {
  mode: string;
  timeMargin: string;
  timeout?: string;
}

/** More than these are asked about before a terminal shows them, as in WalT. */
const MANY = 1000;
const UNTIL_MATCHED = 'matched';

type Query = Params<'log.read'>;
type Printer = (record: LogRecord) => Promise<void>;

export async function showLogs(
  session: Session,
  regexp: string | undefined,
  options: ShowLogOptions,
): Promise<void> {
  const { realtime = false, history, raw = false } = options;
  if (!realtime && history === 'none') {
    throw new UsageError('You must specify at least 1 of the options --realtime and --history.');
  }
  if (raw && (options.json || options.format !== undefined || process.stdout.isTTY)) {
    throw new UsageError(
      '--raw writes bytes into a file or a pipe, not to a terminal, and has neither --json nor --format.',
    );
  }
  const wanted = { ...filter(options), ...(regexp === undefined ? {} : { regexp }), history, realtime };
  const query = { ...wanted, raw };
  const print = raw ? putRaw : printer(options);
  await session.withLab(async (lab) => {
    if (await isTooMuch(lab, query)) return;
    const message = await follow(lab, query, lab.signal, print);
    if (lab.signal.aborted) session.exitCode = 130;
    else if (message !== undefined) {
      session.say(message);
      session.exitCode = 1;
    }
  });
}

/** A regular expression leaves few lines, and to count those would take long. */
async function isTooMuch({ session, client }: LabSession, query: Query): Promise<boolean> {
  if (!session.interactive || query.history === 'none' || query.regexp !== undefined) return false;
  const { issuers, streams, history } = query;
  const { lines } = await client.call('log.count', { issuers, streams, history });
  if (lines <= MANY) return false;
  session.say(`This will display approximately ${lines} log records from history.`);
  return !(await session.confirm('Are you sure?'));
}

export async function waitForLog(session: Session, regexp: string, options: WaitOptions): Promise<void> {
  const { mode, timeMargin, timeout } = options;
  const seconds = timeoutSeconds(timeout);
  if (!/^(any|all)$/i.test(mode)) throw new UsageError(`--mode is ANY or ALL, not '${mode}'.`);
  if (!/^\d{1,9}$/.test(timeMargin)) {
    throw new UsageError(`--time-margin takes a number of seconds, not '${timeMargin}'.`);
  }
  const history = timeMargin === '0' ? 'none' : `-${timeMargin}s:`;
  const query = { ...filter(options), regexp, history, realtime: true };
  const print = printer(options);
  await session.withLab(async (lab) => {
    const missing = mode.toUpperCase() === 'ANY' ? undefined : await issuerNames(lab, query.issuers);
    await untilMatched(lab, query, seconds, async (record) => {
      await print(record);
      missing?.delete(record.issuer);
      return missing === undefined || missing.size === 0;
    });
  });
}

/** Reads until `take` answers true, or says that the time is up. */
async function untilMatched(
  lab: LabSession,
  query: Query,
  seconds: number | undefined,
  take: (record: LogRecord) => Promise<boolean>,
): Promise<void> {
  const { session } = lab;
  const matched = new AbortController();
  const limit = seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1000)];
  const ending = AbortSignal.any([lab.signal, matched.signal, ...limit]);
  const message = await follow(lab, query, ending, async (record) => {
    if (!ending.aborted && (await take(record))) matched.abort(UNTIL_MATCHED);
  });
  if (matched.signal.aborted) return;
  session.exitCode = lab.signal.aborted ? 130 : 1;
  if (!lab.signal.aborted) session.say(message ?? 'Timeout was reached.');
}

/** Answers with the sentence that the logs ended with, if they did with one. */
async function follow(
  { client, signal }: LabSession,
  query: Query,
  ending: AbortSignal,
  onRecord: (record: LogRecord) => Promise<void>,
): Promise<string | undefined> {
  const stream = await client.readLogs(query, { signal });
  return await eachRecord(stream, ending, onRecord);
}

async function issuerNames({ client }: LabSession, set: readonly string[] = []): Promise<Set<string>> {
  const words = set.flatMap((part) => part.split(','));
  const named = words.filter((word) => word !== 'server' && word !== SERVER_NAME);
  const nodes = named.length > 0 ? await client.call('node.list', { nodes: named }) : [];
  const names = nodes.map(({ name }) => name);
  return new Set(named.length < words.length ? [...names, SERVER_NAME] : names);
}

function filter(options: FilterOptions): Pick<Query, 'issuers' | 'streams'> {
  const { streams, platform, server } = options;
  const issuers = options.issuers ?? options.emitters ?? options.nodes;
  if (platform || server) {
    if (issuers !== undefined || streams !== undefined || (platform && server)) {
      throw new UsageError('--platform and --server say themselves which issuers and streams they show.');
    }
    return { issuers: ['server'], streams: platform ? 'platform.*' : 'daemon.*' };
  }
  return { issuers: [issuers ?? 'my-nodes'], ...(streams === undefined ? {} : { streams }) };
}

/** A terminal obeys what a node may write, so it gets text only; a file or a pipe gets the bytes. */
function printer({ format, json }: FilterOptions): Printer {
  const write = compileFormat(format ?? DEFAULT_FORMAT);
  return (record) => {
    if (json) return put(Buffer.from(JSON.stringify(jsonOf(record))));
    const bytes = write(record);
    return put(process.stdout.isTTY ? Buffer.from(printable(textOf(bytes))) : bytes);
  };
}

function jsonOf({ time, issuer, stream, line }: LogRecord): object {
  return {
    timestamp: isoTime(time),
    issuer,
    stream,
    line: textOf(line),
    ...(isUtf8(line) ? {} : { base64: Buffer.from(line).toString('base64') }),
  };
}

/** What a line was made of. */
function putRaw({ line, raw }: LogRecord): Promise<void> {
  return write(raw ?? Buffer.concat([line, NEWLINE]));
}

function put(line: Buffer): Promise<void> {
  return write(Buffer.concat([line, NEWLINE]));
}

async function write(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}
const NEWLINE = Buffer.from('\n');
