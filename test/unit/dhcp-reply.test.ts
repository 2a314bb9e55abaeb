import { beforeEach, describe, expect, test } from 'vitest';
import type { DhcpMessage } from '../../backend/protocols/dhcp/codec.ts';
import { encode } from '../../backend/protocols/dhcp/codec.ts';
import { LeaseTable } from '../../backend/protocols/dhcp/leases.ts';
import { Option, optionText, textBytes } from '../../backend/protocols/dhcp/options.ts';
import type { BootFile, Reservation } from '../../backend/protocols/dhcp/policy.ts';
import { networkOptions } from '../../backend/protocols/dhcp/reply-options.ts';
import type { Answer, Outcome } from '../../backend/protocols/dhcp/reply.ts';
import { reply } from '../../backend/protocols/dhcp/reply.ts';
import { captured, capturedMessage, clientMessage, ip } from '../fixtures/dhcp/packets.ts';

const server = '192.168.152.1';
const known = '52:54:00:12:34:56';
const network = networkOptions(ip(server), ip('255.255.255.0'));
let now: number;
let leases: LeaseTable;
let reservations: Map<string, Reservation>;

beforeEach(() => {
  now = 1_000_000;
  reservations = new Map([[known, { address: '192.168.152.10', hostname: 'vnode1' }]]);
  leases = new LeaseTable({
    range: { first: ip('192.168.152.100'), last: ip('192.168.152.101') },
    leaseMs: 6_000_000_000,
  });
});

const stage = (userClass: string | undefined): BootFile | undefined =>
  userClass?.startsWith('walt.node') ? undefined : { file: 'start.ipxe' };

/** Decides and carries out, as the server does. */
function ask(request: DhcpMessage): Outcome {
  const outcome = reply(request, {
    network,
    leases,
    now,
    policy: {
      reservation: (client) => reservations.get(client.mac),
      isReserved: () => false,
      bootFile: (client) => (client.architecture === 7 ? { file: 'snponly.efi' } : stage(client.userClass)),
    },
    serverPort: 67,
    clientPort: 68,
  });
  if (outcome.change) leases.apply(outcome.change, now);
  return outcome;
}

function answered(request: DhcpMessage): Answer {
  const outcome = ask(request);
  if (!outcome.answer) throw new Error(`dropped: ${outcome.cause}`);
  return outcome;
}

/** The cause of silence. */
function dropped(request: DhcpMessage): string {
  const outcome = ask(request);
  if (outcome.answer) throw new Error(`answered with ${outcome.answer}`);
  return outcome.cause;
}

const option = (outcome: Answer, code: number): number[] => [...(outcome.message.options.get(code) ?? [])];
const broadcast = { address: '255.255.255.255', port: 68 };

describe('captured exchanges', () => {
  // The answers in the capture are those that the firmware took.
  test.each([
    ['ipxe-discover', 'ipxe-offer'],
    ['ipxe-request', 'ipxe-ack'],
    ['walt-discover', 'walt-offer'],
    ['ovmf-discover', 'ovmf-offer'],
  ])('%s is answered with %s', (request, answer) => {
    const outcome = answered(capturedMessage(request));
    expect(encode(outcome.message, outcome.limit).toString('hex')).toBe(captured(answer).toString('hex'));
    expect(outcome.destination).toEqual(broadcast);
  });
});

