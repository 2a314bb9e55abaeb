import { describe, expect, test } from 'vitest';
import { type KernelSymbol, readKallsyms } from '../../backend/boot/debug/kallsyms.ts';
import { symbolFile } from '../../backend/boot/debug/symbol-file.ts';

const BASE = 0xffffffff81000000n;
const symbols: KernelSymbol[] = Array.from({ length: 700 }, (_, index) => ({
  name: index === 300 ? `long_${'x'.repeat(200)}` : `function_${index}`,
  type: index % 3 === 0 ? 'T' : 'd',
  address: BASE + BigInt(index * 48),
}));

const words = (values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeInt32LE(value, index * 4));
  return bytes;
};
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)]);

/** What scripts/kallsyms.c writes: each character of a name is a token here, and `function` is one more. */
function kernel(layout: '6.1' | '6.4', junk = 8192): Buffer {
  const tokens = Array.from({ length: 256 }, (_, byte) =>
    byte === 0xf0 ? 'function' : byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '',
  );
  const table = Buffer.from(tokens.map((token) => `${token}\0`).join(''), 'latin1');
  let at = 0;
  const index = Buffer.alloc(512);
  tokens.forEach((token, number) => {
    index.writeUInt16LE(at, number * 2);
    at += token.length + 1;
  });
  // Two that are each processor's own stand in front.
  const all = [{ name: 'per_cpu', type: 'A' }, { name: 'per_cpu_2', type: 'A' }, ...symbols];
  const markers: number[] = [];
  const packed: Buffer[] = [];
  let position = 0;
  all.forEach(({ name, type }, number) => {
    if (number % 256 === 0) markers.push(position);
    const text = Buffer.from(`${type}${name}`.replace('function', '\xf0'), 'latin1');
    const length = text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7];
    const entry = Buffer.concat([Buffer.from(length), text]);
    packed.push(entry);
    position += entry.length;
  });
  const base = Buffer.alloc(8);
  base.writeBigUInt64LE(BASE);
  const offsets = padded(words([0, 64, ...symbols.map(({ address }) => -1 - Number(address - BASE))]));
  const names = [padded(words([all.length])), padded(Buffer.concat(packed)), padded(words(markers))];
  const dictionary = [padded(table), padded(index)];
  const parts =
    layout === '6.1' ? [offsets, base, ...names, ...dictionary] : [...names, ...dictionary, offsets, base];
  return Buffer.concat([Buffer.alloc(junk, 0x5a), ...parts, Buffer.alloc(junk, 0xa5)]);
}

describe('the symbols that a kernel carries', () => {
  test.each(['6.1', '6.4'] as const)('are found as kernels from before and since %s have them', (layout) => {
    expect(readKallsyms(kernel(layout))).toEqual(symbols);
  });

  test('a kernel without is refused, whatever else is in it', () => {
    const sentence = /no table of its symbols \(CONFIG_KALLSYMS\)/;
    expect(() => readKallsyms(Buffer.alloc(1 << 20))).toThrow(sentence);
    expect(() => readKallsyms(Buffer.from('0123456789'.split('').join('\0')))).toThrow(sentence);
    const whole = kernel('6.1');
    for (const end of [whole.length - 8192 - 8, 9000, 12_000, 15_000])
      expect(() => readKallsyms(whole.subarray(0, end))).toThrow(sentence);
    const marker = whole.indexOf('per_cpu_2');
    whole.writeUInt8(0x7f, marker - 2);
    expect(() => readKallsyms(whole)).toThrow(sentence);
  });

  test('become an ELF file with one section that spans them', () => {
    const file = symbolFile(symbols);
    expect(file.toString('latin1', 0, 4)).toBe('\x7fELF');
    expect(file.readBigUInt64LE(64 + 64 + 16)).toBe(BASE);
    expect(file.readBigUInt64LE(64 + 64 + 32)).toBe(BigInt(699 * 48 + 1));
    expect(file.readBigUInt64LE(64 + 128 + 32)).toBe(701n * 24n);
  });
});
