import { statfs } from 'node:fs/promises';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import { installCommand, type Need } from '../../lab/host-packages.ts';
import { failureOf, tryTool, type ToolResult } from '../../lab/tool.ts';

const PACKAGES: Record<string, Need> = {
  sfdisk: 'partitions',
  'mkfs.fat': 'fat',
  'qemu-img': 'images',
  mke2fs: 'ext4',
  e2fsck: 'ext4',
  resize2fs: 'ext4',
  debugfs: 'ext4',
};
/** mke2fs makes 10T in a second or so; a slow disk may take its time. */
const TIMEOUT_MS = 30 * 60_000;

/** Less room than this is none. */
const FULL_BYTES = 64 << 10;

export interface DiskToolOptions {
  /** the folder of the disks: programs get bare file names, as e2fsprogs takes a `?` in a path for its own */
  folder: string;
  input?: string;
  signal?: AbortSignal;
  /** highest status that is no failure; 0 by default */
  okUpTo?: number;
}

/**
 * Runs a program that makes or changes a disk's file. Throws the reason of `signal`, `disk.noTool` when the program is not
 * installed, and `disk.failed` with its last line when it fails.
 */
export async function diskTool(argv: readonly string[], options: DiskToolOptions): Promise<ToolResult> {
  const { folder, input, signal, okUpTo = 0 } = options;
  signal?.throwIfAborted();
  const result = await tryTool(argv, { cwd: folder, input, signal, timeoutMs: TIMEOUT_MS });
  signal?.throwIfAborted();
  const [program = ''] = argv;
  if (systemCode(result.error) === 'ENOENT') {
    const need = PACKAGES[program];
    const fix = need === undefined ? '' : `: install it with '${installCommand([need])}'`;
    throw new BootyardError('disk.noTool', `${program} is not there, which makes disks of nodes${fix}.`);
  }
  if (result.status !== null && result.status <= okUpTo) return result;
  // mkfs.fat does not say why it could not write.
  const { bavail, bsize } = await statfs(folder);
  const isFull = /No space left on device/.test(result.stdout + result.stderr) || bavail * bsize < FULL_BYTES;
  throw new BootyardError(isFull ? 'disk.full' : 'disk.failed', `${program}: ${failureOf(result)}`, { argv });
}

/** What went wrong with a disk's file, as one sentence for its user. `what`: `Disk 0 (ext4, 10G) could not be made`. */
export function diskError(error: unknown, what: string, folder: string): BootyardError {
  const code = error instanceof BootyardError ? error.code : systemCode(error);
  if (code === 'disk.full' || code === 'ENOSPC' || code === 'EDQUOT') {
    return new BootyardError(
      'disk.full',
      `${what}: the file system that holds ${folder} is full. Free some space there.`,
    );
  }
  if (code === 'EFBIG') {
    const sentence = `${what}: the file system that holds ${folder} takes no file of that size. Choose a smaller disk.`;
    return new BootyardError('disk.tooLarge', sentence);
  }
  if (code === 'disk.noTool') return new BootyardError(code, `${what}: ${messageOf(error)}`);
  return new BootyardError('disk.failed', `${what}: ${messageOf(error).replace(/\.$/, '')}.`);
}
