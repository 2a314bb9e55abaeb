import { readFileSync } from 'node:fs';
import { findIpxe } from '../lab/firmware-files.ts';

interface Section {
  address: number;
  size: number;
  offset: number;
}
const ENTRY = 16;
/** A command that every iPXE has. */
const SURE = '\0imgfree\0';

let known: ReadonlySet<string> | undefined;

/**
 * The commands of the iPXE that nodes are served, or undefined when it is not installed. They are read from snponly.efi,
 * the one of its builds that is not compressed; the others are made from the same sources and settings.
 */
export function servedCommands(): ReadonlySet<string> | undefined {
  const file = known ? undefined : findIpxe('snponly.efi');
  if (file !== undefined) known = ipxeCommands(readFileSync(file));
  return known;
}

/**
 * The command table in an iPXE for 64-bit UEFI: `struct command` is a pointer to the name and one to the function (iPXE's
 * include/ipxe/command.h), and the linker puts all of them beside each other. Undefined when there is none.
 */
export function ipxeCommands(file: Buffer): ReadonlySet<string> | undefined {
  const sections = peSections(file);
  const nameAt = (entry: number): string | undefined => {
    if (entry < 0 || entry + ENTRY > file.length) return undefined;
    const pointer = file.readUInt32LE(entry);
    if (file.readUInt32LE(entry + 4) !== 0) return undefined;
    const holder = sections.find(({ address, size }) => pointer >= address && pointer < address + size);
    if (!holder) return undefined;
    const start = holder.offset + pointer - holder.address;
    return /^([a-z?][\w-]{0,30})\0/.exec(file.toString('latin1', start, start + 32))?.[1];
  };
  const sure = file.indexOf(SURE, 0, 'latin1') + 1;
  const home = sections.find(({ offset, size }) => sure > offset && sure < offset + size);
  if (sure === 0 || !home) return undefined;
  const pointer = Buffer.alloc(8);
  pointer.writeUInt32LE(home.address + sure - home.offset);
  let entry = file.indexOf(pointer);
  if (entry < 0) return undefined;
  while (nameAt(entry - ENTRY) !== undefined) entry -= ENTRY;
  const names = new Set<string>();
  for (let name = nameAt(entry); name !== undefined; name = nameAt((entry += ENTRY))) names.add(name);
  return names;
}

/** Sections of a PE32+ file whose image base is 0, as iPXE's are (Microsoft's PE format). */
function peSections(file: Buffer): Section[] {
  const pe = file.length > 64 ? file.readUInt32LE(0x3c) : 0;
  if (pe === 0 || pe + 24 > file.length || file.toString('latin1', pe, pe + 4) !== 'PE\0\0') return [];
  const first = pe + 24 + file.readUInt16LE(pe + 20);
  const count = file.readUInt16LE(pe + 6);
  if (first + count * 40 > file.length) return [];
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * 40;
    return {
      address: file.readUInt32LE(at + 12),
      size: file.readUInt32LE(at + 16),
      offset: file.readUInt32LE(at + 20),
    };
  });
}
