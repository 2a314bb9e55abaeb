import type { NodeFirmware } from '../boot/firmware.ts';
import type { EmulationThreads } from '../lab/qemu-version.ts';
import type { ReadyDisk } from './disks/apply.ts';
import { diskArguments } from './disks/arguments.ts';
import { type Accel, boardOf } from './machines/board.ts';
import { type BootCard, networkArguments, type NetworkCard } from './networks/arguments.ts';
import { escapeOption } from './qemu-option.ts';
import type { FullSettings } from './settings.ts';
import { megabytes } from './settings.ts';

/** What QEMU needs to know of a node. */
export interface Machine {
  model: string;
  name: string;
  settings: FullSettings;
}
/** Where a machine's files and sockets are, and what they are called. */
export interface MachineFiles extends NodeFirmware {
  consoleLog: string;
  consoleSocket: string;
  controlSocket: string;
  debugSocket: string;
  qmpSocket: string;
  disks: readonly ReadyDisk[];
  /** the first one is the card that boots */
  cards: readonly NetworkCard[];
}

const SERIAL_ID = 'console';
/** Of the character device that is the third serial line. */
const DEBUG_LINE = 'debug';
/** Its own: two serial lines on one IRQ of the ISA bus lose interrupts of each other. Free, as there is no printer. */
const DEBUG_IRQ = 7;
/** Host memory for translated code, MiB: QEMU's own default of 1 GiB would let eight nodes fill a small host. */
const TRANSLATION_MB = 256;
/**
 * The command line of a node's QEMU.
 *
 * - `-no-reboot`: one process is one boot, so a guest's reboot is seen by how the process ends.
 * - The serial line is logged by QEMU itself, so that nothing is lost while no daemon runs. A second one, which every
 *   kernel with a console on the first has a driver for, is there for `ControlLine` where the board has room for it, and a
 *   third one for debuggers (`DebugLine`).
 */
export function qemuArguments(
  machine: Machine,
  files: MachineFiles,
  accel: Accel,
  threads: EmulationThreads,
): string[] {
  return [
    boardArguments(machine, accel, threads),
    ['-name', `guest=${escapeOption(machine.name)}`],
    ['-no-reboot', '-display', 'none'],
    serial(machine.model, files),
    ['-chardev', `socket,id=qmp,path=${escapeOption(files.qmpSocket)},server=on,wait=off`],
    ['-mon', 'chardev=qmp,mode=control'],
    networkArguments(files.cards, bootCard(files)),
    diskArguments(files.disks),
    debugLine(machine.model, files),
    ['-object', 'rng-random,id=rng0,filename=/dev/urandom'],
    ['-device', 'virtio-rng-pci,rng=rng0'],
    boardOf(machine.model).extras,
    ['-action', 'panic=none'],
    bootFrom(files),
  ].flat();
}

/** The program and what makes the bare machine: what its firmware tables or device tree depend on. */
export function boardArguments(
  { model, settings }: Machine,
  accel: Accel,
  threads: EmulationThreads = 'single',
): string[] {
  const board = boardOf(model);
  const one = threads === 'single' ? 'thread=single,' : '';
  const accelerator = accel === 'kvm' ? 'kvm' : `tcg,${one}tb-size=${TRANSLATION_MB}`;
  return [
    [board.program, '-nodefaults', '-no-user-config'],
    ['-machine', board.machine],
    ['-accel', accelerator, '-cpu', board.processor(accel)],
    ['-m', String(megabytes(settings.ram))],
    ['-smp', String(settings['cpu.cores'])],
  ].flat();
}

function serial(model: string, files: MachineFiles): string[] {
  const log = `logfile=${escapeOption(files.consoleLog)},logappend=on`;
  const socket = `path=${escapeOption(files.consoleSocket)},server=on,wait=off`;
  const control = `socket,id=control,path=${escapeOption(files.controlSocket)},server=on,wait=off`;
  return [
    ['-chardev', `socket,id=${SERIAL_ID},${socket},${log}`, '-serial', `chardev:${SERIAL_ID}`],
    boardOf(model).serialLines > 1 ? ['-chardev', control, '-serial', 'chardev:control'] : [],
  ].flat();
}

function debugLine(model: string, { debugSocket }: MachineFiles): string[] {
  if (boardOf(model).serialLines < 3) return [];
  const device = `isa-serial,chardev=${DEBUG_LINE},index=2,irq=${DEBUG_IRQ}`;
  const socket = `socket,id=${DEBUG_LINE},path=${escapeOption(debugSocket)},server=on,wait=off`;
  return ['-chardev', socket, '-device', device];
}

/** What the node's card has to do with booting: other firmware than its ROM brings its own driver, and starts sooner without. */
function bootCard({ kernel, bios, uefi }: MachineFiles): BootCard {
  if (uefi) return 'first';
  return (kernel ?? bios) === undefined ? 'rom' : 'no';
}

/** Where QEMU's machine `virt` has its second flash chip. */
const FLASH_ADDRESS = 0x4000000;

function bootFrom(files: MachineFiles): string[] {
  if (files.bios !== undefined) {
    const flash = `loader,file=${escapeOption(files.flash ?? '')},addr=${FLASH_ADDRESS},force-raw=on`;
    return ['-bios', files.bios, ...(files.flash === undefined ? [] : ['-device', flash])];
  }
  if (files.uefi) {
    const chip = `if=pflash,format=raw,readonly=`;
    const code = `${chip}on,unit=0,file=${escapeOption(files.uefi.code)}`;
    const variables = `${chip}off,unit=1,file=${escapeOption(files.uefi.variables)}`;
    return ['-drive', code, '-drive', variables];
  }
  if (files.kernel === undefined) return ['-boot', 'order=n,strict=on'];
  const initrd = files.initrd === undefined ? [] : ['-initrd', files.initrd];
  return ['-kernel', files.kernel, ...initrd];
}
