import { expect, test } from 'vitest';
import { LineEnd } from '../../backend/nodes/debug/debug-line.ts';

const WORD = '0123456789abcdef';
/** Bytes of a program that has parts of the mark in them, and its end. */
const printed = Buffer.concat([
  Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256)),
  Buffer.from(`\nend ${WORD.slice(0, 8)}\nend x \n\nend `),
  Buffer.from('\n'),
]);
const bytes = Buffer.concat([printed, Buffer.from(`\nend ${WORD} 137\n`)]);

test.each([1, 3, 16, bytes.length])('the end of a program is found in pieces of %d bytes', (size) => {
  const end = new LineEnd(WORD);
  const parts: Buffer[] = [];
  let code: number | undefined;
  for (let at = 0; at < bytes.length; at += size) {
    expect(code).toBeUndefined();
    const taken = end.take(bytes.subarray(at, at + size));
    parts.push(taken.data);
    code = taken.code;
  }
  expect(code).toBe(137);
  expect(Buffer.concat(parts).equals(printed)).toBe(true);
});

test('what cannot be an end is handed on at once', () => {
  const end = new LineEnd(WORD);
  expect(end.take(Buffer.from('a\nb')).data.toString()).toBe('a\nb');
  expect(end.take(Buffer.from('c\n')).data.toString()).toBe('c');
  expect(end.take(Buffer.from('d')).data.toString()).toBe('\nd');
});

test('a guest that never says how its program has ended is not listened to for ever', () => {
  const end = new LineEnd(WORD);
  expect(end.take(Buffer.from(`a\nend ${WORD} `))).toEqual({ data: Buffer.from('a') });
  expect(end.take(Buffer.alloc(8_192, 'x'))).toEqual({ data: Buffer.alloc(0), code: 255 });
});

test('what may be the beginning of an end is not held for ever, and the end is found nevertheless', () => {
  const end = new LineEnd(WORD);
  const text = (data: Buffer): string => data.toString();
  expect(text(end.take(Buffer.from('HTTP\r\n\r\n')).data)).toBe('HTTP\r\n\r');
  expect(text(end.release())).toBe('\n');
  expect(text(end.release())).toBe('');
  expect(text(end.take(Buffer.from('end ')).data)).toBe('');
  expect(text(end.release())).toBe('end ');
  expect(text(end.take(Buffer.from('of it\n')).data)).toBe('of it');
  expect(text(end.release())).toBe('\n');
  expect(text(end.take(Buffer.from(`end ${WORD} `)).data)).toBe('');
  expect(text(end.release())).toBe('');
  expect(end.take(Buffer.from('0\n'))).toEqual({ data: Buffer.alloc(0), code: 0 });
});
