import { BootyardError } from '../../errors.ts';
import { compressionOf, decompress } from '../../images/tar/decompress.ts';
import { kernelKind } from '../kernel-file.ts';
import { ByteReader } from '../lint/byte-reader.ts';
import { LZ4_LEGACY, unpackLz4 } from '../lint/lz4.ts';

/** bytes of an unpacked kernel at most; a distribution's are below 100 MB */
const MAX_KERNEL = 512 << 20;

/**
 * The ELF file (vmlinux, without its symbols) in a bzImage: `payload_offset` bytes behind the real-mode code, as the
 * kernel's Documentation/arch/x86/boot.rst has it. Throws `debug.kernel` with what is wrong with it.
 */
export async function unpackKernel(file: Buffer, signal?: AbortSignal): Promise<Buffer> {
  if (kernelKind(file)?.format !== 'bzImage' || file.length < 0x250 || file.readUInt16LE(0x206) < 0x208)
    throw cannotUse('it is no bzImage');
  const start = ((file[0x1f1] || 4) + 1) * 512 + file.readUInt32LE(0x248);
  const payload = file.subarray(start, start + file.readUInt32LE(0x24c));
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of unpacked(payload, signal)) {
      size += chunk.length;
      if (size > MAX_KERNEL) throw cannotUse('it is too large');
      chunks.push(chunk);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BootyardError && error.code === 'image.badData') throw cannotUse('it is damaged');
    throw error;
  }
  return Buffer.concat(chunks);
}

function unpacked(payload: Buffer, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const compression = compressionOf(payload);
  if (compression === 'gzip') return decompress('gzip', once(payload), signal);
  // Behind all others the build appends the size of the unpacked kernel (scripts/Makefile.lib, size_append).
  const packed = once(payload.subarray(0, -4));
  if (compression !== undefined) return decompress(compression, packed, signal);
  if (payload.length < 8 || payload.readUInt32LE(0) !== LZ4_LEGACY)
    throw cannotUse('its compression is not known');
  return unpackLz4(new ByteReader(once(payload.subarray(4, -4))));
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

function cannotUse(why: string): BootyardError {
  return new BootyardError('debug.kernel', `The kernel of this image cannot be debugged: ${why}.`);
}
