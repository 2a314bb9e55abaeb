import { type FileHandle, open } from 'node:fs/promises';
import { BootyardError, systemCode } from '../../errors.ts';

/** A captured frame. `bytes` may be fewer than `size`, its length on the wire. Times in µs since the epoch. */
export interface Packet {
  at: number;
  size: number;
  bytes: Buffer;
}

const MAGIC = 0xa1b2c3d4;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** that of capture.pl */
const MOST_BYTES = 262_144;
const CHUNK = 256 * 1024;

/**
 * The frames of a capture file as capture.pl writes it (pcap-savefile(5): version 2.4, little-endian, µs), up to
 * the last whole one. At the end of the file `more` is asked: whether to look again. Throws `capture.file` for something else.
 */
export async function* readPackets(
  path: string,
  more: () => Promise<boolean> = () => Promise.resolve(false),
): AsyncGenerator<Packet> {
  const file = await openOrMissing(path);
  if (!file) return;
  try {
    let rest: Buffer = Buffer.alloc(0);
    let hasHeader = false;
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const { bytesRead } = await file.read(chunk, 0, CHUNK, null);
      if (bytesRead === 0) {
        if (await more()) continue;
        return;
      }
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      if (!hasHeader) {
        if (rest.length < FILE_HEADER) continue;
        if (rest.readUInt32LE(0) !== MAGIC) throw damaged(path);
        rest = rest.subarray(FILE_HEADER);
        hasHeader = true;
      }
      for (let packet = cut(rest, path); packet; packet = cut(rest, path)) {
        yield packet;
        rest = rest.subarray(RECORD_HEADER + packet.bytes.length);
      }
    }
  } finally {
    await file.close();
  }
}

/** A capture has no file yet before its first packet. */
async function openOrMissing(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The frame that a buffer begins with, if it is whole. */
function cut(buffer: Buffer, path: string): Packet | undefined {
  if (buffer.length < RECORD_HEADER) return undefined;
  const length = buffer.readUInt32LE(8);
  if (length > MOST_BYTES) throw damaged(path);
  if (buffer.length < RECORD_HEADER + length) return undefined;
  return {
    at: buffer.readUInt32LE(0) * 1e6 + buffer.readUInt32LE(4),
    size: buffer.readUInt32LE(12),
    bytes: buffer.subarray(RECORD_HEADER, RECORD_HEADER + length),
  };
}

function damaged(path: string): BootyardError {
  return new BootyardError('capture.file', `The capture ${path} is damaged: start another one.`);
}
