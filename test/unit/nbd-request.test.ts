import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../backend/protocols/nbd/byte-queue.ts';
import { Command, CommandFlag, MOST_DATA, NbdError } from '../../backend/protocols/nbd/constants.ts';
import { check, decodeRequest } from '../../backend/protocols/nbd/request.ts';

const SIZE = 64 * 1024 * 1024;
const terms = { size: SIZE, readOnly: false, structured: false };
const { read, write, flush, trim, writeZeroes } = Command;
const { fua, df, noHole, fastZero } = CommandFlag;

function request(command: number, offset = 0, length = 1, flags = 0) {
  return { command, offset, length, flags, cookieHigh: 1, cookieLow: 2 };
}

describe('check', () => {
  it.each([
    ['read at the end', request(read, SIZE - 1), NbdError.none],
    ['read over the end', request(read, SIZE - 1, 2), NbdError.invalid],
    ['read behind the end', request(read, SIZE), NbdError.invalid],
    ['read of nothing', request(read, 0, 0), NbdError.invalid],
    ['read far behind all', request(read, 2 ** 64), NbdError.invalid],
    ['longest read', request(read, 0, MOST_DATA), NbdError.none],
    ['too long a read', request(read, 0, MOST_DATA + 1), NbdError.invalid],
    ['write over the end', request(write, SIZE - 1, 2), NbdError.noSpace],
    ['zeroes over the end', request(writeZeroes, SIZE - 1, 2), NbdError.noSpace],
    ['trim over the end', request(trim, SIZE - 1, 2), NbdError.invalid],
    ['trim of all', request(trim, 0, SIZE), NbdError.none],
    ['FUA with anything', request(read, 0, 1, fua), NbdError.none],
    ['flush', request(flush, 0, 0), NbdError.none],
    ['DF without structured replies', request(read, 0, 1, df), NbdError.invalid],
    ['DF of a write', request(write, 0, 1, df), NbdError.invalid],
    ['NO_HOLE', request(writeZeroes, 0, 1, noHole), NbdError.none],
    ['FAST_ZERO', request(writeZeroes, 0, 1, fastZero), NbdError.none],
    ['FAST_ZERO with NO_HOLE', request(writeZeroes, 0, 1, fastZero | noHole), NbdError.notSupported],
    ['an unknown flag', request(write, 0, 1, 0x8000), NbdError.invalid],
    ['an unknown command', request(5), NbdError.invalid],
  ])('%s', (_name, asked, expected) => {
    expect(check(asked, terms)).toBe(expected);
  });

  it('knows what has been negotiated', () => {
    expect(check(request(read, 0, 1, df), { ...terms, structured: true })).toBe(NbdError.none);
    const readOnly = { ...terms, readOnly: true };
    const answers = [read, write, flush, trim, writeZeroes].map((command) =>
      check(request(command), readOnly),
    );
    expect(answers).toEqual([0, 1, 0, 1, 1]);
  });
});

describe('request head', () => {
  it('is read in network byte order', () => {
    const head = Buffer.from('25609513000100060102030405060708000000030000000400010000', 'hex');
    expect(decodeRequest(head)).toEqual({
      flags: 1,
      command: 6,
      cookieHigh: 0x01020304,
      cookieLow: 0x05060708,
      offset: 3 * 2 ** 32 + 4,
      length: 65536,
    });
    head[0] = 0;
    expect(decodeRequest(head)).toBeUndefined();
  });
});

describe('byte queue', () => {
  it('gives back what was put in, in pieces of any size', () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
    const queue = new ByteQueue();
    for (let at = 0, step = 0; at < bytes.length; at += step++) queue.push(bytes.subarray(at, at + step));
    const out = Buffer.alloc(1000);
    queue.take(3).copy(out, 0);
    expect(queue.moveTo(out, 3, 97)).toBe(97);
    queue.take(1).copy(out, 100);
    expect(queue.skip(10)).toBe(10);
    bytes.copy(out, 101, 101, 111);
    expect(queue.moveTo(out, 111, 5000)).toBe(889);
    expect(out.equals(bytes)).toBe(true);
    expect([queue.length, queue.skip(1), queue.moveTo(out, 0, 1)]).toEqual([0, 0, 0]);
  });
});
