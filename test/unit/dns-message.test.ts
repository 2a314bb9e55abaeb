import { describe, expect, test } from 'vitest';
import { decodeQuery, encodeReply, Type, udpLimit } from '../../backend/protocols/dns/message.ts';
import type { Reply } from '../../backend/protocols/dns/message.ts';
import { Zones } from '../../backend/protocols/dns/zones.ts';
import { hosts, labels, mutated, opt, queryPacket, samples, words } from '../fixtures/dns/packets.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

const zones = new Zones(hosts);
const withOpt = (record: Buffer, name?: string) => queryPacket({ name, counts: [1, 0, 0, 1], tail: record });
const nothing: Reply = { rcode: 0, authoritative: false, answers: [], authority: [] };

function replyTo(packet: Buffer, limit?: number): Buffer {
  const query = decodeQuery(packet);
  if (!query?.question) throw new Error('the packet is not a query');
  return encodeReply(query, zones.answer(query.question), limit ?? udpLimit(query));
}

describe('queries', () => {
  test('give name, type and class; names keep their bytes', () => {
    const query = decodeQuery(queryPacket({ name: 'VNode1.Walt', type: 28 }));
    expect(query).toMatchObject({ id: 0x1234, recursionDesired: true });
    expect(query?.question).toEqual({ name: ['VNode1', 'Walt'], type: 28, class: 1 });
    const odd = Buffer.concat([words(1, 0, 1, 0, 0, 0), labels('a.b', '\xff\xfe'), words(1, 1)]);
    expect(decodeQuery(odd)?.question?.name).toEqual(['a.b', '\xff\xfe']);
    expect(encodeReply(decodeQuery(odd) ?? expect.fail(), nothing, 512).subarray(12)).toEqual(
      odd.subarray(12),
    );
  });

  test('responses and stubs are none', () => {
    expect(decodeQuery(queryPacket({ flags: 0x8100 }))).toBeUndefined();
    expect(decodeQuery(Buffer.alloc(11))).toBeUndefined();
  });

  test.each([
    ['another opcode', queryPacket({ flags: 0x2800 }), 4],
    ['no question', queryPacket({ counts: [0, 0, 0, 0] }), 1],
    ['two questions', queryPacket({ counts: [2, 0, 0, 0], tail: queryPacket().subarray(12) }), 1],
    ['a name that does not end', queryPacket().subarray(0, 20), 1],
    ['a compressed name', Buffer.concat([words(1, 0, 1, 0, 0, 0, 0xc00c), words(1, 1)]), 1],
    ['a name of 256 bytes', queryPacket({ name: `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(62) }), 1],
    ['a label type of old', queryPacket({ counts: [1, 0, 0, 1], tail: Buffer.from([0x41, 0]) }), 1],
    ['records that are not there', queryPacket({ counts: [1, 0, 0, 1] }), 1],
    ['a record longer than the packet', withOpt(Buffer.concat([opt(512).subarray(0, 9), words(1)])), 1],
    ['two OPT records', queryPacket({ counts: [1, 0, 0, 2], tail: Buffer.concat([opt(512), opt(512)]) }), 1],
    ['OPT of version 1', withOpt(opt(512, { version: 1 })), 16],
  ])('%s is a problem', (_what, packet, problem) => {
    expect(decodeQuery(packet)?.problem).toBe(problem);
  });

  test('a name of 255 bytes is none', () => {
    const name = `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(61);
    expect(decodeQuery(queryPacket({ name }))?.question?.name).toEqual(name.split('.'));
  });
});

describe('replies', () => {
  test('an address: header, the question as it came, a record that points to it', () => {
    expect(replyTo(queryPacket({ name: 'VNODE1.walt' }))).toEqual(
      Buffer.concat([
        words(0x1234, 0x8500, 1, 1, 0, 0),
        labels('VNODE1', 'walt'),
        words(1, 1),
        words(0xc00c, 1, 1, 0, 10, 4),
        Buffer.from([192, 168, 152, 2]),
      ]),
    );
  });

  test('EDNS is answered when it was asked for, with the DO bit as it came', () => {
    const reply = replyTo(withOpt(opt(4096, { flags: 0x8000 })));
    expect(reply.readUInt16BE(10)).toBe(1);
    expect(reply.subarray(-11)).toEqual(opt(1232, { flags: 0x8000 }));
    expect(replyTo(queryPacket()).readUInt16BE(10)).toBe(0);
  });

  test('a version that is not known has its code in two parts', () => {
    const query = decodeQuery(withOpt(opt(512, { version: 1 }))) ?? expect.fail();
    const reply = encodeReply(query, { ...nothing, rcode: 16 }, 512);
    expect(reply.readUInt16BE(2) & 15).toBe(0);
    expect(reply.subarray(-11)).toEqual(Buffer.concat([Buffer.from([0]), words(41, 1232, 0x0100, 0, 0)]));
  });

  test.each([
    [undefined, 512],
    [100, 512],
    [1000, 1000],
    [65535, 1232],
  ])('a client that says it takes %s bytes by UDP gets at most %i', (size, most) => {
    const query = decodeQuery(size === undefined ? queryPacket() : withOpt(opt(size)));
    expect(query && udpLimit(query)).toBe(most);
  });

  test('what is longer than the limit is left out, and said to be', () => {
    const whole = replyTo(queryPacket());
    expect(replyTo(queryPacket(), whole.length)).toEqual(whole);
    const cut = replyTo(queryPacket(), whole.length - 1);
    expect(cut).toEqual(Buffer.concat([words(0x1234, 0x8700, 1, 0, 0, 0), queryPacket().subarray(12)]));
  });

  test('the longest question of a zone gets an answer that every client takes', () => {
    const name = `${'a'.repeat(63)}.`.repeat(3) + `${'b'.repeat(56)}.walt`;
    const reply = replyTo(withOpt(opt(512), name));
    expect([reply.readUInt16BE(2) & 0x020f, reply.readUInt16BE(8)]).toEqual([3, 1]);
  });
});

test('100,000 mutated packets: no exception, and each answer is of the limit at most and answers its query', () => {
  const random = randomNumbers(5);
  const sources = samples();
  let answered = 0;
  for (let round = 0; round < 100_000; round++) {
    const packet = mutated(sources[random(sources.length)], random);
    const query = decodeQuery(packet);
    if (!query) continue;
    const reply = query.question && !query.problem ? zones.answer(query.question) : nothing;
    const answer = encodeReply(query, reply, udpLimit(query));
    if (answer.length > udpLimit(query)) expect.fail(`an answer of ${answer.length} bytes in round ${round}`);
    if (answer.readUInt16BE(0) !== query.id || !(answer.readUInt8(2) & 0x80)) {
      expect.fail(`an answer to nothing in round ${round}`);
    }
    if (reply.answers.some(({ data }) => data.type === Type.a || data.type === Type.ptr)) answered++;
  }
  expect(answered).toBeGreaterThan(3000);
});