describe('options', () => {
  test('are those of a WalT server', () => {
    const { message } = answered(clientMessage({ type: 'discover', mac: known }));
    expect(
      Object.fromEntries([...message.options].map(([code, value]) => [code, [...value].join('.')])),
    ).toEqual({
      1: '255.255.255.0',
      6: '192.168.152.1',
      12: [...textBytes('vnode1')].join('.'),
      15: [...textBytes('walt')].join('.'),
      28: '192.168.152.255',
      42: '192.168.152.1',
      51: '0.91.141.128',
      53: '2',
      54: '192.168.152.1',
      58: '0.45.198.192',
      59: '0.80.27.208',
      66: [...textBytes('192.168.152.1')].join('.'),
      67: [...textBytes('start.ipxe')].join('.'),
      119: [4, ...textBytes('walt'), 0].join('.'),
    });
    expect(message).toMatchObject({ file: 'start.ipxe', siaddr: ip(server), yiaddr: ip('192.168.152.10') });
  });

  test('give a router only to clients that have one', () => {
    reservations.set(known, { address: '192.168.152.10', hostname: 'n', router: server });
    expect(option(answered(clientMessage({ type: 'discover', mac: known })), Option.router)).toEqual([
      192, 168, 152, 1,
    ]);
  });

  test('tell iPXE, and nobody else, not to wait for a ProxyDHCP server', () => {
    expect(option(answered(capturedMessage('ipxe-discover')), Option.ipxe)).toEqual([176, 1, 1]);
    expect(answered(capturedMessage('udhcpc-discover')).message.options.has(Option.ipxe)).toBe(false);
  });

  test('end the boot file with a NUL for firmware', () => {
    const request = clientMessage({
      type: 'discover',
      options: [[Option.vendorClass, textBytes('PXEClient:Arch:00007:UNDI:003000')]],
    });
    expect(option(answered(request), Option.bootFile).at(-1)).toBe(0);
  });

  test('give no file name to a first stage', () => {
    const { message } = answered(capturedMessage('walt-discover'));
    expect(message.options.has(Option.bootFile)).toBe(false);
    expect(message.file).toBe('');
  });

  test('echo client identifier and relay information', () => {
    const request = clientMessage({
      type: 'discover',
      giaddr: '192.168.152.9',
      options: [
        [Option.clientIdentifier, Uint8Array.of(255, 1, 2)],
        [Option.relayInformation, Uint8Array.of(1, 2, 9, 9)],
      ],
    });
    expect(option(answered(request), Option.clientIdentifier)).toEqual([255, 1, 2]);
    expect(option(answered(request), Option.relayInformation)).toEqual([1, 2, 9, 9]);
  });

  test('fit the size that the client states', () => {
    const limitOf = (...size: number[]): number =>
      answered(clientMessage({ type: 'discover', options: [[Option.maximumSize, Uint8Array.from(size)]] }))
        .limit;
    expect(limitOf()).toBe(548);
    expect(limitOf(0, 100)).toBe(548);
    expect(limitOf(2, 64)).toBe(548);
    expect(limitOf(4, 0)).toBe(996);
    expect(limitOf(255, 255)).toBe(1472);
  });
});

describe('DISCOVER', () => {
  test('of an unknown client gets an address of the range, the same one each time', () => {
    const first = answered(clientMessage({ type: 'discover' }));
    expect(first).toMatchObject({ answer: 'OFFER', address: ip('192.168.152.100'), isRegistered: false });
    expect(answered(clientMessage({ type: 'discover' })).address).toBe(first.address);
  });

  test('gets the address that it asks for when that is free', () => {
    const request = clientMessage({ type: 'discover', requested: '192.168.152.101' });
    expect(answered(request).address).toBe(ip('192.168.152.101'));
  });

  test('meets silence when the range is full', () => {
    ask(clientMessage({ type: 'discover', mac: '02:00:00:00:00:02' }));
    ask(clientMessage({ type: 'discover', mac: '02:00:00:00:00:03' }));
    expect(dropped(clientMessage({ type: 'discover' }))).toBe('range full');
    expect(answered(clientMessage({ type: 'discover', mac: known })).answer).toBe('OFFER');
  });

  test('meets silence when there is no range', () => {
    leases = new LeaseTable({ leaseMs: 1000 });
    expect(ask(clientMessage({ type: 'discover' })).cause).toBe('unknown client');
  });

  test('is answered through its relay', () => {
    const outcome = answered(clientMessage({ type: 'discover', giaddr: '192.168.152.9' }));
    expect(outcome.destination).toEqual({ address: '192.168.152.9', port: 67 });
    expect(outcome.message.giaddr).toBe(ip('192.168.152.9'));
  });

  test.each([
    ['a relay of elsewhere', { giaddr: '10.0.0.1' }, 'relay 10.0.0.1 is outside this network'],
    ['a group address', { mac: '01:00:5e:00:00:01' }, 'the hardware address is that of a group'],
  ])('of %s is dropped', (_what, fields, cause) => {
    expect(dropped(clientMessage({ type: 'discover', ...fields }))).toBe(cause);
  });
});

