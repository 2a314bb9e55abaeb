import { ARM_QEMU } from '../../lab/arm.ts';
import type { Board } from './board.ts';

/**
 * QEMU's `virt`. Under TCG a plain processor: the newer features of `max`, pointer authentication above all, make a guest
 * slower there. `gic-version=max`: the older interrupt controller serves no more than 8 processors.
 */
export const armBoard: Board = {
  program: ARM_QEMU,
  machine: 'virt,gic-version=max,usb=off',
  processor: (accel) => (accel === 'kvm' ? 'host' : 'cortex-a57'),
  serialLines: 1,
  extras: ['-device', 'pvpanic-pci'],
  hasDeviceTree: true,
};
