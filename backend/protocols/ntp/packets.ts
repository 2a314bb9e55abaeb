/** Without extension fields and authentication (RFC 5905 §7.3). */
export const PACKET_BYTES = 48;
const Mode = { client: 3, server: 4 };
/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH = 2_208_988_800;
/** Nobody says whether the host's own clock is right: nodes with a better source should prefer that. */
const STRATUM = 10;
/** log2 of seconds: a microsecond, as the clock is read */
const PRECISION = -20;
/** 16.16 seconds: 10 ms */
const ROOT_DISPERSION = 0x028f;

export interface NtpRequest {
  /** 1 to 4; the answer has the same */
  readonly version: number;
  /** log2 of seconds, as it came */
  readonly poll: number;
  /** the client's time of sending, 8 bytes that go back as they came */
  readonly transmit: Buffer;
}

/** Undefined for whatever is not a client's request (mode 3) of versions 1 to 4; that gets no answer. */
export function decodeRequest(packet: Buffer): NtpRequest | undefined {
  if (packet.length < PACKET_BYTES) return undefined;
  const first = packet.readUInt8(0);
  const version = (first >> 3) & 7;
  if ((first & 7) !== Mode.client || version < 1 || version > 4) return undefined;
  return { version, poll: packet.readUInt8(2), transmit: packet.subarray(40, 48) };
}

/** The answer of a server (RFC 5905 §9.2, RFC 4330 §5). Times in ms since 1970, with a fraction. */
export function encodeAnswer(request: NtpRequest, receivedAt: number, sentAt: number): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES);
  packet.writeUInt8((request.version << 3) | Mode.server, 0);
  packet.writeUInt8(STRATUM, 1);
  packet.writeUInt8(request.poll, 2);
  packet.writeInt8(PRECISION, 3);
  packet.writeUInt32BE(ROOT_DISPERSION, 8);
  packet.write('LOCL', 12, 'latin1');
  // When the clock was last set: a local clock is right by itself, so just now.
  writeTimestamp(packet, 16, Math.floor(receivedAt / 1000) * 1000);
  request.transmit.copy(packet, 24);
  writeTimestamp(packet, 32, receivedAt);
  writeTimestamp(packet, 40, sentAt);
  return packet;
}

/** Seconds since 1900 modulo 2^32, then their fraction (RFC 5905 §6). */
function writeTimestamp(packet: Buffer, at: number, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1000);
  const fraction = (milliseconds - seconds * 1000) / 1000;
  packet.writeUInt32BE((seconds + NTP_EPOCH) % 2 ** 32, at);
  packet.writeUInt32BE(Math.floor(fraction * 2 ** 32), at + 4);
}
