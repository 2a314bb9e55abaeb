import type { Machine } from '../machine.ts';

/** Exceptions of the processor by number, and the kernel's entries for them: since 5.8, and before. */
const HANDLERS: [number, string[]][] = [
  [0, ['asm_exc_divide_error', 'divide_error']],
  [6, ['asm_exc_invalid_op', 'invalid_op']],
  [13, ['asm_exc_general_protection', 'general_protection']],
];
/** Linux moves its x86 kernel by multiples of this (CONFIG_PHYSICAL_ALIGN's least value). */
const STEP = 0x200000n;

/**
 * By how much the kernel that runs is away from where it was linked to (KASLR): the processor's interrupt table says
 * where its handlers are now, without help of the guest (Intel SDM volume 3, 64-bit IDT gate descriptors). Undefined as
 * long as no kernel with these symbols has set up its table.
 */
export async function kernelOffset(
  machine: Pick<Machine, 'query'>,
  addressOf: (name: string) => bigint | undefined,
): Promise<bigint | undefined> {
  const table = /^IDT= +([0-9a-f]{16}) /m.exec(await monitor(machine, 'info registers'))?.[1];
  if (table === undefined) return undefined;
  const offsets = new Set<bigint | undefined>();
  for (const [number, names] of HANDLERS) {
    const linked = names.map(addressOf).find((address) => address !== undefined);
    const gate = await readGate(machine, BigInt(`0x${table}`) + 16n * BigInt(number));
    offsets.add(linked === undefined || gate === undefined ? undefined : gate - linked);
  }
  const [offset] = offsets;
  return offsets.size === 1 && offset !== undefined && offset >= 0n && offset % STEP === 0n
    ? offset
    : undefined;
}

async function readGate(machine: Pick<Machine, 'query'>, address: bigint): Promise<bigint | undefined> {
  const said = await monitor(machine, `x /2gx 0x${address.toString(16)}`);
  const [, low, high] = /: 0x([0-9a-f]{16}) 0x([0-9a-f]{16})/.exec(said) ?? [];
  if (low === undefined || high === undefined) return undefined;
  const [first, second] = [BigInt(`0x${low}`), BigInt(`0x${high}`)];
  return ((second & 0xffffffffn) << 32n) | ((first >> 48n) << 16n) | (first & 0xffffn);
}

/** What QEMU's monitor for people answers; it has what the one for programs lacks. */
export async function monitor(machine: Pick<Machine, 'query'>, command: string): Promise<string> {
  return String(await machine.query('human-monitor-command', { 'command-line': command }));
}
