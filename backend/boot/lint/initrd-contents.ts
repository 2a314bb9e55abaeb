import { BootyardError, messageOf } from '../../errors.ts';
import { compressionOf, decompress } from '../../images/tar/decompress.ts';
import { ByteReader } from './byte-reader.ts';
import { LZ4_LEGACY, unpackLz4 } from './lz4.ts';

export interface InitrdContents {
  /** paths without a leading slash, latin1 text; not those that are very long */
  names: ReadonlySet<string>;
  /** bytes that the kernel unpacks, as far as it was read */
  unpackedBytes: number;
  /** why this is not all that is in it, if it is not */
  problem?: string;
}

export const MAX_UNPACKED = 256 << 20;
const MAX_NAMES = 100_000;
/** Longer names are nothing that a rule asks for. */
const KEPT_NAME = 256;
const MAX_ZEROS = 1 << 20;
const HEADER = 110;
const NAME_MAX = 4096;

/**
 * What is in an initrd, by the format that the kernel takes (Documentation/driver-api/early-userspace/buffer-format.rst):
 * "newc" archives, plain ones first (microcode), the last one compressed; zeros in between. Never throws on bytes.
 */
export async function readInitrd(
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<InitrdContents> {
  const names = new Set<string>();
  const done = { unpackedBytes: 0 };
  const input = new ByteReader(chunks);
  try {
    const problem = await readArchives(input, names, done, true, signal);
    return { names, ...done, ...(problem === undefined ? {} : { problem }) };
  } catch (error) {
    if (!(error instanceof BootyardError) || !/^image\.(bad|no)/.test(error.code)) throw error;
    return { names, ...done, problem: messageOf(error).replace(/^The image is refused: /, '') };
  } finally {
    await input.close();
  }
}

/** Says why it stopped before the end, if it did. */
async function readArchives(
  input: ByteReader,
  names: Set<string>,
  done: { unpackedBytes: number },
  mayBePacked: boolean,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  for (;;) {
    const before = input.position;
    const magic = await skipZeros(input);
    if (input.position - before > MAX_ZEROS) return 'it has too many zeros between archives';
    if (magic.length === 0) return undefined;
    if (/^07070[12]/.test(magic.toString('latin1'))) {
      const problem = await readArchive(input, names, done, signal);
      if (problem !== undefined) return problem;
      continue;
    }
    if (!mayBePacked) return 'it goes on with something that is no cpio archive';
    const unpacked = unpack(input, magic, signal);
    if (typeof unpacked === 'string') return unpacked;
    const inner = new ByteReader(unpacked);
    try {
      return await readArchives(inner, names, done, false, signal);
    } finally {
      await inner.close();
    }
  }
}

/** The next bytes that are not zero, which stay to be read. */
async function skipZeros(input: ByteReader): Promise<Buffer> {
  const begin = input.position;
  for (;;) {
    const bytes = await input.take(512);
    const start = bytes.findIndex((byte) => byte !== 0);
    const left = start < 0 ? Buffer.alloc(0) : bytes.subarray(start);
    input.unread(left);
    if (left.length > 0 || bytes.length < 512 || input.position - begin > MAX_ZEROS) return left;
  }
}

function unpack(
  input: ByteReader,
  magic: Buffer,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> | string {
  if (magic.length >= 4 && magic.readUInt32LE(0) === LZ4_LEGACY) return unpackLz4(input);
  const kind = compressionOf(magic);
  return kind ? decompress(kind, input.rest(), signal) : 'it is not compressed in a way that is known here';
}

/** Reads up to the trailer; says why it stopped before it, if it did. */
async function readArchive(
  input: ByteReader,
  names: Set<string>,
  done: { unpackedBytes: number },
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const cutOff = 'it is damaged or cut off';
  const start = done.unpackedBytes - input.position;
  for (;;) {
    signal?.throwIfAborted();
    const header = (await input.take(HEADER)).toString('latin1');
    if (!/^07070[12][0-9a-fA-F]{104}$/.test(header)) return cutOff;
    const size = Number.parseInt(header.slice(54, 62), 16);
    const nameSize = Number.parseInt(header.slice(94, 102), 16);
    if (nameSize === 0 || nameSize > NAME_MAX) return cutOff;
    const name = await input.take(padded(HEADER + nameSize) - HEADER);
    if (name.length < nameSize) return cutOff;
    const text = name.toString('latin1', 0, nameSize - 1);
    if (text === 'TRAILER!!!') return undefined;
    if (text.length <= KEPT_NAME) names.add(text.replace(/^(\.?\/)+/, ''));
    done.unpackedBytes = start + input.position + size;
    if (done.unpackedBytes > MAX_UNPACKED) return `it unpacks to more than ${MAX_UNPACKED >> 20} MB`;
    if (names.size > MAX_NAMES) return `it has more than ${MAX_NAMES} files`;
    await input.skip(padded(size));
  }
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
