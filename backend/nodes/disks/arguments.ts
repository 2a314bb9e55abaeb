import type { ReadyDisk } from './apply.ts';
import { KEPT_DISK } from './kept-disk.ts';
import { MAX_DISKS } from './setting.ts';
import { escapeOption } from '../qemu-option.ts';

/** After those of the node's own disks. */
const KEPT_TARGET = MAX_DISKS;

/**
 * QEMU's arguments for the disks of a node, none for none: all on one SCSI controller, in order of their targets, which is
 * how Linux names them (sda, sdb, …).
 *
 * - `discard` and `detect-zeroes`: what the guest frees, or fills with zeros, takes no room on the host.
 * - `werror=stop`: a full disk of the host pauses the machine (QMP event BLOCK_IO_ERROR with `nospace`, then STOP; its
 *   status is `io-error`); `cont` writes again what could not be written.
 * - `serial`: the guest's /dev/disk/by-id tells the disks apart, whatever their names.
 */
export function diskArguments(disks: readonly ReadyDisk[]): string[] {
  if (disks.length === 0) return [];
  const perDisk = disks.flatMap(({ path, isKept }, index) => {
    const [target, serial] = isKept ? [KEPT_TARGET, KEPT_DISK] : [index, `disk${index}`];
    const file = `file=${escapeOption(path)},format=raw,id=disk${index},if=none`;
    const policy = 'discard=unmap,detect-zeroes=unmap,werror=stop,rerror=report';
    const place = `bus=scsi0.0,scsi-id=${target},lun=0,drive=disk${index}`;
    const device = `scsi-hd,${place},product=QEMU-DISK,serial=${serial}`;
    return ['-drive', `${file},${policy}`, '-device', device];
  });
  return ['-device', 'virtio-scsi-pci,id=scsi0', ...perDisk];
}
