// The thread of one search: looks through stored lines and hands over what it finds, as fast as that is taken.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { openToRead } from '../state/database.ts';
import { compileEre } from './ere.ts';
import { requiredText } from './ere-text.ts';
import { historyPages } from './history.ts';
import { LinePages, type StoredLine } from './line-pages.ts';
import { textOf } from './line.ts';
import type { SearchOrder } from './search.ts';

/** Lines that are found go out when they are so many, or so old. */
const BATCH = 200;
const OLD_MS = 50;

const port = parentPort;
if (!port) throw new Error('search-worker.ts is not a program, but a thread of the daemon');
const { file, of, regexp, limit } = workerData as SearchOrder;
const matches = compileEre(regexp);
const sqlite = openToRead(file);

async function handOver(lines: StoredLine[]): Promise<void> {
  port?.postMessage(lines);
  await once(port ?? new EventTarget(), 'message');
}

async function search(): Promise<void> {
  let left = limit;
  let found: StoredLine[] = [];
  let handedOver = performance.now();
  const text = requiredText(regexp);
  const pages = new LinePages(sqlite, text);
  for (const lines of historyPages(pages, text === undefined ? of : { ...of, begin: 1 })) {
    for (const line of lines) if (matches(textOf(line.line))) found.push(line);
    const isEnough = found.length >= left;
    const isDue = found.length >= BATCH || performance.now() - handedOver > OLD_MS;
    if (found.length > 0 && (isEnough || isDue)) {
      await handOver(found.slice(0, left));
      left -= Math.min(left, found.length);
      found = [];
      handedOver = performance.now();
    }
    if (left === 0) return;
  }
  if (found.length > 0) await handOver(found);
}

// What it throws is an error of the thread.
void search().then(() => sqlite.close());
