import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where distributions keep iPXE: Debian and Ubuntu, then Fedora, then Arch. */
export const IPXE_FOLDERS = ['/usr/lib/ipxe', '/boot', '/usr/share/ipxe', '/usr/share/ipxe/x86_64'];
/** Fedora has other names for some. */
const NAMES: Readonly<Record<string, string[]>> = {
  'snponly.efi': ['snponly.efi', 'ipxe-snponly-x86_64.efi'],
};

/** The same for OVMF: the code without Secure Boot, and the template of its variables; the first pair that is there. */
const OVMF_PAIRS = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
  ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
] as const;

/** Path of one of iPXE's files on the host. */
export function findIpxe(file: string): string | undefined {
  const names = NAMES[file] ?? [file];
  return IPXE_FOLDERS.flatMap((folder) => names.map((name) => join(folder, name))).find((path) =>
    existsSync(path),
  );
}

/** UEFI for x86-64: a flash chip's code, and what its chip of variables holds when it is new. */
export interface UefiFiles {
  code: string;
  variables: string;
}

export function findUefi(): UefiFiles | undefined {
  const [code, variables] = OVMF_PAIRS.find((pair) => pair.every((path) => existsSync(path))) ?? [];
  return code && variables ? { code, variables } : undefined;
}