describe('REQUEST', () => {
  const mine = '192.168.152.100';
  const mac = '02:00:00:00:00:01';
  const bound = (): boolean => leases.isBound(mac, ip(mine), now);

  test('SELECTING: binds what was offered', () => {
    ask(clientMessage({ type: 'discover' }));
    const outcome = answered(clientMessage({ type: 'request', server, requested: mine }));
    expect(outcome).toMatchObject({ answer: 'ACK', destination: broadcast, cause: 'it took the offer' });
    expect(bound()).toBe(true);
  });

  test('SELECTING: meets silence when it chose another server, and the offer goes back', () => {
    ask(clientMessage({ type: 'discover' }));
    const cause = dropped(clientMessage({ type: 'request', server: '192.168.152.2', requested: mine }));
    expect(cause).toBe('it chose the server 192.168.152.2');
    expect(leases.counts()).toEqual({ offered: 0, bound: 0, free: 1, declined: 0 });
  });

  test('SELECTING: a NAK for an address that was not offered to it', () => {
    ask(clientMessage({ type: 'discover', mac: '02:00:00:00:00:02' }));
    const outcome = answered(clientMessage({ type: 'request', server, requested: mine }));
    expect(outcome).toMatchObject({ answer: 'NAK', destination: broadcast });
    expect(optionText(outcome.message.options.get(Option.message))).toBe(
      '192.168.152.100 is not free for it',
    );
    expect(outcome.message).toMatchObject({ yiaddr: 0, siaddr: 0, file: '' });
    expect(outcome.message.options.has(Option.leaseTime)).toBe(false);
  });

  test('SELECTING: a NAK when the client was registered in between', () => {
    ask(clientMessage({ type: 'discover' }));
    reservations.set(mac, { address: '192.168.152.11', hostname: 'new' });
    expect(answered(clientMessage({ type: 'request', server, requested: mine })).answer).toBe('NAK');
    const outcome = answered(clientMessage({ type: 'request', server, requested: '192.168.152.11' }));
    expect(outcome.answer).toBe('ACK');
    expect(leases.counts().free).toBe(1);
  });

  test('INIT-REBOOT: goes on with its address', () => {
    ask(clientMessage({ type: 'request', server, requested: mine }));
    const outcome = answered(clientMessage({ type: 'request', requested: mine }));
    expect(outcome).toMatchObject({ answer: 'ACK', cause: 'it asked for its former address' });
  });

  test('INIT-REBOOT: may have a free address of the range though nothing is known of it', () => {
    expect(answered(clientMessage({ type: 'request', requested: '192.168.152.101' })).answer).toBe('ACK');
  });

  test.each([
    ['of another network', '10.1.2.3', '10.1.2.3 is outside this network'],
    ['outside the range', '192.168.152.50', '192.168.152.50 is not free for it'],
  ])('INIT-REBOOT: a NAK for an address %s', (_what, requested, cause) => {
    expect(answered(clientMessage({ type: 'request', requested }))).toMatchObject({ answer: 'NAK', cause });
  });

  test('INIT-REBOOT: a NAK for an address that is not the reserved one', () => {
    const outcome = answered(clientMessage({ type: 'request', mac: known, requested: mine }));
    expect(outcome.cause).toBe('192.168.152.100 is not its reserved address 192.168.152.10');
  });

  test('INIT-REBOOT: a NAK goes through the relay as a broadcast', () => {
    const outcome = answered(
      clientMessage({ type: 'request', requested: '10.1.2.3', giaddr: '192.168.152.9' }),
    );
    expect(outcome.destination).toEqual({ address: '192.168.152.9', port: 67 });
    expect(outcome.message.flags & 0x8000).toBe(0x8000);
  });

  test('RENEWING and REBINDING: are answered at the client and extend the lease', () => {
    ask(clientMessage({ type: 'request', server, requested: mine }));
    now += 4_000_000_000;
    const outcome = answered(clientMessage({ type: 'request', ciaddr: mine }));
    expect(outcome).toMatchObject({
      answer: 'ACK',
      cause: 'it renewed its lease',
      destination: { address: mine, port: 68 },
    });
    expect(outcome.message.ciaddr).toBe(ip(mine));
    now += 4_000_000_000;
    expect(bound()).toBe(true);
  });

  test('RENEWING: a NAK when the address is somebody else’s', () => {
    ask(clientMessage({ type: 'request', mac: '02:00:00:00:00:02', server, requested: mine }));
    const outcome = answered(clientMessage({ type: 'request', ciaddr: mine }));
    expect(outcome).toMatchObject({ answer: 'NAK', destination: broadcast });
  });

  test('that names no address means the one that was offered', () => {
    ask(clientMessage({ type: 'discover' }));
    expect(answered(clientMessage({ type: 'request' }))).toMatchObject({ answer: 'ACK', address: ip(mine) });
  });

  test('without any address is dropped', () => {
    expect(ask(clientMessage({ type: 'request' })).cause).toBe('it names no address');
  });
});

