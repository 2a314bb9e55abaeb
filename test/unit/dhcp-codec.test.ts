import { describe, expect, test } from 'vitest';
import { clientOf, nodeModel } from '../../backend/protocols/dhcp/client.ts';
import { decode, encode } from '../../backend/protocols/dhcp/codec.ts';
import { Option, textBytes } from '../../backend/protocols/dhcp/options.ts';
import { captured, capturedMessage, clientMessage } from '../fixtures/dhcp/packets.ts';

const cookie = [0x63, 0x82, 0x53, 0x63];
const header = 240;

/** A request whose option field holds these bytes. */
function packetWith(options: number[], change: (packet: Buffer) => void = () => {}): Buffer {
  const packet = Buffer.alloc(header + options.length);
  packet.set([1, 1, 6, 0], 0);
  packet.set(cookie, 236);
  packet.set(options, header);
  change(packet);
  return packet;
}

describe('decode', () => {
  test("reads iPXE's DISCOVER", () => {
    const client = clientOf(capturedMessage('ipxe-discover'));
    expect(client).toMatchObject({
      mac: '52:54:00:12:34:56',
      vendorClass: 'PXEClient:Arch:00000:UNDI:002001',
      userClass: 'iPXE',
      architecture: 0,
      isIpxe: true,
    });
    expect(client.requested).toEqual([
      1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203,
    ]);
    expect(nodeModel(client)).toBeUndefined();
  });

  test("reads UEFI's DISCOVER", () => {
    expect(clientOf(capturedMessage('ovmf-discover'))).toMatchObject({
      vendorClass: 'PXEClient:Arch:00007:UNDI:003000',
      userClass: undefined,
      architecture: 7,
      isIpxe: false,
      uuid: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  test('reads the model of a first stage', () => {
    expect(nodeModel(clientOf(capturedMessage('walt-discover')))).toBe('pc-x86-64');
    expect(nodeModel({ vendorClass: 'walt.node.rpi-3-b' })).toBe('rpi-3-b');
    expect(nodeModel({ vendorClass: 'walt.node.' })).toBeUndefined();
  });

  test('passes over PAD bytes and needs no END', () => {
    expect(decode(packetWith([0, 0, 53, 1, 1, 0, 12, 2, 97, 98]))?.options.get(12)).toEqual(
      Buffer.from('ab'),
    );
  });

  test('joins the parts of a long option (RFC 3396)', () => {
    expect(decode(packetWith([43, 2, 1, 2, 12, 1, 97, 43, 1, 3, 255]))?.options.get(43)).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });

  test('reads options from overloaded fields, file before sname (RFC 2131 §4.1)', () => {
    const packet = packetWith([52, 1, 3, 43, 1, 1, 255], (bytes) => {
      bytes.set([43, 1, 3, 255], 44);
      bytes.set([43, 1, 2, 255], 108);
    });
    const message = decode(packet);
    expect(message?.options.get(43)).toEqual(Uint8Array.of(1, 2, 3));
    expect(message).toMatchObject({ file: '', sname: '' });
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half a header', Buffer.alloc(235, 1)],
    ['a hardware address of 17 bytes', packetWith([255], (bytes) => bytes.writeUInt8(17, 2))],
    ['an option past the end', packetWith([12, 200, 97])],
    ['an option without length', packetWith([12])],
    [
      'an overloaded option past its field',
      packetWith([52, 1, 1, 255], (bytes) => bytes.set([0, 12, 127], 108)),
    ],
    ['an unknown operation', packetWith([255], (bytes) => bytes.writeUInt8(3, 0))],
  ])('refuses %s', (_what, packet) => {
    expect(decode(packet)).toBeUndefined();
  });

  test('reads a BOOTP request as one without options', () => {
    expect(decode(packetWith([53, 1, 1], (bytes) => bytes.fill(0, 236, 240)))?.options.size).toBe(0);
  });
});

describe('user class', () => {
  const userClassOf = (bytes: Uint8Array): string | undefined =>
    clientOf(clientMessage({ type: 'discover', options: [[Option.userClass, bytes]] })).userClass;

  test('is bare text, as iPXE sends it, or a list (RFC 3004)', () => {
    expect(userClassOf(textBytes('walt.node.pc-x86-64'))).toBe('walt.node.pc-x86-64');
    expect(userClassOf(Uint8Array.of(4, ...textBytes('iPXE'), 1, 65))).toBe('iPXE');
    expect(userClassOf(Uint8Array.of(0, 65))).toBe('?A');
    expect(userClassOf(new Uint8Array())).toBeUndefined();
  });
});

describe('encode', () => {
  test('writes what decode reads', () => {
    const message = clientMessage({
      type: 'request',
      requested: '192.168.152.10',
      options: [[43, new Uint8Array(600).fill(7)]],
    });
    message.file = 'undionly.kpxe';
    expect(decode(new Uint8Array(encode(message, 1472)))).toEqual(message);
  });

  test("takes a real client's packet to pieces and puts it together", () => {
    const message = capturedMessage('udhcpc-discover');
    const packet = captured('udhcpc-discover');
    expect(encode(message).equals(packet)).toBe(true);
  });

  test('leaves out what does not fit, never relay information, which comes last', () => {
    const relay = new Uint8Array(200).fill(1);
    const message = clientMessage({
      type: 'discover',
      options: [
        [Option.relayInformation, relay],
        [12, textBytes('a'.repeat(90))],
        [15, textBytes('b'.repeat(90))],
        [6, Uint8Array.of(1, 2, 3, 4)],
      ],
    });
    const packet = encode(message, 548);
    expect(packet.length).toBeLessThanOrEqual(548);
    const back = decode(packet);
    expect([...(back?.options.keys() ?? [])]).toEqual([53, 12, 6, Option.relayInformation]);
    expect(back?.options.get(Option.relayInformation)).toEqual(Buffer.from(relay));
  });

  test('keeps the last byte of the fields NUL', () => {
    const message = clientMessage({ type: 'discover' });
    message.file = 'f'.repeat(200);
    message.sname = 's'.repeat(200);
    const back = decode(encode(message));
    expect(back?.file).toHaveLength(127);
    expect(back?.sname).toHaveLength(63);
  });
});
