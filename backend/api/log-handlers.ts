import { BootyardError, messageOf } from '../errors.ts';
import type { Checkpoints } from '../logs/checkpoints.ts';
import { parseRange, relativeTime, type TimeRange } from '../logs/range.ts';
import type { LogReader } from '../logs/reader.ts';
import type { LogRetention } from '../logs/retention.ts';
import type { ByteStream } from './contract.ts';
import { encodeRecords, type LogRecord } from './log-lines.ts';
import type { logMethods } from './log.ts';
import type { ServedHandlers } from './server-connection.ts';

const PART_BYTES = 64 * 1024;

export interface LogActions {
  reader: Pick<LogReader, 'read' | 'count'>;
  checkpoints: Pick<Checkpoints, 'list' | 'timeOf' | 'add' | 'remove'>;
  retention: Pick<LogRetention, 'info' | 'set'>;
  streams(): string[];
}

export function logHandlers(logs: LogActions): Pick<ServedHandlers, keyof typeof logMethods> {
  const { reader, checkpoints, retention } = logs;
  const range = (history: string | Partial<TimeRange>): TimeRange | undefined => {
    if (typeof history !== 'string') return { from: -Infinity, to: Infinity, ...history };
    return history === 'none' ? undefined : parseRange(history, Date.now(), checkpoints.timeOf);
  };
  return {
    'log.read': ({ history, raw, ...query }, context) => {
      const ending = new AbortController();
      const pages = reader.read({ ...query, history: range(history) }, ending.signal);
      const stream = context.openStream();
      void send(pages, { stream, raw }, ending);
      return { stream: stream.id };
    },
    'log.count': ({ history, ...query }) => {
      const times = range(history);
      return { lines: times ? reader.count(query, times) : 0 };
    },
    'log.streams': () => [...new Set(logs.streams())],
    'log.checkpoints': () => checkpoints.list(),
    'log.addCheckpoint': ({ name, date }) => checkpoints.add(name, timeOf(date)),
    'log.removeCheckpoint': ({ name }) => {
      checkpoints.remove(name);
      return {};
    },
    'log.retention': (limits) => (Object.keys(limits).length > 0 ? retention.set(limits) : retention.info()),
  };
}

/** Hands pages over at the reader's pace, until there are no more or it goes away. */
async function send(
  pages: AsyncIterable<LogRecord[]>,
  { stream, raw }: { stream: ByteStream; raw: boolean },
  ending: AbortController,
): Promise<void> {
  let goOn = (): void => undefined;
  stream.onDrain(() => goOn());
  const put = async (records: LogRecord[]): Promise<void> => {
    if (stream.write(encodeRecords(records, raw))) return;
    await new Promise<void>((resolve) => (goOn = resolve));
  };
  stream.onClose(() => {
    ending.abort();
    goOn();
  });
  try {
    for await (const page of pages) {
      for (const part of parts(page)) {
        if (ending.signal.aborted) return;
        await put(part);
      }
    }
    stream.end();
  } catch (error) {
    stream.end(messageOf(error));
  }
}

/** Lines of a page, about as many at once as a stream takes. */
function* parts(page: readonly LogRecord[]): Generator<LogRecord[]> {
  let part: LogRecord[] = [];
  let bytes = 0;
  for (const record of page) {
    part.push(record);
    bytes += record.line.length + (record.raw?.length ?? 0);
    if (bytes < PART_BYTES) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}

function timeOf(date: string | number | undefined): number {
  if (typeof date === 'number') return date;
  const time = date === undefined ? Date.now() : relativeTime(date);
  if (time !== undefined) return time;
  throw new BootyardError(
    'log.date',
    "Invalid relative date. Should be: -<int>[dhms] (e.g. '-6h' for 'six hours ago')",
    { date },
  );
}
