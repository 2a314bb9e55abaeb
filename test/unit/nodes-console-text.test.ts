import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { compileEre } from '../../backend/logs/ere.ts';
import { ConsoleArchive } from '../../backend/nodes/console-archive.ts';
import type { TextWanted } from '../../backend/nodes/console-text.ts';
import { NodeConsole } from '../../backend/nodes/console.ts';
import { Viewer } from '../support/viewer.ts';

const nothing = (): void => undefined;
let folder: string;
let file: string;
let node: NodeConsole;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'console-text-'));
  file = join(folder, 'console.log');
  open();
});
afterEach(() => {
  node.close();
  rmSync(folder, { recursive: true });
});

function open(): void {
  const socket = join(folder, 'no.socket');
  node = new NodeConsole({ logFile: file, socket, onLine: nothing, onText: nothing, onOutput: nothing });
}
function print(text: string): void {
  appendFileSync(file, text);
  node.tail(0);
}
const WANTED: TextWanted = { history: false, follow: false, timestamps: false, search: undefined };
async function text(wanted: Partial<TextWanted>, viewer = new Viewer()): Promise<string> {
  node.text(viewer, { ...WANTED, ...wanted });
  await vi.waitFor(() => expect(viewer.isEnded).toBe(true));
  expect(viewer.ended).toBeUndefined();
  return viewer.text;
}
const search = (pattern: string): Partial<TextWanted> => ({ history: true, search: compileEre(pattern) });

test('the power-ons before the last are kept, each below its divider, also for another daemon', async () => {
  node.begin('first', true);
  print('\x1b[1mone\x1b[0m\r\n');
  node.begin('n1 reboots', false);
  print('two\r\n');
  node.begin('n1 is on again', true);
  print('three\r\n');
  const last = '\r\n--- n1 is on again ---\r\nthree\r\n';
  expect(await text({})).toBe(last);
  const all = `\x1b[1mone\x1b[0m\r\n\r\n--- n1 reboots ---\r\ntwo\r\n\n${last}`;
  expect(await text({ history: true })).toBe(all);
  node.close();
  open();
  expect(await text({ history: true })).toBe(all);
});

test('lines have the times that they were printed at, those of past power-ons, too', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    vi.setSystemTime(Date.parse('2026-01-02T03:04:05.000Z'));
    node.begin('first', true);
    print('\x1b[2Jone\r\ntw');
    vi.setSystemTime(Date.parse('2026-01-02T03:04:06.500Z'));
    print('o\r\n');
    vi.setSystemTime(Date.parse('2026-01-02T03:05:00.000Z'));
    node.begin('again', true);
    print('login: ');
    expect((await text({ history: true, timestamps: true })).split('\n')).toEqual([
      '2026-01-02T03:04:05.000Z one',
      '2026-01-02T03:04:06.500Z two',
      '',
      '2026-01-02T03:05:00.000Z --- again ---',
      '2026-01-02T03:05:00.000Z login:',
      '',
    ]);
  } finally {
    vi.useRealTimers();
  }
});

test('a search finds lines of all power-ons, however fast they came, with no limit but what is kept', async () => {
  node.begin('first', true);
  print(Array.from({ length: 30_000 }, (_, line) => `line ${line}\r\n`).join(''));
  node.begin('again', true);
  print('line 29999 again\r\nno\r\n');
  expect(await text(search('line (7|29999)( |$)'))).toBe('line 7\nline 29999\nline 29999 again\n');
  expect(await text(search('^nowhere'))).toBe('');
});

test('what is followed goes on, at the pace of its reader, until that leaves', async () => {
  node.begin('first', true);
  print('one\r\n');
  const slow = new Viewer(1);
  node.text(slow, { ...WANTED, ...search('o'), follow: true });
  await vi.waitFor(() => expect(slow.text).toBe('one\n'));
  print('two\r\nxyz\r\nfour');
  expect(slow.text).toBe('one\n');
  slow.drain(1000);
  await vi.waitFor(() => expect(slow.text).toBe('one\ntwo\n'));
  print('teen\r\n');
  await vi.waitFor(() => expect(slow.text).toBe('one\ntwo\nfourteen\n'));
  slow.leave();
  await vi.waitFor(() => expect(slow.isEnded).toBe(true));
});

test('of past power-ons as many are kept as are allowed, and as many bytes', () => {
  const archive = new ConsoleArchive(file, { powerOns: 3, bytes: 100 });
  const keep = (bytes: number): void => {
    node.begin('x', true);
    print('x'.repeat(bytes));
    archive.keep(file);
  };
  for (let count = 0; count < 6; count++) keep(10);
  expect(archive.list()).toHaveLength(3);
  keep(80);
  // A divider is in it besides.
  expect(archive.list()).toHaveLength(1);
});
