import type { KernelSymbol } from './kallsyms.ts';

const HEADER = 64;
const SECTION = 64;
const SYMBOL = 24;
const SECTION_NAMES = '.text\0.symtab\0.strtab\0';

/**
 * An ELF file (System V ABI, x86-64) that holds nothing but the symbols of a kernel, for a debugger: one section without
 * content spans all of their addresses. A symbol is as large as it is far to the next one.
 */
export function symbolFile(symbols: readonly KernelSymbol[]): Buffer {
  const sorted = symbols.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const first = sorted[0]?.address ?? 0n;
  const end = (sorted.at(-1)?.address ?? 0n) + 1n;
  const table = Buffer.alloc((sorted.length + 1) * SYMBOL);
  const names: string[] = ['\0'];
  let nameAt = 1;
  for (const [index, { name, type, address }] of sorted.entries()) {
    const at = (index + 1) * SYMBOL;
    const next = sorted[index + 1]?.address ?? end;
    table.writeUInt32LE(nameAt, at);
    // STB_GLOBAL for all: a debugger's user does not care what the compiler kept local. STT_FUNC or STT_OBJECT.
    table[at + 4] = 0x10 | (/[tTwW]/.test(type) ? 2 : 1);
    table.writeUInt16LE(1, at + 6);
    table.writeBigUInt64LE(address, at + 8);
    table.writeBigUInt64LE(next - address, at + 16);
    names.push(`${name}\0`);
    nameAt += name.length + 1;
  }
  // The names of the sections are behind those of the symbols.
  const strings = Buffer.from([...names, SECTION_NAMES].join(''), 'latin1');
  const tableAt = HEADER + 4 * SECTION;
  const stringsAt = tableAt + table.length;
  const sections = [
    section({}),
    // SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR
    section({ name: nameAt, type: 8, flags: 6n, address: first, at: tableAt, size: end - first, align: 16n }),
    // SHT_SYMTAB; its names are in section 3, and no symbol but the first is local
    section({
      name: nameAt + 6,
      type: 2,
      at: tableAt,
      size: BigInt(table.length),
      link: 3,
      info: 1,
      entry: SYMBOL,
      align: 8n,
    }),
    // SHT_STRTAB
    section({ name: nameAt + 14, type: 3, at: stringsAt, size: BigInt(strings.length), align: 1n }),
  ];
  return Buffer.concat([header(), ...sections, table, strings]);
}

function header(): Buffer {
  const bytes = Buffer.alloc(HEADER);
  // 64 bits, little-endian, version 1
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  // ET_EXEC, EM_X86_64
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(HEADER), 40);
  bytes.writeUInt16LE(HEADER, 52);
  bytes.writeUInt16LE(SECTION, 58);
  bytes.writeUInt16LE(4, 60);
  bytes.writeUInt16LE(3, 62);
  return bytes;
}

interface Section {
  name?: number;
  type?: number;
  flags?: bigint;
  address?: bigint;
  at?: number;
  size?: bigint;
  link?: number;
  info?: number;
  align?: bigint;
  entry?: number;
}
function section(fields: Section): Buffer {
  const bytes = Buffer.alloc(SECTION);
  bytes.writeUInt32LE(fields.name ?? 0, 0);
  bytes.writeUInt32LE(fields.type ?? 0, 4);
  bytes.writeBigUInt64LE(fields.flags ?? 0n, 8);
  bytes.writeBigUInt64LE(fields.address ?? 0n, 16);
  bytes.writeBigUInt64LE(BigInt(fields.at ?? 0), 24);
  bytes.writeBigUInt64LE(fields.size ?? 0n, 32);
  bytes.writeUInt32LE(fields.link ?? 0, 40);
  bytes.writeUInt32LE(fields.info ?? 0, 44);
  bytes.writeBigUInt64LE(fields.align ?? 0n, 48);
  bytes.writeBigUInt64LE(BigInt(fields.entry ?? 0), 56);
  return bytes;
}
