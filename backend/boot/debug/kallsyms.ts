import { BootyardError } from '../../errors.ts';

/** One symbol of a kernel, at the address it is linked to. */
export interface KernelSymbol {
  name: string;
  /** as nm(1) has it: t and T for code */
  type: string;
  address: bigint;
}

const TOKENS = 256;
/** the tokens of the digits stand for themselves, in every kernel */
const DIGITS = Buffer.from(
  '0123456789'
    .split('')
    .map((digit) => `${digit}\0`)
    .join(''),
);
/** bytes of a token at most; in Debian's kernels 20 are the longest */
const MAX_TOKEN = 128;
const NAMES_PER_MARKER = 256;
/** a million names; Debian's kernels have a tenth of that */
const MAX_MARKERS = 4096;
/** bytes of a name in its packed form at most */
const MAX_NAME = 512;

/**
 * The symbol table that a kernel carries for its own messages (CONFIG_KALLSYMS), out of an unpacked 64-bit little-endian
 * one, which does not say where it is: scripts/kallsyms.c writes its parts one behind the other, each aligned to 8 bytes.
 * Up to 6.3: offsets, relative base, count, names, markers, (from 6.2) sequence, token table, token index. From 6.4: count,
 * names, markers, token table, token index, offsets, relative base. Throws `debug.kernel` when there is none.
 */
export function readKallsyms(kernel: Buffer): KernelSymbol[] {
  const tokens = findTokens(kernel);
  const names = tokens && findNames(kernel, tokens.start);
  const addresses = names && findAddresses(kernel, tokens.end, names);
  if (!tokens || !names || !addresses)
    throw new BootyardError(
      'debug.kernel',
      'The kernel of this image cannot be debugged: it has no table of its symbols (CONFIG_KALLSYMS).',
    );
  const addressOf = addressing(kernel, addresses, names.count);
  const symbols: KernelSymbol[] = [];
  let at = names.start;
  for (let index = 0; index < names.count; index++) {
    const entry = packedName(kernel, at);
    let text = '';
    for (let byte = entry.start; byte < entry.end; byte++) text += tokens.texts[kernel[byte] ?? 0] ?? '';
    at = entry.end;
    const address = addressOf(index);
    if (address !== undefined) symbols.push({ name: text.slice(1), type: text[0] ?? '', address });
  }
  return symbols;
}

/**
 * The address of a symbol, by its number. With CONFIG_KALLSYMS_ABSOLUTE_PERCPU offsets of code and data are negative, and
 * those that are not are no addresses: places in each processor's own data.
 */
function addressing(
  kernel: Buffer,
  { offsets, base }: Addresses,
  count: number,
): (index: number) => bigint | undefined {
  // They are sorted, so the last symbol is code or data.
  const isNegative = kernel.readInt32LE(offsets + 4 * (count - 1)) < 0;
  return (index) => {
    const offset = kernel.readInt32LE(offsets + 4 * index);
    if (!isNegative) return base + BigInt(offset >>> 0);
    return offset < 0 ? base - 1n - BigInt(offset) : undefined;
  };
}

interface Tokens {
  start: number;
  /** behind the token index */
  end: number;
  texts: string[];
}

function findTokens(kernel: Buffer): Tokens | undefined {
  for (let at = kernel.indexOf(DIGITS); at >= 0; at = kernel.indexOf(DIGITS, at + 1)) {
    const second = backOverTokens(kernel, at, 0x2f);
    // What is in front of the first token may end with any byte.
    for (let start = second - (second % 8); start > second - MAX_TOKEN && start >= 0; start -= 8) {
      const tokens = tokensAt(kernel, start);
      if (tokens) return tokens;
    }
  }
  return undefined;
}

/** Where the token begins that is `count` ones before that at `at`. */
function backOverTokens(kernel: Buffer, at: number, count: number): number {
  let start = at;
  for (let left = count; left > 0 && start > 1; left--) start = kernel.lastIndexOf(0, start - 2) + 1;
  return start;
}

