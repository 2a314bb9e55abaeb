import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import { deviceObstacle, type Acceleration } from './acceleration.ts';
import { fail, ok, warn, type Check } from './check.ts';
import { findIpxe, findUefi } from './firmware-files.ts';
import { asRoot, installCommand } from './host-packages.ts';
import { failureOf, tryTool } from './tool.ts';

const GIB = 1024 ** 3;

/** KVM is a matter of speed alone: everything works without it. */
export async function checkKvm(probe: (() => Promise<Acceleration>) | undefined): Promise<Check> {
  const obstacle = deviceObstacle();
  if (obstacle !== undefined) {
    const fix = existsSync('/dev/kvm')
      ? `${asRoot('usermod -aG kvm "$USER"')}, then log in again`
      : 'switch virtualization on in the firmware of the host, or nested virtualization in its hypervisor';
    return warn('KVM', `nodes run in software: ${obstacle}`, fix);
  }
  if (probe === undefined)
    return ok('KVM', '/dev/kvm opens; whether guests run with it is tried at the first boot');
  const { accel, reason } = await probe();
  return accel === 'kvm' ? ok('KVM', reason) : warn('KVM', `nodes run in software: ${reason}`);
}

export function checkFirmware(): Check {
  const missing = ['ipxe.lkrn', 'undionly.kpxe'].filter((file) => findIpxe(file) === undefined);
  if (missing.length === 0) return ok('iPXE', 'ipxe.lkrn and undionly.kpxe are there');
  return fail('iPXE', `${missing.join(' and ')} not found: nodes cannot boot`, installCommand(['ipxe']));
}

export function checkUefi(): Check {
  const files = [findUefi() ? [] : ['OVMF'], findIpxe('snponly.efi') ? [] : ["iPXE's snponly.efi"]].flat();
  if (files.length === 0) return ok('UEFI', 'OVMF and snponly.efi are there');
  const message = `${files.join(' and ')} not found: nodes cannot boot with firmware=uefi`;
  return warn('UEFI', message, installCommand(['uefi', 'ipxe']));
}

/** Room in the folder for images and node disks, which may not exist yet. */
export async function checkDisk(folder: string): Promise<Check> {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    const { bavail, bsize } = await statfs(existing);
    return diskVerdict(folder, bavail * bsize);
  } catch (error) {
    return fail('disk space', `${existing} cannot be looked at: ${messageOf(error)}`);
  }
}

export function diskVerdict(folder: string, freeBytes: number): Check {
  const message = `${(freeBytes / GIB).toFixed(1)} GiB free for ${folder}`;
  const fix = 'make room, or set BOOTYARD_HOME to a folder on a larger disk';
  if (freeBytes < GIB) return fail('disk space', message, fix);
  return freeBytes < 5 * GIB ? warn('disk space', message, fix) : ok('disk space', message);
}

/** The daemon keeps its state with node:sqlite, which Node has without a flag since 22.13. */
export async function checkNode(node: string): Promise<Check> {
  const script = 'require("node:sqlite"); console.log(process.version)';
  const result = await tryTool([node, '-e', script]);
  if (result.status === 0) return ok('Node', `${result.stdout.trim()} with node:sqlite`);
  const why = result.stderr.includes('node:sqlite') ? 'it has no node:sqlite' : failureOf(result);
  return fail('Node', `${node} cannot run the daemon: ${why}`, 'install Node 22.13 or later');
}
