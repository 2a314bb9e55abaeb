import { expect, test } from 'vitest';
import { decode, encode } from '../../backend/protocols/dhcp/codec.ts';
import { LeaseTable } from '../../backend/protocols/dhcp/leases.ts';
import { networkOptions } from '../../backend/protocols/dhcp/reply-options.ts';
import { reply } from '../../backend/protocols/dhcp/reply.ts';
import { captured, ip } from '../fixtures/dhcp/packets.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

test('100,000 random and mutated packets: no exception, no packet too long, a table no larger than its range', () => {
  const random = randomNumbers(1);
  const originals = ['ipxe-discover', 'ipxe-request', 'walt-discover', 'udhcpc-discover'].map(captured);
  const network = networkOptions(ip('192.168.152.1'), ip('255.255.255.0'));
  const leases = new LeaseTable({
    range: { first: ip('192.168.152.100'), last: ip('192.168.152.200') },
    leaseMs: 60_000,
    quarantineMs: 1000,
  });
  let answers = 0;
  for (let round = 0; round < 100_000; round++) {
    const request = decode(round % 4 === 0 ? noise(random) : mutated(originals[round % 4], random));
    if (!request) continue;
    const outcome = reply(request, {
      network,
      leases,
      now: round,
      policy: {
        reservation: () => undefined,
        isReserved: () => false,
        bootFile: () => ({ file: 'undionly.kpxe' }),
      },
      serverPort: 67,
      clientPort: 68,
    });
    if (outcome.change) leases.apply(outcome.change, round);
    if (!outcome.answer) continue;
    answers++;
    const packet = encode(outcome.message, outcome.limit);
    expect(packet.length).toBeLessThanOrEqual(outcome.limit);
    if (!decode(packet)) expect.fail(`unreadable answer in round ${round}`);
  }
  expect(answers).toBeGreaterThan(10_000);
  const counts = leases.counts();
  expect(counts.offered + counts.bound + counts.free + counts.declined).toBeLessThanOrEqual(101);
});

function noise(random: (below: number) => number): Buffer {
  const packet = Buffer.alloc(random(700));
  for (let at = 0; at < packet.length; at++) packet[at] = random(256);
  return packet;
}

function mutated(original: Buffer | undefined, random: (below: number) => number): Buffer {
  const packet = Buffer.from(original ?? Buffer.alloc(0));
  for (let count = random(8); count > 0; count--) packet[random(packet.length)] = random(256);
  return random(5) === 0 ? packet.subarray(0, random(packet.length)) : packet;
}
