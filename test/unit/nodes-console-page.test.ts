import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConsoleLog } from '../../backend/nodes/console-log.ts';
import { ConsolePages, textLength } from '../../backend/nodes/console-page.ts';

let folder: string;
let file: string;
let log: ConsoleLog;
beforeEach(() => {
  folder = mkdtempSync('/tmp/bootyard-page-');
  file = join(folder, 'console.log');
  writeFileSync(file, 'one\r\ntwo\r\n');
  log = new ConsoleLog(file, { limit: 1000, keep: 100 });
});
afterEach(() => {
  log.close();
  rmSync(folder, { recursive: true });
});
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('pages of a console', () => {
  test('go on where the one before ended, and end with a line while there is more', () => {
    const pages = new ConsolePages(log);
    const first = pages.read(undefined, 7);
    expect(first).toMatchObject({ more: true, gap: false });
    expect(text(first.bytes)).toBe('one\r\n');
    const second = pages.read(first.cursor, 7);
    expect(second).toMatchObject({ more: false, gap: false });
    expect(text(second.bytes)).toBe('two\r\n');
    expect(pages.read(second.cursor, 7)).toMatchObject({ bytes: new Uint8Array(), cursor: second.cursor });
    appendFileSync(file, 'three');
    expect(text(pages.read(second.cursor, 7).bytes)).toBe('three');
    expect(text(pages.read(first.cursor, 100).bytes)).toBe('two\r\nthree');
  });

  test('a cursor of before a power-on or a cut leads to the oldest that is kept, and says so', () => {
    const pages = new ConsolePages(log);
    const { cursor } = pages.read(undefined, 5);
    const all = pages.read(undefined, 100).cursor;
    log.clear();
    appendFileSync(file, 'anew\n');
    expect(pages.read(cursor, 100)).toMatchObject({ gap: true });
    expect(text(pages.read(cursor, 100).bytes)).toBe('anew\n');
    expect(pages.read(all, 100)).toMatchObject({ gap: false });
    appendFileSync(file, 'x'.repeat(2000));
    const cut = pages.read(all, 1000);
    expect(cut).toMatchObject({ gap: true, more: false });
    expect(text(cut.bytes)).toBe('x'.repeat(100));
  });

  test.each(['', 'x', '.', 'abcdefgh.5', '../../etc/passwd', 'abcdefgh.99999999999999999999'])(
    'a cursor that is none of ours begins anew: %j',
    (cursor) => {
      const page = new ConsolePages(log).read(cursor, 100);
      expect(page.gap).toBe(true);
      expect(text(page.bytes)).toBe('one\r\ntwo\r\n');
    },
  );

  test('a position that is not there yet is no cursor', () => {
    const pages = new ConsolePages(log);
    const { cursor } = pages.read(undefined, 100);
    const ahead = cursor.replace(/\d+$/, '999');
    expect(pages.read(ahead, 100)).toMatchObject({ gap: true, cursor });
  });
});

describe('where text may be cut', () => {
  const length = (part: string | number[], more = false): number =>
    textLength(typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part), more);
  test.each([
    ['abc', 3],
    ['abé', 4],
    ['ab€', 5],
    ['ab😀', 6],
    ['ab\u001b[31m', 7],
    ['ab\u001b]0;title\u0007', 12],
    ['ab\u001b', 2],
    ['ab\u001b[', 2],
    ['ab\u001b[1;3', 2],
    ['ab\u001b(', 2],
    ['ab\u001b]0;ti', 2],
    ['ab\u001b]0;ti\u001b', 2],
  ])('%j: %d bytes', (part, expected) => expect(length(part)).toBe(expected));

  test('not inside of a character, and rubbish holds nothing up', () => {
    for (const character of ['é', '€', '😀']) {
      const bytes = Buffer.from(`ab${character}`);
      for (let size = 3; size < bytes.length; size++) expect(length([...bytes.subarray(0, size)])).toBe(2);
    }
    expect(length([97, 0x80, 0x80])).toBe(3);
    expect(length([97, 0xff, 0xfe])).toBe(3);
    expect(length(`\u001b]${'x'.repeat(100)}`)).toBe(102);
  });

  test('with more behind it, behind the last line that is whole', () => {
    expect(length('a\nb', true)).toBe(2);
    expect(length('a\nb', false)).toBe(3);
    expect(length('ab', true)).toBe(2);
  });
});
