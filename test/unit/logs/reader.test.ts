import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { textOf } from '../../../backend/logs/line.ts';
import { OVERFLOW } from '../../../backend/logs/store.ts';
import { Logs, VNODE1, VNODE2 } from './support.ts';

let logs: Logs;
beforeEach(() => {
  logs = new Logs();
});
afterEach(() => logs.close());

test('what was logged is there at once, by time whatever the stream and the order of arrival', async () => {
  logs.put('third', { timestamp: 3000 });
  logs.put('first', { timestamp: 1000, stream: 'other' });
  logs.put('second', { timestamp: 2000.0015, node: VNODE2 });
  expect(await logs.all()).toEqual([
    { id: 2, time: 1_000_000, issuer: 'vnode1', stream: 'other', line: new Uint8Array(Buffer.from('first')) },
    { id: 3, time: 2_000_002, issuer: 'vnode2', stream: 'app', line: new Uint8Array(Buffer.from('second')) },
    { id: 1, time: 3_000_000, issuer: 'vnode1', stream: 'app', line: new Uint8Array(Buffer.from('third')) },
  ]);
});

test('thousands of lines of several streams come in order, each once, also many of one time', async () => {
  for (let i = 0; i < 3000; i++) {
    logs.put(String(i), { stream: `s${i % 7}`, timestamp: 1000 + Math.floor(i / 500) });
  }
  expect(await logs.lines()).toEqual(Array.from({ length: 3000 }, (_, i) => String(i)));
  const range = { from: 1001, to: 1002 };
  expect(await logs.lines({ history: range })).toEqual(
    Array.from({ length: 1000 }, (_, i) => String(500 + i)),
  );
  expect(logs.reader.count({ issuers: ['all-nodes'] }, range)).toBe(1000);
});

test('any bytes come back as they were', async () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  logs.put('no text', { bytes: all });
  logs.put('caf\u00e9 \u{1f980} \u0000');
  const [bytes, text] = await logs.all();
  expect([...(bytes?.line ?? [])]).toEqual([...all]);
  expect(textOf(text?.line ?? new Uint8Array())).toBe('caf\u00e9 \u{1f980} \u0000');
});

describe('issuers', () => {
  beforeEach(() => {
    logs.put('of 1');
    logs.put('of 2', { node: VNODE2 });
    logs.put('of the lab', { node: undefined, stream: 'daemon.stderr' });
    logs.put('of a stranger', { node: undefined, client: '192.168.152.210' });
  });

  test('names, words and the server', async () => {
    expect(await logs.lines()).toEqual(['of 1', 'of 2']);
    expect(await logs.lines({ issuers: ['VNODE2'] })).toEqual(['of 2']);
    expect(await logs.lines({ issuers: ['vnode1,server'] })).toEqual(['of 1', 'of the lab']);
    expect(await logs.lines({ issuers: ['192.168.152.210', 'all-nodes'] })).toHaveLength(3);
    expect((await logs.all({ issuers: ['server'] }))[0]).toMatchObject({ issuer: 'walt-server' });
  });

  test('a node is known by its new name, and one that was removed by its last', async () => {
    logs.names.set(VNODE1, 'renamed');
    logs.ingester.flush();
    logs.names.delete(VNODE2);
    expect((await logs.all()).map(({ issuer }) => issuer)).toEqual(['renamed']);
    expect(await logs.lines({ issuers: ['vnode2'] })).toEqual(['of 2']);
    expect(() => logs.query({ issuers: ['vnode1'] })).toThrow("Sorry, nothing that logs is named 'vnode1'.");
  });
});

test('streams and lines are chosen by regular expressions, live as in the past', async () => {
  const query = { streams: '^app$', regexp: '^[[:digit:]]+( |$)' };
  const ending = new AbortController();
  const live = logs.query({ ...query, history: undefined, realtime: true }, ending.signal);
  const seen = live.next();
  logs.put('12 monkeys');
  logs.put('12monkeys');
  logs.put('13', { stream: 'apps' });
  logs.put('14');
  expect((await seen).value).toMatchObject([{ stream: 'app' }, {}]);
  expect(await logs.lines(query)).toEqual(['12 monkeys', '14']);
  ending.abort();
  expect(await live.next()).toMatchObject({ done: true });
  expect(() => logs.query({ regexp: '(' })).toThrow("Invalid regular expression: ( (a '(' is not closed).");
});

test('history goes over to what comes without a line lost or twice, though lines come all the time', async () => {
  const ending = new AbortController();
  let put = 0;
  const more = (count: number): void => {
    for (let i = 0; i < count; i++) logs.put(String(put++), { stream: `s${put % 3}` });
  };
  more(1000);
  const seen: string[] = [];
  for await (const page of logs.query({ realtime: true }, ending.signal)) {
    seen.push(...page.map(({ line }) => textOf(line)));
    if (put < 5000) more(137);
    if (seen.length === put) ending.abort();
  }
  expect(seen).toHaveLength(put);
  expect(seen).toEqual(Array.from({ length: put }, (_, i) => String(i)));
});

test('a node that names streams without end fills one stream with them', async () => {
  for (let i = 0; i < 600; i++) logs.put('x', { stream: `stream${i}` });
  logs.put('y', { node: VNODE2 });
  const others = await logs.lines({ streams: `^${OVERFLOW}$` });
  expect(others).toHaveLength(100);
  expect(others[0]).toBe('stream500: x');
  expect(logs.store.streams().filter(({ issuer }) => issuer === VNODE1)).toHaveLength(501);
  expect(await logs.lines({ issuers: ['vnode2'] })).toEqual(['y']);
});

test('a disk that is full loses lines, says so once, and breaks nothing', async () => {
  logs.put('before');
  logs.ingester.flush();
  logs.database.sqlite.exec('PRAGMA query_only = ON');
  logs.put('lost', { stream: 'new' });
  logs.ingester.flush();
  logs.put('lost too', { stream: 'new' });
  logs.ingester.flush();
  expect(logs.complaints).toEqual([expect.stringContaining('1 log line(s) are lost: ')]);
  logs.database.sqlite.exec('PRAGMA query_only = OFF');
  logs.put('after', { stream: 'new' });
  expect(await logs.lines()).toEqual(['before', 'after']);
});
