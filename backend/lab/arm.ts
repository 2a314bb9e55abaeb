import { existsSync } from 'node:fs';
import { BootyardError } from '../errors.ts';
import { ok, warn, type Check } from './check.ts';
import { installCommand, type Need } from './host-packages.ts';
import { findProgram } from './program.ts';

/** What runs nodes of the model qemu-arm-64. */
export const ARM_QEMU = 'qemu-system-aarch64';
/** Where Debian and Ubuntu, then Fedora, put U-Boot for QEMU's machine `virt`. */
const UBOOT = ['/usr/lib/u-boot/qemu_arm64/u-boot.bin', '/usr/share/uboot/qemu_arm64/u-boot.bin'];

/** What qemu-arm-64 nodes need and this machine lacks, one clause with the command that installs it. */
function missing(): { what: string; fix: string } | undefined {
  const found: [Need, string, boolean][] = [
    ['qemuArm', ARM_QEMU, findProgram(ARM_QEMU) !== undefined],
    ['uboot', 'U-Boot (qemu_arm64/u-boot.bin)', ubootPath() !== undefined],
  ];
  const absent = found.filter(([, , isThere]) => !isThere);
  if (absent.length === 0) return undefined;
  return {
    what: absent.map(([, name]) => name).join(' and '),
    fix: installCommand(absent.map(([need]) => need)),
  };
}

function ubootPath(): string | undefined {
  return UBOOT.find((path) => existsSync(path));
}

/** For the doctor. */
export function checkArm(): Check {
  const lack = missing();
  if (!lack) return ok('qemu-arm-64', `${ARM_QEMU} and U-Boot are there`);
  return warn('qemu-arm-64', `${lack.what} not found: nodes of this model cannot boot`, lack.fix);
}

/** Path of U-Boot. Throws `firmware.missing` when this machine cannot run such nodes. */
export function armFirmware(): string {
  const lack = missing();
  const path = ubootPath();
  if (!lack && path) return path;
  throw new BootyardError(
    'firmware.missing',
    `qemu-arm-64 nodes need ${lack?.what}, not found on this machine: run '${lack?.fix}'.`,
  );
}
