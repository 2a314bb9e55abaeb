import { describe, expect, test } from 'vitest';
import { Untaken } from '../../extension/ui/untaken.ts';
import { fit } from '../../media/wall/fit.ts';

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
