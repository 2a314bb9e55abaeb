import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const LIMIT = 10_000;
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootyard-log-'));
  file = join(folder, 'daemon.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a program that logs 1,000 lines of some 40 bytes, with its standard error appended to a file or in a pipe. */
function logLines(stderr: 'file' | 'pipe', before = ''): void {
  const script = `${before}
    const { daemonLog } = await import(${JSON.stringify(join(import.meta.dirname, '../../backend/lab/daemon-log.ts'))});
    const log = daemonLog(${JSON.stringify(file)}, ${LIMIT});
    for (let line = 0; line < 1000; line++) log('line ' + line);`;
  const fd = stderr === 'file' ? openSync(file, 'a') : undefined;
  const args = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', fd ?? 'pipe'] });
  if (fd !== undefined) closeSync(fd);
  expect(status).toBe(0);
}
const numbers = (text: string): number[] =>
  [...text.matchAll(/ line (\d+)$/gm)].map(([, number]) => Number(number));

test('a log that grows while the daemon runs is moved aside, and no line is lost on the way', () => {
  logLines('file');
  const [old, now] = [readFileSync(`${file}.1`, 'utf8'), readFileSync(file, 'utf8')];
  for (const text of [old, now]) expect(text.length).toBeLessThan(LIMIT + 100);
  const kept = numbers(old + now);
  expect(kept.length).toBeGreaterThan(LIMIT / 50);
  expect(kept).toEqual(Array.from(kept, (_line, at) => 1000 - kept.length + at));
});

test('a log that cannot be kept is cut all the same, and says so', () => {
  logLines('file', `(await import('node:fs')).mkdirSync(${JSON.stringify(`${file}.1`)});`);
  const text = readFileSync(file, 'utf8');
  expect(text.length).toBeLessThan(LIMIT + 300);
  expect(text).toContain('the log before this line is lost: ');
  expect(numbers(text).at(-1)).toBe(999);
});

test('a standard error that is not the log leaves the log alone', () => {
  writeFileSync(file, 'x'.repeat(2 * LIMIT));
  logLines('pipe');
  expect(readFileSync(file, 'utf8')).toBe('x'.repeat(2 * LIMIT));
  expect(existsSync(`${file}.1`)).toBe(false);
});
