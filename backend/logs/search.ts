import { on } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HistoryOf } from './history.ts';
import type { StoredLine } from './line-pages.ts';

export interface SearchOrder {
  /** of the database */
  file: string;
  of: HistoryOf;
  /** a POSIX extended one that compiles */
  regexp: string;
  /** most lines to find */
  limit: number;
}

/**
 * Stored lines that match, found in a thread of their own: however many there are to look through, the daemon does its
 * work meanwhile. The thread waits for the reader, and ends with it or when `signal` is aborted.
 */
export async function* searchInThread(order: SearchOrder, signal: AbortSignal): AsyncGenerator<StoredLine[]> {
  const worker = new Worker(workerFile(), {
    workerData: order,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  try {
    const messages: AsyncIterable<StoredLine[][]> = on(worker, 'message', { close: ['exit'], signal });
    for await (const [found = []] of messages) {
      yield found;
      worker.postMessage('more');
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await worker.terminate();
  }
}

function workerFile(): string {
  const source = join(import.meta.dirname, 'search-worker.ts');
  return existsSync(source) ? source : join(import.meta.dirname, 'log-search.cjs');
}
