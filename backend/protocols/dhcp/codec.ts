import { Option } from './options.ts';

/**
 * A DHCP message (RFC 2131 §2). Addresses are unsigned 32-bit numbers. `chaddr` has the length `hlen`. `options` holds
 * each option once, whole (RFC 3396), without PAD, END and overload (52); values that were decoded are views of the packet.
 */
export interface DhcpMessage {
  /** 1 request, 2 reply */
  op: number;
  htype: number;
  hops: number;
  xid: number;
  secs: number;
  flags: number;
  ciaddr: number;
  yiaddr: number;
  siaddr: number;
  giaddr: number;
  chaddr: Uint8Array;
  sname: string;
  file: string;
  options: Map<number, Uint8Array>;
}

const headerSize = 236;
const optionsStart = 240;
const cookie = 0x63825363;
const chaddrStart = 28;
const chaddrSize = 16;
const snameStart = 44;
const snameSize = 64;
const fileStart = 108;
const fileSize = 128;
/** a DHCP message of the 576-byte datagram that each client must accept (RFC 2131 §2) */
export const defaultMessageSize = 548;
/** BOOTP clients and relays take nothing shorter (RFC 1542 §2.1) */
const minimumMessageSize = 300;

/**
 * Reads a packet. Undefined for what is no DHCP or BOOTP message: too short, an impossible hardware address, an option
 * that runs past its field. A message without the magic cookie is plain BOOTP and has no options. Never throws.
 */
export function decode(packet: Uint8Array): DhcpMessage | undefined {
  if (packet.length < headerSize) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const op = view.getUint8(0);
  const hlen = view.getUint8(2);
  if ((op !== 1 && op !== 2) || hlen > chaddrSize) return undefined;
  const options = new Map<number, Uint8Array>();
  if (packet.length >= optionsStart && view.getUint32(headerSize) === cookie) {
    if (!readOptions(packet, optionsStart, packet.length, options)) return undefined;
  }
  const overload = options.get(Option.overload)?.[0] ?? 0;
  const overloadFile = (overload & 1) !== 0;
  const overloadSname = (overload & 2) !== 0;
  if (overloadFile && !readOptions(packet, fileStart, fileStart + fileSize, options)) return undefined;
  if (overloadSname && !readOptions(packet, snameStart, snameStart + snameSize, options)) return undefined;
  options.delete(Option.overload);
  return {
    op,
    htype: view.getUint8(1),
    hops: view.getUint8(3),
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    flags: view.getUint16(10),
    ciaddr: view.getUint32(12),
    yiaddr: view.getUint32(16),
    siaddr: view.getUint32(20),
    giaddr: view.getUint32(24),
    chaddr: packet.subarray(chaddrStart, chaddrStart + hlen),
    sname: overloadSname ? '' : fieldText(packet, snameStart, snameSize),
    file: overloadFile ? '' : fieldText(packet, fileStart, fileSize),
    options,
  };
}

/** Reads one option field into `options`, joining the parts of a long option; false when an option runs past `end`. */
function readOptions(
  packet: Uint8Array,
  start: number,
  end: number,
  options: Map<number, Uint8Array>,
): boolean {
  let at = start;
  while (at < end) {
    const code = packet[at++] ?? Option.end;
    if (code === Option.pad) continue;
    if (code === Option.end) return true;
    if (at >= end) return false;
    const length = packet[at++] ?? 0;
    if (at + length > end) return false;
    const value = packet.subarray(at, at + length);
    const before = options.get(code);
    options.set(code, before ? joined(before, value) : value);
    at += length;
  }
  return true;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function fieldText(packet: Uint8Array, start: number, size: number): string {
  if (packet[start] === 0) return '';
  let text = '';
  for (let at = start; at < start + size; at++) {
    const byte = packet[at] ?? 0;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Writes a message of at most `limit` bytes. Options are written in their order while they fit: put those first that the
 * client cannot do without. Relay information is kept room for and comes last (RFC 3046 §2.1). `sname` and `file` are
 * Latin-1 and lose what their fields cannot hold.
 */
export function encode(message: DhcpMessage, limit: number = defaultMessageSize): Buffer {
  const packet = Buffer.allocUnsafe(Math.max(limit, minimumMessageSize));
  packet.fill(0, 0, minimumMessageSize);
  writeHeader(packet, message);
  const relay = message.options.get(Option.relayInformation);
  const room = packet.length - 1 - (relay ? encodedSize(relay) : 0);
  let at = optionsStart;
  for (const [code, value] of message.options) {
    if (code === Option.relayInformation || at + encodedSize(value) > room) continue;
    at = writeOption(packet, at, code, value);
  }
  if (relay && at + encodedSize(relay) < packet.length) {
    at = writeOption(packet, at, Option.relayInformation, relay);
  }
  packet[at++] = Option.end;
  return packet.subarray(0, Math.max(at, minimumMessageSize));
}

function writeHeader(packet: Buffer, message: DhcpMessage): void {
  packet[0] = message.op;
  packet[1] = message.htype;
  packet[2] = message.chaddr.length;
  packet[3] = message.hops;
  packet.writeUInt32BE(message.xid, 4);
  packet.writeUInt16BE(message.secs, 8);
  packet.writeUInt16BE(message.flags, 10);
  packet.writeUInt32BE(message.ciaddr, 12);
  packet.writeUInt32BE(message.yiaddr, 16);
  packet.writeUInt32BE(message.siaddr, 20);
  packet.writeUInt32BE(message.giaddr, 24);
  packet.set(message.chaddr.subarray(0, chaddrSize), chaddrStart);
  // The last byte of either field stays NUL.
  if (message.sname) packet.write(message.sname, snameStart, snameSize - 1, 'latin1');
  if (message.file) packet.write(message.file, fileStart, fileSize - 1, 'latin1');
  packet.writeUInt32BE(cookie, headerSize);
}

function encodedSize(value: Uint8Array): number {
  return value.length + 2 * Math.max(1, Math.ceil(value.length / 255));
}

/** Writes an option, in parts of 255 bytes when it is longer (RFC 3396); returns the position behind it. */
function writeOption(packet: Uint8Array, start: number, code: number, value: Uint8Array): number {
  let at = start;
  let done = 0;
  do {
    const length = Math.min(255, value.length - done);
    packet[at++] = code;
    packet[at++] = length;
    for (let index = 0; index < length; index++) packet[at + index] = value[done + index] ?? 0;
    at += length;
    done += length;
  } while (done < value.length);
  return at;
}
