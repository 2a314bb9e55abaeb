import { describe, expect, test } from 'vitest';
import { FrameSplitter, frameSize } from '../../backend/lab/shaper/frames.ts';
import { ShapedLink } from '../../backend/lab/shaper/link.ts';
import { generator } from '../support/generator.ts';

/** From 0 to 1. */
const numbers = (seed: number): (() => number) => {
  const next = generator(seed);
  return () => next(1e6) / 1e6;
};
const frame = (bytes: number): Buffer => Buffer.alloc(bytes);
/** When each frame arrives, if the link is looked at every `step` ms. */
function arrivals(link: ShapedLink, step: number, until: number): number[] {
  const times: number[] = [];
  for (let now = 0; now <= until; now += step) {
    while (link.take(now) !== undefined) times.push(now);
  }
  return times;
}

describe('a shaped link', () => {
  test('delays each frame', () => {
    const link = new ShapedLink({ delayMs: 25 });
    link.offer(frame(60), 0);
    link.offer(frame(60), 10);
    expect([link.take(24.9), link.due]).toEqual([undefined, 25]);
    expect(link.take(25)).toHaveLength(60);
    expect([link.take(25), link.due]).toEqual([undefined, 35]);
    expect(link.take(99)).toHaveLength(60);
    expect([link.due, link.held]).toEqual([undefined, 0]);
  });

  test('sends at its rate, exactly, also when it is looked at late', () => {
    // 1250 bytes at 10 Mbit/s take 1 ms.
    for (const step of [0.1, 7]) {
      const link = new ShapedLink({ bandwidth: 10e6 });
      for (let i = 0; i < 60; i++) expect(link.offer(frame(1250), 0)).toBe(true);
      const times = arrivals(link, step, 70);
      expect(times).toHaveLength(60);
      times.forEach((time, i) => {
        expect(time).toBeGreaterThanOrEqual(i + 1);
        expect(time).toBeLessThan(i + 1 + step + 1e-6);
      });
    }
  });

  test('time that went by unused is not made up for', () => {
    const link = new ShapedLink({ bandwidth: 10e6, delayMs: 5 });
    link.offer(frame(1250), 1000);
    link.offer(frame(1250), 1000);
    expect(link.due).toBe(1006);
    link.take(1006);
    expect(link.due).toBe(1007);
  });

  test('drops what would wait too long, and takes more when there is room', () => {
    const link = new ShapedLink({ bandwidth: 10e6 });
    const taken = Array.from({ length: 200 }, () => link.offer(frame(1250), 0)).filter(Boolean);
    expect(taken).toHaveLength(100);
    expect(link.offer(frame(1250), 1)).toBe(true);
    expect(link.offer(frame(1250), 1)).toBe(false);
    // A slow link has room for some frames all the same.
    const slow = new ShapedLink({ bandwidth: 8e3 });
    expect(Array.from({ length: 99 }, () => slow.offer(frame(1500), 0)).filter(Boolean)).toHaveLength(16);
  });

  test('holds a bounded number of bytes, whatever comes', () => {
    const link = new ShapedLink({ delayMs: 10_000 });
    for (let i = 0; i < 2e5; i++) link.offer(frame(0), i / 1000);
    for (let i = 0; i < 1e4; i++) link.offer(frame(60_000), 1000);
    expect(link.held).toBeLessThanOrEqual(32 << 20);
    expect(link.held).toBeGreaterThan(31 << 20);
  });

  test('loses by chance as often as it should', () => {
    const link = new ShapedLink({ loss: 0.1 }, numbers(7));
    const lost = Array.from({ length: 20_000 }, () => link.offer(frame(1), 0)).filter((taken) => !taken);
    expect(lost.length / 20_000).toBeGreaterThan(0.09);
    expect(lost.length / 20_000).toBeLessThan(0.11);
  });
});

describe('frames of a stream', () => {
  const framed = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };

  test('come whole, however the stream is cut', () => {
    const random = numbers(3);
    const frames = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1 + Math.floor(random() * 1600), i));
    const stream = Buffer.concat(frames.map(framed));
    for (const most of [1, 5, 100, 5000, stream.length]) {
      const splitter = new FrameSplitter();
      const found: Buffer[] = [];
      for (let at = 0; at < stream.length;) {
        const end = at + 1 + Math.floor(random() * most);
        found.push(...(splitter.push(stream.subarray(at, end)) ?? [frame(0)]));
        at = end;
      }
      expect(Buffer.concat(found).equals(stream)).toBe(true);
      expect(found.map(frameSize)).toEqual(frames.map((one) => one.length));
    }
  });

  test('nothing makes it throw or keep more than one frame', () => {
    const random = numbers(11);
    for (let round = 0; round < 3000; round++) {
      const splitter = new FrameSplitter();
      for (let i = 0; i < 5; i++) {
        const chunk = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => random() * 256));
        if (random() < 0.7 && chunk.length >= 4) chunk.writeUInt32BE(Math.floor(random() * 90_000), 0);
        const frames = splitter.push(chunk);
        if (frames === undefined) break;
        for (const one of frames) expect(frameSize(one)).toBeGreaterThan(0);
      }
    }
    for (const length of [0, 69_633, 0x7fffffff, 0xffffffff]) {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length);
      expect(new FrameSplitter().push(head)).toBeUndefined();
    }
  });
});
