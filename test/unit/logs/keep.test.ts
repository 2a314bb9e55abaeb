import { afterEach, beforeEach, expect, test } from 'vitest';
import { Checkpoints } from '../../../backend/logs/checkpoints.ts';
import { parseRange } from '../../../backend/logs/range.ts';
import { LogRetention } from '../../../backend/logs/retention.ts';
import { LogStore } from '../../../backend/logs/store.ts';
import { LabSettings } from '../../../backend/state/lab-settings.ts';
import { Logs, VNODE2 } from './support.ts';

let logs: Logs;
let retention: LogRetention;
beforeEach(() => {
  logs = new Logs();
  retention = new LogRetention({
    store: logs.store,
    settings: new LabSettings(logs.database),
    log: (line) => void logs.complaints.push(line),
  });
});
afterEach(() => logs.close());

test('lines that are too old go, and streams that are empty then', async () => {
  const day = 86_400_000;
  for (let i = 0; i < 2500; i++) logs.put('old', { timestamp: Date.now() - 3 * day, stream: 'gone' });
  logs.put('of yesterday', { timestamp: Date.now() - day, node: VNODE2 });
  logs.put('new');
  logs.ingester.flush();
  const after = await retention.set({ age: '2d' });
  expect(after).toMatchObject({ age: '2d', size: '2G', lines: 2 });
  expect(await logs.lines()).toEqual(['of yesterday', 'new']);
  expect(logs.store.streams().map(({ name }) => name)).toEqual(['app', 'app']);
  expect((await retention.set({ age: 'none' })).age).toBe('none');
});

test('lines beyond the size go, those that came first first; what is there is counted exactly', async () => {
  const line = 'x'.repeat(960);
  for (let i = 0; i < 3000; i++) logs.put(`${i} ${line}`);
  logs.ingester.flush();
  expect(logs.store.totals().bytes).toBeGreaterThan(3_000_000);
  const { lines, bytes } = await retention.set({ size: '1M' });
  expect(bytes).toBeLessThanOrEqual(1_000_000);
  expect(bytes).toBeGreaterThan(998_000);
  const kept = await logs.lines();
  expect(kept).toHaveLength(lines);
  expect(kept.at(-1)).toMatch(/^2999 /);
  const row = logs.database.sqlite
    .prepare('SELECT count(*) AS lines, sum(length(line) + 40) AS bytes FROM log_lines')
    .get();
  expect({ lines, bytes }).toEqual({ ...row });
});

test('limits that make no sense change nothing', async () => {
  for (const wrong of [
    { size: '2T' },
    { size: '-1M' },
    { size: '0G' },
    { age: '3' },
    { size: '3G', age: 'x' },
  ]) {
    await expect(retention.set(wrong)).rejects.toThrow('such as');
  }
  expect(retention.info()).toMatchObject({ size: '2G', age: '30d' });
});

test('a store that is opened again goes on where the last one ended', async () => {
  logs.put('one');
  logs.ingester.flush();
  const again = new LogStore(logs.database);
  expect(again.lastId).toBe(1);
  again.append([
    { issuer: 'server', issuerName: 'walt-server', stream: 's', time: 1, line: Buffer.from('two') },
  ]);
  expect(again.since(1, 9)).toMatchObject([{ id: 2, time: 1 }]);
  expect(again.totals().lines).toBe(2);
});

test('checkpoints are names for points in time, in the words of WalT', () => {
  const checkpoints = new Checkpoints(logs.database);
  checkpoints.add('exp1-start', 2000.5);
  checkpoints.add('before', 1000);
  expect(checkpoints.list()).toEqual([
    { name: 'before', time: 1000 },
    { name: 'exp1-start', time: 2000.5 },
  ]);
  expect(parseRange('before:exp1-start', 0, checkpoints.timeOf)).toEqual({ from: 1000, to: 2000.5 });
  expect(parseRange('exp1-start:', 0, checkpoints.timeOf)).toEqual({ from: 2000.5, to: Infinity });
  expect(() => parseRange('exp1-start:before', 0, checkpoints.timeOf)).toThrow('ends before it begins');
  expect(() => parseRange('other:', 0, checkpoints.timeOf)).toThrow('or names of checkpoints');
  expect(() => checkpoints.add('before', 1)).toThrow('Failed: a checkpoint with this name already exists.');
  for (const wrong of ['a', '-a', 'a b', 'a:', '']) {
    expect(() => checkpoints.add(wrong, 1)).toThrow('Invalid checkpoint name:');
  }
  checkpoints.remove('before');
  expect(() => checkpoints.remove('before')).toThrow("Failed: no checkpoint with this name 'before'.");
});
