import type { Packet } from './pcap.ts';

/** Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian. Times are µs, which is the format's default. */
const BLOCK = { section: 0x0a0d0d0a, interface: 1, packet: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const SNAPLEN = 262_144;
const OPTION = { end: 0, comment: 1, interfaceName: 2, interfaceDescription: 3, application: 4 } as const;
const MOST_OPTION = 0xffff;

type Options = readonly (readonly [code: number, text: string])[];

/** The begin of a file: which program wrote it, and about what. */
export function sectionHeader(comment: string): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  body.writeUInt16LE(1, 4);
  // The length of the section is not told: -1.
  body.writeBigInt64LE(-1n, 8);
  return block(BLOCK.section, body, [
    [OPTION.comment, comment],
    [OPTION.application, 'Bootyard'],
  ]);
}

/** Comes before the first packet. */
export function interfaceDescription(name: string, description: string): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16LE(LINKTYPE_ETHERNET, 0);
  body.writeUInt32LE(SNAPLEN, 4);
  return block(BLOCK.interface, body, [
    [OPTION.interfaceName, name],
    [OPTION.interfaceDescription, description],
  ]);
}

/** A packet of the one interface, with its comments. */
export function enhancedPacket({ at, size, bytes }: Packet, comments: readonly string[] = []): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(Math.floor(at / 2 ** 32), 4);
  head.writeUInt32LE(at % 2 ** 32, 8);
  head.writeUInt32LE(bytes.length, 12);
  head.writeUInt32LE(size, 16);
  const options = comments.map((comment) => [OPTION.comment, comment] as const);
  return block(BLOCK.packet, Buffer.concat([head, padded(bytes)]), options);
}

/** Type and length come first, and the length again at the end, for those who read backwards. */
function block(type: number, body: Buffer, options: Options): Buffer {
  const tail = options.length === 0 ? [] : [...options.flatMap(option), Buffer.alloc(4, OPTION.end)];
  const content = Buffer.concat([body, ...tail]);
  const length = content.length + 12;
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(length, 4);
  const end = Buffer.alloc(4);
  end.writeUInt32LE(length, 0);
  return Buffer.concat([head, content, end]);
}

function option([code, text]: readonly [number, string]): Buffer[] {
  const value = Buffer.from(text).subarray(0, MOST_OPTION);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return [head, padded(value)];
}

/** To a multiple of 4 bytes. */
function padded(bytes: Buffer): Buffer {
  const missing = (4 - (bytes.length % 4)) % 4;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
