import type { ReadyDisk } from './disks/apply.ts';
import { diskArguments } from './disks/arguments.ts';
import { escapeOption } from './qemu-option.ts';
import type { FullSettings } from './settings.ts';
import { megabytes } from './settings.ts';

/** What QEMU needs to know of a node. */
export interface Machine {
  name: string;
  mac: string;
  settings: FullSettings;
}
/** Where a machine's files and sockets are, and what they are called. */
export interface MachineFiles {
  tap: string;
  consoleLog: string;
  consoleSocket: string;
  qmpSocket: string;
  /** for -kernel and -initrd; absent when the network card's ROM boots */
  kernel?: string;
  initrd?: string;
  disks: readonly ReadyDisk[];
}

const SERIAL_ID = 'console';
/** Host memory for translated code, MiB: QEMU's own default of 1 GiB would let eight nodes fill a small host. */
const TRANSLATION_MB = 256;
/**
 * iPXE spends half a second of every start on gathering randomness from the ticks of the clock chip on IRQ 8, for TLS,
 * which it is not asked for. It goes on without when no tick comes; systems learn the chip's IRQ from ACPI. A free one.
 */
const CLOCK_IRQ = 5;

/**
 * The command line of a node's QEMU.
 *
 * - `-machine pc` and QEMU's own SMBIOS strings stay as they are: images choose their boot parameters by
 *   `QEMU/Standard PC (i440FX + PIIX, 1996)`. `graphics=off` sends the firmware's text to the serial line. With an HPET
 *   the clock chip would keep IRQ 8 (`CLOCK_IRQ`); guests count time by the ACPI timer or kvmclock, as libvirt's do.
 * - `-no-reboot`: one process is one boot, so a guest's reboot is seen by how the process ends.
 * - The panic device is there for guests with a driver for it; the text of a panic comes by the serial line.
 * - The serial line is logged by QEMU itself, so that nothing is lost while no daemon runs.
 */
export function qemuArguments(machine: Machine, files: MachineFiles, accel: 'kvm' | 'tcg'): string[] {
  const { settings } = machine;
  return [
    ['qemu-system-x86_64'],
    ['-name', `guest=${escapeOption(machine.name)}`],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', 'pc,graphics=off,usb=off,hpet=off'],
    ['-global', `mc146818rtc.irq=${CLOCK_IRQ}`],
    acceleration(accel),
    ['-m', String(megabytes(settings.ram))],
    ['-smp', String(settings['cpu.cores'])],
    serial(files),
    ['-chardev', `socket,id=qmp,path=${escapeOption(files.qmpSocket)},server=on,wait=off`],
    ['-mon', 'chardev=qmp,mode=control'],
    network(machine, files),
    diskArguments(files.disks),
    ['-object', 'rng-random,id=rng0,filename=/dev/urandom'],
    ['-device', 'virtio-rng-pci,rng=rng0'],
    ['-device', 'pvpanic', '-action', 'panic=none'],
    bootFrom(files),
  ].flat();
}

function acceleration(accel: 'kvm' | 'tcg'): string[] {
  return accel === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_MB}`, '-cpu', 'max'];
}

function serial(files: MachineFiles): string[] {
  const log = `logfile=${escapeOption(files.consoleLog)},logappend=on`;
  const socket = `path=${escapeOption(files.consoleSocket)},server=on,wait=off`;
  return ['-chardev', `socket,id=${SERIAL_ID},${socket},${log}`, '-serial', `chardev:${SERIAL_ID}`];
}

/** The card keeps its boot ROM only where that boots: iPXE as kernel brings its own driver, and starts sooner without. */
function network(machine: Machine, files: MachineFiles): string[] {
  const rom = files.kernel === undefined ? 'bootindex=1' : 'romfile=';
  const netdev = `tap,id=net0,ifname=${escapeOption(files.tap)},script=no,downscript=no`;
  return ['-netdev', netdev, '-device', `virtio-net-pci,netdev=net0,mac=${machine.mac},${rom}`];
}

function bootFrom(files: MachineFiles): string[] {
  if (files.kernel === undefined) return ['-boot', 'order=n,strict=on'];
  const initrd = files.initrd === undefined ? [] : ['-initrd', files.initrd];
  return ['-kernel', files.kernel, ...initrd];
}
