/** How a kernel file is packed; only `bzImage` and `Image` are what iPXE and U-Boot's booti start. */
export type KernelFormat = 'bzImage' | 'Image' | 'zImage' | 'EFI zboot' | 'uImage' | 'FIT' | 'gzip' | 'ELF';
export interface KernelKind {
  format: KernelFormat;
  /** as OCI configurations name it; undefined where the header does not say */
  architecture?: string;
}

/** Bytes from the beginning of a kernel in which `kernelKind` and `bzImageRelease` find all that they read. */
export const KERNEL_HEAD = 0x10400;
/** ELF's e_machine (System V ABI) as OCI configurations name processors. */
const ELF_MACHINES = new Map([
  [3, '386'],
  [40, 'arm'],
  [62, 'amd64'],
  [183, 'arm64'],
  [243, 'riscv64'],
]);

/** The processor that an ELF file is for; undefined for anything else. */
export function elfArchitecture(head: Buffer): string | undefined {
  if (head.length < 20 || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
  return ELF_MACHINES.get(machine) ?? `ELF machine ${machine}`;
}

/**
 * What kind of kernel begins with these bytes, by its magic: the kernel's Documentation/arch/x86/boot.rst (`HdrS` at
 * 0x202, XLF_KERNEL_64 in xloadflags at 0x236), arm64/booting.rst (`ARM\x64` at 56), the zImage of 32-bit Arm
 * (0x016f2818 at 36), EFI zboot (`zimg` at 4), U-Boot's legacy images and flattened trees. Undefined for anything else.
 */
export function kernelKind(head: Buffer): KernelKind | undefined {
  if (head.toString('latin1', 0x202, 0x206) === 'HdrS') {
    const is64 = head.length >= 0x238 && (head.readUInt16LE(0x236) & 1) !== 0;
    return { format: 'bzImage', architecture: is64 ? 'amd64' : '386' };
  }
  if (head.toString('latin1', 56, 60) === 'ARMd') return { format: 'Image', architecture: 'arm64' };
  if (head.length >= 40 && head.readUInt32LE(36) === 0x016f2818)
    return { format: 'zImage', architecture: 'arm' };
  if (head.toString('latin1', 4, 8) === 'zimg') return { format: 'EFI zboot' };
  const magic = head.length >= 4 ? head.readUInt32BE(0) : 0;
  if (magic === 0x27051956) return { format: 'uImage' };
  if (magic === 0xd00dfeed) return { format: 'FIT' };
  if (magic >>> 16 === 0x1f8b) return { format: 'gzip' };
  const architecture = elfArchitecture(head);
  return architecture === undefined ? undefined : { format: 'ELF', architecture };
}

/** The release that a bzImage names: `kernel_version` of its header. */
export function bzImageRelease(head: Buffer): string | undefined {
  if (head.length <= 0x210 || head.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  const offset = head.readUInt16LE(0x20e) + 0x200;
  if (offset === 0x200) return undefined;
  return head.toString('latin1', offset, offset + 128).split(/[\0 ]/, 1)[0] || undefined;
}

/**
 * Bytes that the file of a bzImage has at least, by its header: `setup_sects` (0x1f1, 0 for 4) and one more sector of 512
 * bytes, `syssize` (0x1f4) units of 16. Undefined for anything else.
 */
export function bzImageSize(head: Buffer): number | undefined {
  if (head.length < 0x206 || head.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  const system = head.readUInt32LE(0x1f4);
  return system === 0 ? undefined : ((head[0x1f1] || 4) + 1) * 512 + system * 16;
}

export const BANNER = 'Linux version ';
/** The release in the banner that an unpacked kernel carries, when these bytes have all of it. */
export function bannerRelease(bytes: Buffer): string | undefined {
  const banner = bytes.indexOf(BANNER);
  if (banner < 0) return undefined;
  return /^([!-~]{1,127}) /.exec(
    bytes.toString('latin1', banner + BANNER.length, banner + BANNER.length + 129),
  )?.[1];
}
