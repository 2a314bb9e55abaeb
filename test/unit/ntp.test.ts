import { describe, expect, test } from 'vitest';
import { HostClock } from '../../backend/protocols/ntp/clock.ts';
import { decodeRequest, encodeAnswer } from '../../backend/protocols/ntp/packets.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

function request(first = 0x23, length = 48): Buffer {
  const packet = Buffer.alloc(length);
  packet.writeUInt8(first, 0);
  packet.writeInt8(6, 2);
  packet.write('\xe8\x01\x02\x03\x04\x05\x06\x07', 40, 'latin1');
  return packet;
}
const answerTo = (packet: Buffer, receivedAt: number, sentAt = receivedAt): Buffer =>
  encodeAnswer(decodeRequest(packet) ?? expect.fail('no request'), receivedAt, sentAt);

describe('a client asks in mode 3', () => {
  test.each([1, 2, 3, 4])('version %i, and gets mode 4 of that version', (version) => {
    const answer = answerTo(request((version << 3) | 3), 0);
    expect(answer.length).toBe(48);
    expect(answer[0]).toBe((version << 3) | 4);
  });
  test('with a warning about leap seconds, or with a longer packet', () => {
    expect(answerTo(request(0xe3, 68), 0).length).toBe(48);
    expect(answerTo(request(0xe3), 0)[0]).toBe(0x24);
  });
  test.each<[string, Buffer]>([
    ['version 0', request(0x03)],
    ['version 5', request(0x2b)],
    ['a short packet', request(0x23, 48).subarray(0, 47)],
    ['nothing', Buffer.alloc(0)],
    ...[0, 1, 2, 4, 5, 6, 7].map((mode) => [`mode ${mode}`, request(0x20 | mode)] satisfies [string, Buffer]),
  ])('%s gets no answer', (_what, packet) => {
    expect(decodeRequest(packet)).toBeUndefined();
  });
});

test('the fields of an answer', () => {
  // 2026-01-02 03:04:05.250750 UTC
  const receivedAt = Date.UTC(2026, 0, 2, 3, 4, 5) + 250.75;
  const answer = answerTo(request(), receivedAt, receivedAt + 0.125);
  const seconds = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000 + 2_208_988_800;
  expect(answer.subarray(1, 3)).toEqual(Buffer.from([10, 6]));
  expect(answer.toString('latin1', 12, 16)).toBe('LOCL');
  expect([answer.readUInt32BE(16), answer.readUInt32BE(20)]).toEqual([seconds, 0]);
  expect(answer.subarray(24, 32)).toEqual(request().subarray(40));
  expect([answer.readUInt32BE(32), answer.readUInt32BE(36) / 2 ** 32]).toEqual([
    seconds,
    expect.closeTo(0.25075, 6),
  ]);
  expect(answer.readUInt32BE(44) / 2 ** 32).toBeCloseTo(0.250875, 6);
});

test('2036: seconds begin again at 0 (RFC 5905 §6)', () => {
  const answer = answerTo(request(), Date.UTC(2036, 1, 7, 6, 28, 17));
  expect(answer.readUInt32BE(32)).toBe(1);
});

test("the clock is the host's, with a fraction that goes on", () => {
  const clock = new HostClock();
  const readings = Array.from({ length: 10_000 }, () => {
    const before = Date.now();
    const reading = clock.now();
    expect(reading).toBeGreaterThanOrEqual(before);
    expect(reading).toBeLessThan(Date.now() + 1);
    return reading;
  });
  const fractions = new Set(readings.map((reading) => Math.floor((reading % 1) * 10)));
  expect(fractions.size).toBe(10);
});

test('100,000 mutated packets: no exception, and no answer but to a request', () => {
  const random = randomNumbers(6);
  let answered = 0;
  for (let round = 0; round < 100_000; round++) {
    const packet = request(0x23, 48 + random(2) * 20);
    for (let count = random(6); count > 0; count--) packet[random(packet.length)] = random(256);
    const cut = random(8) === 0 ? packet.subarray(0, random(packet.length)) : packet;
    const asked = decodeRequest(cut);
    if (!asked) continue;
    answered++;
    if (((cut[0] ?? 0) & 7) !== 3 || encodeAnswer(asked, round, round).length > cut.length)
      expect.fail(`${round}`);
  }
  expect(answered).toBeGreaterThan(10_000);
});
