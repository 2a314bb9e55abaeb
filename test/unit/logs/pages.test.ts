import { afterEach, beforeEach, expect, test } from 'vitest';
import { LinePages, type PageOf } from '../../../backend/logs/line-pages.ts';
import { textOf } from '../../../backend/logs/line.ts';
import type { LogPage, LogQuery } from '../../../backend/logs/reader.ts';
import { Logs } from './support.ts';

let logs: Logs;
beforeEach(() => {
  logs = new Logs();
});
afterEach(() => logs.close());

/** All lines, read page after page from one end. */
async function throughPages(query: Partial<LogQuery>, of: Omit<LogPage, 'after'>): Promise<string[]> {
  const lines: string[] = [];
  let after: LogPage['after'];
  for (;;) {
    const page = await logs.all({ ...query, page: { ...of, ...(after && { after }) } });
    expect(page.length).toBeLessThanOrEqual(of.limit);
    lines.push(...page.map(({ line }) => textOf(line)));
    if (page.length < of.limit) return lines;
    after = page.at(-1);
  }
}

test.each([37, 200, 201, 5000])('pages of %i lines hold each line once, from either end', async (limit) => {
  for (let i = 0; i < 1111; i++) {
    logs.put(String(i), { stream: `s${i % 5}`, timestamp: 1000 + Math.floor(i / 300) });
  }
  const all = Array.from({ length: 1111 }, (_, i) => String(i));
  expect(await throughPages({}, { isBackward: false, limit })).toEqual(all);
  expect(await throughPages({}, { isBackward: true, limit })).toEqual(all.toReversed());
});

test('pages keep to the range, the streams and the expression of the query', async () => {
  for (let i = 0; i < 1000; i++) logs.put(String(i), { stream: `s${i % 2}`, timestamp: i });
  const query = { history: { from: 100, to: 300 }, streams: '^s0$', regexp: '6$' };
  const expected = Array.from({ length: 20 }, (_, i) => String(296 - i * 10));
  expect(await throughPages(query, { isBackward: true, limit: 7 })).toEqual(expected);
  expect(await throughPages(query, { isBackward: false, limit: 7 })).toEqual(expected.toReversed());
  const last = await logs.all({ ...query, page: { isBackward: true, limit: 1 } });
  expect(last).toEqual([
    { id: 297, time: 296_000, issuer: 'vnode1', stream: 's0', line: new Uint8Array(Buffer.from('296')) },
  ]);
});

// Lines 19999 and 30000 are the last of a window, from either end.
test.each([99, 0])('pages of lines that have a text are found in windows, from either end: %i', (rest) => {
  for (let i = 0; i < 50_000; i++) logs.put(`line ${i} caf\u00e9`, { timestamp: 1000 + Math.floor(i / 7) });
  logs.ingester.flush();
  const [stream = { id: 0 }] = logs.store.streams();
  const pages = new LinePages(logs.database.sqlite, `${String(rest).padStart(2, '0')} caf`);
  const all = { stream: stream.id, from: 0, to: Infinity, lastId: Infinity };
  const read = (isBackward: boolean, limit: number): string[] => {
    const lines: string[] = [];
    for (let after: PageOf['after']; ;) {
      const page = pages.page({ ...all, isBackward, limit, ...(after && { after }) });
      lines.push(...page.map(({ line }) => textOf(line)));
      if (page.length < limit) return lines;
      after = page.at(-1);
    }
  };
  const every = Array.from({ length: 500 }, (_, i) => `line ${i * 100 + rest} caf\u00e9`);
  const expected = every.slice(rest === 0 ? 1 : 0);
  for (const limit of [1, 7, 499, 500, 501]) {
    expect(read(false, limit)).toEqual(expected);
    expect(read(true, limit)).toEqual(expected.toReversed());
  }
  const some = pages.page({ ...all, from: 1_500_000, to: 2_000_000, isBackward: false, limit: 1000 });
  expect(textOf(some[0]?.line ?? new Uint8Array())).toBe(`line ${3500 + rest} caf\u00e9`);
  expect(some.length).toBe(rest === 0 ? 36 : 35);
});
