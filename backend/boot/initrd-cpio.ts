const MAGIC = '070701';
const TYPE = { file: 0o100000, directory: 0o040000, symlink: 0o120000, device: 0o020000 } as const;

/** One entry of an initramfs archive; `path` is relative to the root, without a leading slash. */
export type CpioEntry =
  | { type: 'file'; path: string; mode: number; content: Uint8Array }
  | { type: 'directory'; path: string; mode: number }
  | { type: 'symlink'; path: string; target: string }
  | { type: 'device'; path: string; mode: number; major: number; minor: number };

/**
 * An archive in the format that the kernel unpacks into its first root file system ("newc", described in the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst): headers of hexadecimal fields, names and contents padded
 * to 4 bytes, a trailer. All owners are root, all times 0, so equal entries give equal bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  entries.forEach((entry, index) => {
    const content = contentOf(entry);
    const mode = TYPE[entry.type] | (entry.type === 'symlink' ? 0o777 : entry.mode);
    const device = entry.type === 'device' ? entry : { major: 0, minor: 0 };
    parts.push(header(index + 1, mode, content.length, device, entry.path), content, padding(content.length));
  });
  parts.push(header(0, 0, 0, { major: 0, minor: 0 }, 'TRAILER!!!'));
  return Buffer.concat(parts);
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.type === 'file') return entry.content;
  return entry.type === 'symlink' ? Buffer.from(entry.target) : Buffer.alloc(0);
}

function header(
  inode: number,
  mode: number,
  size: number,
  device: { major: number; minor: number },
  path: string,
): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, device.major, device.minor, name.length, 0];
  const text = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([Buffer.from(text), name, padding(text.length + name.length)]);
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