describe('other messages', () => {
  const mine = '192.168.152.100';

  test('RELEASE frees the address for others, and it is kept for the client as long as it can be', () => {
    ask(clientMessage({ type: 'request', server, requested: mine }));
    expect(ask(clientMessage({ type: 'release', server, ciaddr: mine })).answer).toBeUndefined();
    expect(leases.counts()).toMatchObject({ bound: 0, free: 1 });
    expect(answered(clientMessage({ type: 'discover' })).address).toBe(ip(mine));
  });

  test("RELEASE of somebody else's address does nothing", () => {
    ask(clientMessage({ type: 'request', server, requested: mine }));
    ask(clientMessage({ type: 'release', mac: '02:00:00:00:00:02', server, ciaddr: mine }));
    expect(leases.counts().bound).toBe(1);
  });

  test('DECLINE lets the address rest and gives another one', () => {
    ask(clientMessage({ type: 'request', server, requested: mine }));
    ask(clientMessage({ type: 'decline', server, requested: mine }));
    expect(leases.counts()).toMatchObject({ bound: 0, declined: 1 });
    expect(answered(clientMessage({ type: 'discover' })).address).toBe(ip('192.168.152.101'));
    now += 600_001;
    expect(
      answered(clientMessage({ type: 'request', mac: '02:00:00:00:00:09', requested: mine })).answer,
    ).toBe('ACK');
  });

  test('INFORM gets options, but no address and no lease', () => {
    const outcome = answered(clientMessage({ type: 'inform', ciaddr: '192.168.152.77' }));
    expect(outcome).toMatchObject({ answer: 'ACK', destination: { address: '192.168.152.77', port: 68 } });
    expect(outcome.message.yiaddr).toBe(0);
    expect(option(outcome, Option.messageType)).toEqual([5]);
    expect(outcome.message.options.has(Option.leaseTime)).toBe(false);
    expect(option(outcome, Option.dnsServer)).toEqual([192, 168, 152, 1]);
  });

  test.each([
    ['BOOTP', (message: DhcpMessage) => message.options.clear(), 'plain BOOTP is not served'],
    ['a reply', (message: DhcpMessage) => (message.op = 2), 'it is a reply, not a request'],
    [
      'another hardware',
      (message: DhcpMessage) => (message.htype = 6),
      'the hardware address is not an Ethernet one',
    ],
    [
      'an OFFER',
      (message: DhcpMessage) => message.options.set(Option.messageType, Uint8Array.of(2)),
      'OFFER is not a message of clients',
    ],
  ])('%s is dropped', (_what, change, cause) => {
    const message = clientMessage({ type: 'discover' });
    change(message);
    expect(dropped(message)).toBe(cause);
  });
});
