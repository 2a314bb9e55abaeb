import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogReader, type LogQuery } from '../../../backend/logs/reader.ts';
import { historyPages } from '../../../backend/logs/history.ts';
import { textOf } from '../../../backend/logs/line.ts';
import type { PageOf, StoredLine } from '../../../backend/logs/line-pages.ts';
import { openDatabase } from '../../../backend/state/database.ts';
import { Logs } from './support.ts';

const COUNT = 12_000;
let folder: string;
let logs: Logs;
let inThread: LogReader;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'by-search-'));
  const file = join(folder, 'lab.db');
  logs = new Logs(openDatabase(file));
  const { store, ingester, nodes } = logs;
  inThread = new LogReader({ store, file, ingester, nodes });
  for (let i = 0; i < COUNT; i++) {
    logs.put(`line ${i}`, { stream: `s${i % 3}`, timestamp: 1000 + Math.floor(i / 10) });
  }
});
afterEach(() => {
  logs.close();
  rmSync(folder, { recursive: true });
});

const everything = { issuers: ['my-nodes'], history: { from: -Infinity, to: Infinity }, realtime: false };
async function found(query: Partial<LogQuery>): Promise<string[]> {
  const lines: string[] = [];
  const pages = inThread.read({ ...everything, ...query }, new AbortController().signal);
  for await (const page of pages) lines.push(...page.map(({ line }) => textOf(line)));
  return lines;
}

test('a search that goes on in a thread finds the same lines in the same order', async () => {
  for (const query of [
    { regexp: '7$' },
    { regexp: '^line 1.*9$', streams: '^s[01]$' },
    { regexp: '99', page: { isBackward: true, limit: 150 } },
    { regexp: '5', history: { from: 1500, to: 2700 }, page: { isBackward: false, limit: 2400 } },
    { regexp: 'not there' },
  ]) {
    expect(await found(query)).toEqual(await logs.lines(query));
  }
});

test('of lines that are rare the first ones come before the others are looked for', () => {
  const { store, ingester } = logs;
  ingester.flush();
  const asked: number[] = [];
  const source = {
    page: (of: PageOf): StoredLine[] => {
      asked.push(of.limit);
      return store.pages.page(of);
    },
  };
  const all = { from: 0, to: Infinity, lastId: Infinity, isBackward: false };
  const pages = historyPages(source, { ...all, streams: store.streams().map(({ id }) => id), begin: 1 });
  const sizes: number[] = [];
  for (const page of pages) {
    if (sizes.length === 0) expect(asked.reduce((sum, limit) => sum + limit)).toBeLessThan(10);
    sizes.push(page.length);
  }
  expect(sizes.slice(0, 9)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 200]);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(COUNT);
});

test('while a thread searches, the daemon does its work; what is logged meanwhile comes afterwards', async () => {
  const seen: string[] = [];
  const ending = new AbortController();
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const pages = inThread.read({ ...everything, regexp: '000$', realtime: true }, ending.signal);
  await pages.next();
  logs.put('live 000');
  for await (const page of pages) {
    seen.push(...page.map(({ line }) => textOf(line)));
    if (seen.at(-1) === 'live 000') ending.abort();
  }
  clearInterval(turning);
  expect(turns).toBeGreaterThan(0);
  // Line 0 was in the first page.
  const stored = Array.from({ length: 11 }, (_, i) => `line ${(i + 1) * 1000}`);
  expect(seen).toEqual([...stored, 'live 000']);
});

test('a search that is cancelled, or whose reader goes away, ends its thread', async () => {
  const terminate = vi.spyOn(Worker.prototype, 'terminate');
  const ending = new AbortController();
  const pages = inThread.read({ ...everything, regexp: 'line 11' }, ending.signal);
  for await (const page of pages) if (page.length > 0) ending.abort();
  expect(terminate).not.toHaveBeenCalled();
  const again = new AbortController();
  let read = 0;
  for await (const page of inThread.read({ ...everything, regexp: 'line 1' }, again.signal)) {
    if ((read += page.length) > 2500) again.abort();
  }
  expect(terminate).toHaveBeenCalledTimes(1);
  read = 0;
  const others = inThread.read({ ...everything, regexp: 'line 1' }, new AbortController().signal);
  for await (const page of others) if ((read += page.length) > 2500) break;
  expect(terminate).toHaveBeenCalledTimes(2);
  const codes = await Promise.all(terminate.mock.results.map(({ value }) => value as Promise<number>));
  expect(codes).toEqual([1, 1]);
  terminate.mockRestore();
});
