import {
  appendFileSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConsoleLog } from '../../backend/nodes/console-log.ts';
import { parseRange } from '../../backend/logs/range.ts';
import { ConsoleTimes } from '../../backend/nodes/console-times.ts';
import { NodeConsole } from '../../backend/nodes/console.ts';
import { Viewer } from '../support/viewer.ts';

const EVERYTHING = { from: -Infinity, to: Infinity };
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replay-'));
  file = join(folder, 'console.log');
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

describe('times', () => {
  test('what was printed while nobody looked counts as of the last write', () => {
    writeFileSync(file, 'before any daemon');
    utimesSync(file, 1000, 1000);
    const first = new ConsoleLog(file);
    expect(first.times()).toEqual([{ at: 1_000_000, end: 17 }]);
    appendFileSync(file, '!');
    first.look();
    first.close();
    appendFileSync(file, 'no daemon');
    appendFileSync(file, ' here');
    const later = Date.now() / 1000 + 100;
    utimesSync(file, later, later);
    const second = new ConsoleLog(file);
    expect(second.times().map(({ end }) => end)).toEqual([17, 18, 32]);
    expect(second.times().at(-1)?.at).toBeCloseTo(later * 1000, -1);
    second.close();
    const third = new ConsoleLog(file);
    expect(third.times()).toHaveLength(3);
    third.close();
  });

  test('they follow when the log is cut, and end with it', () => {
    const log = new ConsoleLog(file, { limit: 1000, keep: 100 });
    for (const length of [500, 450, 40, 60]) {
      appendFileSync(file, 'x'.repeat(length));
      log.look();
    }
    expect([log.start, log.end]).toEqual([950, 1050]);
    expect(log.times().map(({ end }) => end)).toEqual([990, 1050]);
    log.clear();
    expect(log.times()).toEqual([]);
    expect(statSync(`${file}.times`).size).toBe(0);
    log.close();
  });

  test('a torn or a wrong file costs times, and no more', () => {
    const path = join(folder, 'times');
    const open = (size: number, most?: number) => new ConsoleTimes(path, { size, changedAt: 5 }, most);
    const times = open(0);
    times.grown(10, 1);
    times.grown(20, 2);
    times.grown(15, 3);
    times.grown(30, NaN);
    times.grown(40, 4);
    times.close();
    truncateSync(path, statSync(path).size - 3);
    const again = open(25);
    expect(again.all()).toEqual([
      { at: 1, end: 10 },
      { at: 2, end: 20 },
      { at: 5, end: 25 },
    ]);
    again.close();
    const short = open(12);
    expect(short.all().map(({ end }) => end)).toEqual([10, 12]);
    short.close();
  });

  test('there are never too many', () => {
    const times = new ConsoleTimes(join(folder, 'times'), { size: 0, changedAt: 0 }, 10);
    for (let end = 1; end <= 1000; end++) times.grown(end, end);
    const all = times.all();
    expect(all.length).toBeGreaterThan(4);
    expect(all.length).toBeLessThanOrEqual(10);
    expect(all.at(-1)).toEqual({ at: 1000, end: 1000 });
    times.close();
  });
});

