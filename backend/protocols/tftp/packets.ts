/** TFTP packets (RFC 1350 §5, options RFC 2347). */

export const ErrorCode = {
  other: 0,
  notFound: 1,
  denied: 2,
  illegal: 4,
  unknownTransfer: 5,
  options: 8,
} as const;

const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

export interface TftpRequest {
  op: 'read' | 'write';
  /** as the client wrote it */
  file: string;
  /** in lower case: `octet`, `netascii`, … */
  mode: string;
  /** names as the client spelt them, in its order */
  options: [name: string, value: string][];
}
export type TftpPacket =
  | TftpRequest
  | { op: 'data' | 'ack'; block: number }
  | { op: 'error'; code: number; message: string }
  | { op: 'oack' };

/** requests are short (RFC 2347 allows 512 bytes); what is longer has no honest sender */
const longestRequest = 2048;
const longestMessage = 256;

/** Undefined for what is no TFTP packet. Never throws. */
export function decode(packet: Buffer): TftpPacket | undefined {
  if (packet.length < 2) return undefined;
  switch (packet.readUInt16BE(0)) {
    case opcodes.read:
      return decodeRequest(packet, 'read');
    case opcodes.write:
      return decodeRequest(packet, 'write');
    case opcodes.data:
      return packet.length < 4 ? undefined : { op: 'data', block: packet.readUInt16BE(2) };
    case opcodes.ack:
      return packet.length < 4 ? undefined : { op: 'ack', block: packet.readUInt16BE(2) };
    case opcodes.error:
      return packet.length < 4
        ? undefined
        : {
            op: 'error',
            code: packet.readUInt16BE(2),
            message: printable(textAt(packet, 4, longestMessage)),
          };
    case opcodes.oack:
      return { op: 'oack' };
    default:
      return undefined;
  }
}

function decodeRequest(packet: Buffer, op: 'read' | 'write'): TftpRequest | undefined {
  if (packet.length > longestRequest) return undefined;
  const texts: string[] = [];
  let at = 2;
  while (at < packet.length) {
    const end = packet.indexOf(0, at);
    if (end === -1) break;
    texts.push(packet.toString('utf8', at, end));
    at = end + 1;
  }
  const [file, mode, ...rest] = texts;
  if (!file || !mode) return undefined;
  const options: [string, string][] = [];
  for (let index = 0; index + 1 < rest.length; index += 2) {
    options.push([rest[index] ?? '', rest[index + 1] ?? '']);
  }
  return { op, file, mode: mode.toLowerCase(), options };
}

/** Text up to the next NUL, the end of the packet or `most` bytes. */
function textAt(packet: Buffer, start: number, most: number): string {
  const limit = Math.min(packet.length, start + most);
  const end = packet.indexOf(0, start);
  return packet.toString('utf8', start, end === -1 ? limit : Math.min(end, limit));
}

/** A client's text goes into events and terminals: without control characters. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

export function encodeError(code: number, message: string): Buffer {
  const packet = Buffer.alloc(5 + Buffer.byteLength(message));
  packet.writeUInt16BE(opcodes.error, 0);
  packet.writeUInt16BE(code, 2);
  packet.write(message, 4);
  return packet;
}

export function encodeOptionAck(options: readonly (readonly [string, string])[]): Buffer {
  const text = options.map(([name, value]) => `${name}\0${value}\0`).join('');
  const packet = Buffer.alloc(2 + Buffer.byteLength(text));
  packet.writeUInt16BE(opcodes.oack, 0);
  packet.write(text, 2);
  return packet;
}

/** bytes before the data of a DATA packet */
export const dataHeaderSize = 4;

/** Block numbers roll over from 65535 to 0. */
export function writeDataHeader(packet: Uint8Array, block: number): void {
  packet[0] = 0;
  packet[1] = opcodes.data;
  packet[2] = (block >> 8) & 255;
  packet[3] = block & 255;
}
