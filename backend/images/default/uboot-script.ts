import { crc32 } from 'node:zlib';

const HEADER = 64;
const MAGIC = 0x27051956;
/** U-Boot's include/image.h: IH_OS_LINUX, IH_ARCH_ARM64, IH_TYPE_SCRIPT, IH_COMP_NONE */
const KIND = Uint8Array.of(5, 22, 6, 0);

/**
 * A script in the form that U-Boot's `source` takes, as `mkimage -T script` writes it: struct legacy_img_hdr of U-Boot's
 * include/image.h (64 bytes, big endian, with CRC-32 of header and data), then the lengths of the parts with a 0 after
 * them, then the text. `time`: seconds since the epoch.
 */
export function ubootScript(text: Uint8Array, time: number): Buffer {
  const data = Buffer.alloc(8 + text.length);
  data.writeUInt32BE(text.length, 0);
  data.set(text, 8);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(time, 8);
  header.writeUInt32BE(data.length, 12);
  header.writeUInt32BE(crc32(data), 24);
  header.set(KIND, 28);
  // The header's own sum stands at 4 and counts as 0 while it is made.
  header.writeUInt32BE(crc32(header), 4);
  return Buffer.concat([header, data]);
}
