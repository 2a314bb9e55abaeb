import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LineBatches } from '../../extension/logs/line-batches.ts';
import { exportLog } from '../../extension/logs/log-export.ts';
import { exportedLine, filters, shownLine, times } from '../../extension/logs/log-text.ts';
import type { Line } from '../../extension/logs/messages.ts';
import { LogLines, MOST_HELD } from '../../media/logs/lines.ts';
import { rangeOf, shortTime } from '../../media/logs/time.ts';
import { logHandlers } from '../../backend/api/log-handlers.ts';
import { Checkpoints } from '../../backend/logs/checkpoints.ts';
import { LogRetention } from '../../backend/logs/retention.ts';
import { LabSettings } from '../../backend/state/lab-settings.ts';
import { client, folder, serve } from '../support/api-server.ts';
import { Logs } from './logs/support.ts';

const line = (id: number, time = id): Line => ({ id, time, issuer: 'n', stream: 's', text: String(id) });
const lines = (from: number, to: number): Line[] =>
  Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
const ids = (held: LogLines): number[] => held.all.map(({ id }) => id);

describe('lines that a page holds', () => {
  let held: LogLines;
  beforeEach(() => {
    held = new LogLines();
  });

  test('the latest come first, older ones before them, live ones behind; each once', () => {
    held.addLive(lines(9, 11), true);
    held.addOlder(lines(6, 10).toReversed());
    held.end('older', false);
    expect([ids(held), held.oldest?.id, held.isAtStart]).toEqual([[6, 7, 8, 9, 10, 11], 6, false]);
    held.addOlder(lines(1, 5).toReversed());
    held.end('older', true);
    held.addLive([line(12)], true);
    expect(ids(held)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(held.isAtStart).toBe(true);
  });

  test('a line that comes late with an early time goes to its place, or is read there later', () => {
    held.addOlder(lines(10, 20).toReversed());
    held.end('older', false);
    held.addLive([line(21, 15), line(22, 3)], true);
    expect(ids(held)).toEqual([10, 11, 12, 13, 14, 15, 21, 16, 17, 18, 19, 20]);
    held.addOlder([line(9), line(22, 3), line(2)]);
    held.end('older', true);
    held.addLive([line(23, 1)], true);
    expect(ids(held).slice(0, 4)).toEqual([23, 2, 22, 9]);
  });

  test('who follows loses the first lines of too many, and can read them again', () => {
    held.addOlder(lines(1, 10).toReversed());
    held.end('older', true);
    held.addLive(lines(11, MOST_HELD + 10), true);
    expect([held.all.length, held.all[0]?.id, held.isAtStart, held.oldest?.id]).toEqual([
      MOST_HELD,
      11,
      false,
      11,
    ]);
    held.addOlder(lines(6, 10).toReversed());
    expect([held.all[0]?.id, held.all.at(-1)?.id, held.isAtEnd]).toEqual([6, MOST_HELD + 5, false]);
  });

  test('who has scrolled away from the latest finds them again, with those that came meanwhile', () => {
    held.addOlder(lines(11, 20).toReversed());
    held.addLive(lines(21, MOST_HELD + 20), false);
    expect([held.all.at(-1)?.id, held.isAtEnd]).toEqual([MOST_HELD + 10, false]);
    held.addLive([line(MOST_HELD + 21)], false);
    held.beginNewer();
    held.addNewer(lines(MOST_HELD + 11, MOST_HELD + 21));
    held.addLive([line(MOST_HELD + 22)], false);
    held.end('newer', true);
    expect([held.all.at(-1)?.id, held.isAtEnd, held.all.length]).toEqual([MOST_HELD + 22, true, MOST_HELD]);
    expect(ids(held)).toEqual(lines(23, MOST_HELD + 22).map(({ id }) => id));
  });

  test('a page of newer lines that is not the last leaves the end open', () => {
    held.addOlder(lines(1, MOST_HELD + 5).toReversed());
    held.beginNewer();
    held.addNewer([line(MOST_HELD + 1)]);
    held.addLive([line(MOST_HELD + 9)], false);
    held.end('newer', false);
    expect([held.all.at(-1)?.id, held.isAtEnd]).toEqual([MOST_HELD + 1, false]);
    held.clear();
    expect([held.all.length, held.isAtEnd, held.isAtStart, held.oldest]).toEqual([0, true, false, undefined]);
  });

  test('a line is found by its place', () => {
    held.addOlder([line(4, 9), line(2, 5), line(1, 5)]);
    expect([
      held.indexOf({ time: 5, id: 2 }),
      held.indexOf({ time: 6, id: 0 }),
      held.indexOf({ time: 9, id: 5 }),
    ]).toEqual([1, 2, 3]);
  });
});

test('times: as choices, and as rows show them', () => {
  const none = { from: '', to: '' };
  const checkpoints = [{ name: 'start', time: 123 }];
  expect(rangeOf({ range: 'all', ...none }, checkpoints)).toEqual({});
  expect(rangeOf({ range: '300', ...none }, checkpoints, 1_000_000)).toEqual({ from: 700_000 });
  expect(rangeOf({ range: 'checkpoint start', ...none }, checkpoints)).toEqual({ from: 123 });
  expect(rangeOf({ range: 'checkpoint gone', ...none }, checkpoints)).toEqual({});
  const from = new Date(2026, 0, 2, 3, 4, 5);
  const between = { range: 'between', from: '2026-01-02T03:04:05', to: '' };
  expect(rangeOf(between, checkpoints)).toEqual({ from: from.getTime() });
  expect(rangeOf({ ...between, from: '', to: '2026-01-02T03:04:05' }, [])).toEqual({ to: from.getTime() });
  expect(shortTime(from.getTime() * 1000 + 7890)).toBe('01-02 03:04:05.007');
});

test('what a node writes moves and colours nothing, and a long line is cut on show alone', () => {
  const record = (bytes: string | Buffer) => ({
    id: 1,
    time: 1_767_323_045_000_007,
    issuer: 'n1',
    stream: 's\n',
    line: Buffer.from(bytes),
  });
  expect(shownLine(record('\u001b[1;31mred\u001b[0m\ttab\u0000 \u001b]0;x\u0007'))).toEqual({
    id: 1,
    time: 1_767_323_045_000_007,
    issuer: 'n1',
    stream: 's ',
    text: 'red tab  ',
  });
  expect(shownLine(record('x'.repeat(70_000))).text).toMatch(/^x{4000}\.\.\. \(70000 bytes\)$/);
  const bytes = Buffer.from([0xff, 0x1b, 0]);
  expect(exportedLine(record(bytes))).toEqual(
    Buffer.concat([Buffer.from('2026-01-02T03:04:05.000007Z n1.s\n -> '), bytes, Buffer.from('\n')]),
  );
});

test('filters are those of the daemon; a view of one node asks for that alone', () => {
  const query = { issuers: ' server ', streams: '', search: '', to: 5 };
  expect(filters(query, '')).toEqual({ issuers: ['server'] });
  expect(filters({ ...query, streams: '^a$', search: 'b' }, 'n1')).toEqual({
    issuers: ['n1'],
    streams: '^a$',
    regexp: 'b',
  });
  expect(filters({ ...query, issuers: '' }, '').issuers).toEqual(['all-nodes']);
  expect(times(query)).toEqual({ to: 5 });
});

test('a page that is slow makes the reader wait, and gets every line in order', async () => {
  const taken: number[] = [];
  const releases: (() => void)[] = [];
  const batches = new LineBatches(async (batch) => {
    taken.push(...batch.map(({ id }) => id));
    await new Promise<void>((resolve) => releases.push(resolve));
  });
  let added = 0;
  const reader = (async () => {
    for (const one of lines(1, 2000)) {
      await batches.add(one);
      added++;
    }
    await batches.flush();
  })();
  await expect.poll(() => releases.length).toBe(1);
  await delay(0);
  expect(added).toBe(499);
  for (let done = false; !done;) {
    releases.shift()?.();
    done = await Promise.race([reader.then(() => true), delay(1, false)]);
  }
  expect(taken).toEqual(lines(1, 2000).map(({ id }) => id));
});

describe('export', () => {
  let logs: Logs;
  beforeEach(() => {
    logs = new Logs();
  });
  afterEach(() => logs.close());

  async function connected(): Promise<Awaited<ReturnType<typeof client>>> {
    const retention = new LogRetention({
      store: logs.store,
      settings: new LabSettings(logs.database),
      log: () => undefined,
    });
    await serve(
      logHandlers({
        reader: logs.reader,
        checkpoints: new Checkpoints(logs.database),
        retention,
        streams: () => [],
      }),
    );
    return await client();
  }
  const query = { issuers: ['all-nodes'], history: { from: 1000 }, realtime: false };
  const task = (signal = new AbortController().signal) => ({ signal, onProgress: () => undefined });

  test('the file has the bytes of every line', async () => {
    for (let i = 0; i < 3000; i++) logs.put(`line ${i}`, { timestamp: 990 + i });
    logs.put('', { bytes: Buffer.from([0xff, 0]), timestamp: 5000 });
    const file = join(folder, 'out.log');
    expect(await exportLog(await connected(), query, file, task())).toBe(2991);
    const text = readFileSync(file, 'latin1').split('\n');
    expect(text).toHaveLength(2992);
    expect([text[0], text.at(-2)]).toEqual([
      '1970-01-01T00:00:01.000000Z vnode1.app -> line 10',
      '1970-01-01T00:00:05.000000Z vnode1.app -> \u00ff\u0000',
    ]);
  });

  test('one that is cancelled, or cannot be written, leaves what was there', async () => {
    logs.put('x');
    const api = await connected();
    const file = join(folder, 'out.log');
    writeFileSync(file, 'before');
    const gone = new AbortController();
    gone.abort();
    await expect(exportLog(api, query, file, task(gone.signal))).rejects.toThrow();
    await expect(exportLog(api, query, join(folder, 'no/where.log'), task())).rejects.toThrow(
      /^The log cannot be written to .*where\.log: ENOENT/,
    );
    await expect(exportLog(api, { ...query, regexp: '(' }, file, task())).rejects.toThrow('Invalid regular');
    expect([readFileSync(file, 'utf8'), existsSync(`${file}.part`)]).toEqual(['before', false]);
  });
});
