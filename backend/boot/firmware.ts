import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BootyardError } from '../errors.ts';
import { findIpxe, findUefi, IPXE_FOLDERS, type UefiFiles } from '../lab/firmware-files.ts';
import { installCommand } from '../lab/host-packages.ts';
import { stage1Path } from './stage1.ts';

/** The unmodified firmware files that nodes are given. */
export type FirmwareFile = 'ipxe.lkrn' | 'undionly.kpxe' | 'snponly.efi';
/** How a node starts (setting `firmware`). */
export type FirmwareKind = 'ipxe' | 'pxe' | 'uefi';

/** What QEMU is given for it; nothing when the network card's ROM boots. */
export interface NodeFirmware {
  /** for -kernel and -initrd */
  kernel?: string;
  initrd?: string;
  /** for -bios, and what stands in the flash chip after it */
  bios?: string;
  flash?: string;
  /** the flash chips of a PC with UEFI; its variables are the node's own */
  uefi?: UefiFiles;
}

/** Path of a firmware file on the host, or one sentence that names the package. */
export function firmwarePath(file: FirmwareFile): string {
  const found = findIpxe(file);
  if (found) return found;
  throw new BootyardError(
    'firmware.missing',
    `${file} is not installed (looked in ${IPXE_FOLDERS.join(', ')}): install the package ipxe.`,
  );
}

/** What a PC starts with. `folder` is the node's own: a UEFI keeps its variables there, from one boot to the next. */
export function pcFirmware(kind: FirmwareKind, folder: string): NodeFirmware {
  if (kind === 'pxe') return {};
  if (kind === 'ipxe') return { kernel: firmwarePath('ipxe.lkrn'), initrd: stage1Path() };
  // Asked for only when it boots; a missing one must be said before that.
  firmwarePath('snponly.efi');
  const files = findUefi();
  if (!files) {
    throw new BootyardError(
      'firmware.missing',
      `UEFI firmware (OVMF) is not installed, which firmware=uefi needs: run '${installCommand(['uefi'])}', or choose firmware=ipxe.`,
    );
  }
  const variables = join(folder, 'uefi-variables.fd');
  // Another version of the firmware may have chips of another size.
  if (!existsSync(variables) || statSync(variables).size !== statSync(files.variables).size) {
    copyFileSync(files.variables, variables);
  }
  return { uefi: { code: files.code, variables } };
}

const contents = new Map<FirmwareFile, Buffer>();

export function firmwareContent(file: FirmwareFile): Buffer {
  const known = contents.get(file);
  if (known) return known;
  const content = readFileSync(firmwarePath(file));
  contents.set(file, content);
  return content;
}