describe('replay', () => {
  function open(): NodeConsole {
    return new NodeConsole({
      logFile: file,
      socket: join(folder, 'tty'),
      onLine: () => undefined,
      onText: () => undefined,
      onOutput: () => undefined,
    });
  }
  /** A console that printed a, b and c at 0, 10 and 40 seconds. */
  function recorded(): NodeConsole {
    vi.useFakeTimers({ now: 1_000_000 });
    const console_ = open();
    for (const [text, wait] of [
      ['a', 10_000],
      ['b', 30_000],
      ['c', 60_000],
    ] as const) {
      appendFileSync(file, text);
      console_.tail(1);
      vi.advanceTimersByTime(wait);
    }
    return console_;
  }

  test('has the pauses of then, and ends', () => {
    const console_ = recorded();
    const viewer = new Viewer();
    console_.replay(viewer, { ...EVERYTHING, speed: 1 });
    expect(viewer.text).toBe('a');
    vi.advanceTimersByTime(9_900);
    expect(viewer.text).toBe('a');
    vi.advanceTimersByTime(200);
    expect(viewer.text).toBe('ab');
    vi.advanceTimersByTime(29_000);
    expect([viewer.text, viewer.isEnded]).toEqual(['ab', false]);
    vi.advanceTimersByTime(1_000);
    expect([viewer.text, viewer.isEnded, viewer.ended]).toEqual(['abc', true, undefined]);
    console_.close();
  });

  test('is faster when asked, and takes a part', () => {
    const console_ = recorded();
    const fast = new Viewer();
    console_.replay(fast, { ...EVERYTHING, speed: 10 });
    vi.advanceTimersByTime(1_001);
    expect(fast.text).toBe('ab');
    vi.advanceTimersByTime(3_000);
    expect(fast.text).toBe('abc');
    const part = new Viewer();
    console_.replay(part, { ...parseRange('-105s:-80s'), speed: 1 });
    vi.advanceTimersByTime(20_000);
    expect([part.text, part.isEnded]).toEqual(['ab', true]);
    const last = new Viewer();
    console_.replay(last, { ...parseRange('-115s:'), speed: 1_000_000 });
    vi.advanceTimersByTime(1);
    expect(last.text).toBe('bc');
    expect(() => console_.replay(new Viewer(), { ...parseRange('-70s:'), speed: 1 })).toThrow(
      'Nothing is there of what the node may have printed in that time.',
    );
    console_.close();
  });

  test('waits for a slow viewer, and goes on with the pauses of then', () => {
    const console_ = recorded();
    const slow = new Viewer(1);
    console_.replay(slow, { ...EVERYTHING, speed: 1 });
    vi.advanceTimersByTime(100_000);
    expect(slow.text).toBe('a');
    slow.drain(Infinity);
    expect(slow.text).toBe('a');
    vi.advanceTimersByTime(10_001);
    expect(slow.text).toBe('ab');
    console_.close();
  });

  test('ends with a sentence when the node is switched on anew, and with the console', () => {
    const console_ = recorded();
    const [viewer, left] = [new Viewer(), new Viewer()];
    console_.replay(viewer, { ...EVERYTHING, speed: 1 });
    console_.replay(left, { ...EVERYTHING, speed: 1 });
    left.leave();
    console_.begin('', true);
    appendFileSync(file, 'quite another boot');
    vi.advanceTimersByTime(11_000);
    expect(viewer.text).toBe('a');
    expect(viewer.ended).toContain('The rest of the recording is gone');
    expect(left.text).toBe('a');
    console_.tail(1);
    vi.advanceTimersByTime(1_000);
    appendFileSync(file, 'goes on');
    const removed = new Viewer();
    console_.replay(removed, { ...EVERYTHING, speed: 0.01 });
    console_.close('n1 was removed.');
    expect(removed.ended).toBe('n1 was removed.');
    vi.advanceTimersByTime(100_000);
  });
});

test('ranges', () => {
  const now = 1_000_000_000;
  expect(parseRange('full', now)).toEqual(EVERYTHING);
  expect(parseRange(':', now)).toEqual(EVERYTHING);
  expect(parseRange('-5m:', now)).toEqual({ from: now - 300_000, to: Infinity });
  expect(parseRange('-2h:-90s', now)).toEqual({ from: now - 7_200_000, to: now - 90_000 });
  expect(parseRange(':-1d', now)).toEqual({ from: -Infinity, to: now - 86_400_000 });
  for (const wrong of ['', 'none', '5m:', '-5m', '-5w:', '-m:', '-5m:-1m:', 'begin:', '-1e3s:', '-5m:now'])
    expect(() => parseRange(wrong, now)).toThrow('is no range');
  expect(() => parseRange('-1m:-5m', now)).toThrow("The range '-1m:-5m' ends before it begins.");
});
