const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
/** More than any program needs; a file that lies costs no more. */
const MAX_LIBRARIES = 256;
/** bytes; Linux's PATH_MAX */
const MAX_NAME = 4096;

/** What a program needs to start: its loader and its shared libraries (names as in the file). Both empty when static. */
export interface ElfNeeds {
  interpreter?: string;
  libraries: string[];
}

interface Segment {
  type: number;
  offset: number;
  address: bigint;
  size: number;
}

/**
 * Reads the dynamic section of a 64-bit little-endian ELF file (System V ABI, "Dynamic Section"). Returns undefined for
 * anything else, or for a file whose offsets lie outside of it.
 */
export function elfNeeds(file: Buffer): ElfNeeds | undefined {
  if (file.length < 64 || file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  try {
    return readNeeds(file, segments(file));
  } catch (error) {
    // A lying header: Buffer refuses to read outside of the file.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function segments(file: Buffer): Segment[] {
  const start = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: file.readBigUInt64LE(at + 16),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
}

function readNeeds(file: Buffer, all: Segment[]): ElfNeeds {
  const interpreter = all.find(({ type }) => type === PT_INTERP);
  const dynamic = all.find(({ type }) => type === PT_DYNAMIC);
  const names: number[] = [];
  let stringsAddress = 0n;
  const start = dynamic?.offset ?? 0;
  const end = start + (dynamic?.size ?? 0);
  for (let at = start; at + 16 <= end; at += 16) {
    const tag = file.readBigInt64LE(at);
    const value = file.readBigUInt64LE(at + 8);
    if (tag === DT_NEEDED && names.length < MAX_LIBRARIES) names.push(Number(value));
    if (tag === DT_STRTAB) stringsAddress = value;
  }
  const strings = fileOffset(all, stringsAddress);
  return {
    ...(interpreter ? { interpreter: text(file, interpreter.offset) } : {}),
    libraries: names.map((name) => text(file, strings + name)),
  };
}

/** Where in the file an address of the loaded program comes from. */
function fileOffset(all: Segment[], address: bigint): number {
  const holder = all.find(
    (one) => one.type === PT_LOAD && address >= one.address && address < one.address + BigInt(one.size),
  );
  return holder ? holder.offset + Number(address - holder.address) : 0;
}

function text(file: Buffer, at: number): string {
  const name = file.subarray(at, at + MAX_NAME);
  return name.toString('latin1', 0, Math.max(0, name.indexOf(0)));
}
