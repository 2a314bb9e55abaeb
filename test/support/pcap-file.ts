/** A capture file as capture.pl writes it, of frames with their times in µs since the epoch. */
export function pcapFile(frames: readonly { at: number; bytes: Buffer }[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap(({ at, bytes }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(at / 1e6), 0);
    record.writeUInt32LE(at % 1e6, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return [record, bytes];
  });
  return Buffer.concat([header, ...records]);
}

const MACS = Buffer.from('ffffffffffff525400010203', 'hex');

/** An Ethernet frame with an IPv4 packet; checksums are left out. */
export function ipFrame(protocol: number, source: string, target: string, data: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + data.length, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  for (const [at, address] of [
    [12, source],
    [16, target],
  ] as const) {
    header.set(address.split('.').map(Number), at);
  }
  return Buffer.concat([MACS, Buffer.from('0800', 'hex'), header, data]);
}

export function udpFrame(
  [source, from]: [string, number],
  [target, to]: [string, number],
  data: Buffer,
): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(from, 0);
  header.writeUInt16BE(to, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return ipFrame(17, source, target, Buffer.concat([header, data]));
}

export function tcpFrame(
  [source, from]: [string, number],
  [target, to]: [string, number],
  {
    sequence = 0,
    flags = 0x10,
    data = Buffer.alloc(0),
  }: { sequence?: number; flags?: number; data?: Buffer },
): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(from, 0);
  header.writeUInt16BE(to, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt8(0x50, 12);
  header.writeUInt8(flags, 13);
  header.writeUInt16BE(65_535, 14);
  return ipFrame(6, source, target, Buffer.concat([header, data]));
}
