import type { IBufferLine } from '@xterm/xterm';
import { describe, expect, test } from 'vitest';
import { Untaken } from '../../extension/ui/untaken.ts';
import { fit } from '../../media/wall/fit.ts';
import { lineThrough, rangeOf } from '../../media/wall/links.ts';

describe('the letters of a tile', () => {
  const letter = { width: 0.6, height: 1.2 };

  test('are as large as the editor’s where there is room, and more columns with them', () => {
    expect(fit({ width: 1214, height: 400 }, letter, 14)).toEqual({ fontSize: 14, columns: 142, rows: 23 });
  });

  test('are smaller in a small tile, so that a line of a serial console fits', () => {
    const { fontSize, columns, rows } = fit({ width: 440, height: 240 }, letter, 14);
    expect(columns).toBe(83);
    expect(columns * fontSize * letter.width).toBeLessThanOrEqual(440);
    expect(fontSize).toBe(8.5);
    expect(rows).toBe(21);
  });

  test('stay letters in a tile that is hardly there', () => {
    expect(fit({ width: 30, height: 10 }, letter, 14)).toEqual({ fontSize: 5, columns: 80, rows: 4 });
  });
});

describe('links in a tile', () => {
  /** Rows of a terminal of four columns; a space behind a wide letter is its second cell. */
  const rows = (...texts: string[]) => ({
    getLine: (at: number) => {
      const [text, isWrapped] = [texts[at]?.replace('>', ''), texts[at]?.startsWith('>') ?? false];
      if (text === undefined) return undefined;
      const letters = Array.from(text.padEnd(4));
      const getCell = (x: number) => ({
        getWidth: () => (letters[x] === '宽' ? 2 : letters[x - 1] === '宽' ? 0 : 1),
        getChars: () => (letters[x] === ' ' ? '' : letters[x]),
      });
      return { length: 4, isWrapped, getCell } as unknown as IBufferLine;
    },
  });

  test('are found in lines that go on in further rows, and behind wide letters', () => {
    const terminal = rows('no', '宽 /e', '>tc/x', '>y', 'end');
    const line = lineThrough(terminal, 3);
    expect(line.text).toBe('宽/etc/xy   ');
    for (const row of [2, 4]) expect(lineThrough(terminal, row)).toEqual(line);
    const range = rangeOf(line, { start: 1, length: 7, tooltip: '' });
    expect(range).toEqual({ start: { x: 3, y: 2 }, end: { x: 1, y: 4 } });
    expect(rangeOf(line, { start: 9, length: 9, tooltip: '' })).toBeUndefined();
    expect(lineThrough(terminal, 1).text).toBe('no  ');
  });
});

describe('what a page has not taken', () => {
  test('makes the sender wait, each batch for itself, until the page is gone', async () => {
    const untaken = new Untaken();
    const done: string[] = [];
    const sent: number[] = [];
    const hand = (name: string) => untaken.hand((batch) => sent.push(batch)).then(() => done.push(name));
    const all = ['a', 'b', 'c'].map(hand);
    await Promise.resolve();
    expect([sent.length, new Set(sent).size, done]).toEqual([3, 3, []]);
    untaken.taken(sent[1] ?? 0);
    await all[1];
    expect(done).toEqual(['b']);
    untaken.release();
    await Promise.all(all);
    expect(done).toEqual(['b', 'a', 'c']);
  });
});