/** With the index behind it, which proves that this is the table: the position of each token in it. */
function tokensAt(kernel: Buffer, start: number): Tokens | undefined {
  const texts: string[] = [];
  const positions: number[] = [];
  let at = start;
  while (texts.length < TOKENS) {
    const end = kernel.indexOf(0, at);
    if (end < 0 || end - at > MAX_TOKEN) return undefined;
    texts.push(kernel.toString('latin1', at, end));
    positions.push(at - start);
    at = end + 1;
  }
  const index = aligned(at);
  const end = index + 2 * TOKENS;
  if (end > kernel.length) return undefined;
  const fits = positions.every((position, token) => kernel.readUInt16LE(index + 2 * token) === position);
  return fits ? { start, end, texts } : undefined;
}

interface Names {
  /** of the count, which the names follow */
  countAt: number;
  start: number;
  count: number;
}

/** In front of the token table: a marker for each 256 names says where it begins; 6.2 and 6.3 have 3 bytes a name between. */
function findNames(kernel: Buffer, tokenTable: number): Names | undefined {
  // The markers are a run of growing numbers that begins with zero.
  for (let end = tokenTable; end > tokenTable - (2 << 20) && end > 16; end -= 4) {
    const last = kernel.readUInt32LE(end - 4);
    if (last < NAMES_PER_MARKER || last > 64 << 20 || last > end) continue;
    const start = runOfMarkers(kernel, end);
    const names = start === undefined ? undefined : namesBefore(kernel, start, end);
    if (names) return names;
  }
  return undefined;
}

function runOfMarkers(kernel: Buffer, end: number): number | undefined {
  let at = end - 4;
  for (let value = kernel.readUInt32LE(at); value !== 0; at -= 4) {
    if (at < 4 || end - at > MAX_MARKERS * 4) return undefined;
    const before = kernel.readUInt32LE(at - 4);
    if (before >= value || value - before > NAMES_PER_MARKER * MAX_NAME) return undefined;
    value = before;
  }
  return aligned(at) === at ? at : undefined;
}

function namesBefore(kernel: Buffer, markers: number, markersEnd: number): Names | undefined {
  const blocks = (markersEnd - markers) / 4;
  const lastMarker = kernel.readUInt32LE(markersEnd - 4);
  const nearest = markers - lastMarker - 8;
  for (let at = nearest - (nearest % 8); at >= nearest - NAMES_PER_MARKER * MAX_NAME && at >= 0; at -= 8) {
    const count = kernel.readUInt32LE(at);
    if (Math.ceil(count / NAMES_PER_MARKER) !== blocks) continue;
    if (areNames(kernel, at + 8, count, markers)) return { countAt: at, start: at + 8, count };
  }
  return undefined;
}

/** Whether that many names begin there, end where the markers begin, and are where these say. */
function areNames(kernel: Buffer, start: number, count: number, markers: number): boolean {
  let at = start;
  for (let index = 0; index < count; index++) {
    const isMarked = index % NAMES_PER_MARKER === 0;
    if (isMarked && kernel.readUInt32LE(markers + (index / NAMES_PER_MARKER) * 4) !== at - start)
      return false;
    at = packedName(kernel, at).end;
    if (at > markers) return false;
  }
  return aligned(at) === markers;
}

/** A length in one byte, or (big symbols, from 6.1) in two with the upper bit of the first set; then a token a byte. */
function packedName(kernel: Buffer, at: number): { start: number; end: number } {
  const first = kernel[at] ?? 0;
  const start = first < 0x80 ? at + 1 : at + 2;
  const length = first < 0x80 ? first : (first & 0x7f) | ((kernel[at + 1] ?? 0) << 7);
  return { start, end: start + length };
}

interface Addresses {
  offsets: number;
  base: bigint;
}

function findAddresses(kernel: Buffer, tokensEnd: number, { countAt, count }: Names): Addresses | undefined {
  const size = aligned(4 * count);
  const old = { offsets: countAt - 8 - size, baseAt: countAt - 8 };
  const recent = { offsets: aligned(tokensEnd), baseAt: aligned(tokensEnd) + size };
  for (const { offsets, baseAt } of [old, recent]) {
    if (offsets < 0 || baseAt + 8 > kernel.length) continue;
    const base = kernel.readBigUInt64LE(baseAt);
    // Where x86 links its kernel: the top 2 GiB (Documentation/arch/x86/x86_64/mm.rst).
    if (base >= 0xffffffff80000000n && base % 4096n === 0n) return { offsets, base };
  }
  return undefined;
}

function aligned(position: number): number {
  return Math.ceil(position / 8) * 8;
}
