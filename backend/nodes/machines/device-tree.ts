import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../lab/tool.ts';
import { escapeOption } from '../qemu-option.ts';
import { boardArguments, type Machine } from '../qemu.ts';
import { boardOf, type Accel } from './board.ts';

/**
 * The device tree of a node's machine as QEMU makes it, which depends on its settings and on whether firmware runs (there
 * is a chip less then); undefined for machines without. Nodes fetch it as `dtb` by TFTP. Throws a sentence with QEMU's
 * last line when QEMU refuses the machine.
 */
export async function deviceTree(
  machine: Machine,
  accel: Accel,
  files: { bios?: string; folder: string },
): Promise<Buffer | undefined> {
  const board = boardOf(machine.model);
  if (!board.hasDeviceTree) return undefined;
  const file = join(files.folder, 'dtb');
  const words = boardArguments(machine, accel).map((word) =>
    word === board.machine ? `${word},dumpdtb=${escapeOption(file)}` : word,
  );
  const bios = files.bios === undefined ? [] : ['-bios', files.bios];
  try {
    await runTool([...words, '-display', 'none', ...bios]);
    return withoutRoom(await readFile(file));
  } finally {
    await rm(file, { force: true });
  }
}

/**
 * QEMU leaves room for changes, a megabyte in all. The blocks are in the order of the Devicetree Specification (§5.1):
 * memory reservations, structure, strings; `totalsize` is at 4, `off_dt_strings` at 12, `size_dt_strings` at 32.
 */
function withoutRoom(tree: Buffer): Buffer {
  const end = tree.readUInt32BE(12) + tree.readUInt32BE(32);
  const trimmed = Buffer.from(tree.subarray(0, end));
  trimmed.writeUInt32BE(end, 4);
  return trimmed;
}
