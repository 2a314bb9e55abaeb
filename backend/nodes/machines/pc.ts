import type { Board } from './board.ts';

/**
 * iPXE spends half a second of every start on gathering randomness from the ticks of the clock chip on IRQ 8, for TLS,
 * which it is not asked for. It goes on without when no tick comes; systems learn the chip's IRQ from ACPI. A free one.
 */
const CLOCK_IRQ = 5;

/**
 * `-machine pc` and QEMU's own SMBIOS strings stay as they are: images choose their boot parameters by
 * `QEMU/Standard PC (i440FX + PIIX, 1996)`. `graphics=off` sends the firmware's text to the serial line. With an HPET
 * the clock chip would keep IRQ 8 (`CLOCK_IRQ`); guests count time by the ACPI timer or kvmclock, as libvirt's do.
 * The panic device is there for guests with a driver for it; the text of a panic comes by the serial line.
 */
export const pcBoard: Board = {
  program: 'qemu-system-x86_64',
  machine: 'pc,graphics=off,usb=off,hpet=off',
  processor: (accel) => (accel === 'kvm' ? 'host' : 'max'),
  serialLines: 3,
  extras: ['-global', `mc146818rtc.irq=${CLOCK_IRQ}`, '-device', 'pvpanic'],
  hasDeviceTree: false,
};
