import { BootyardError } from '../errors.ts';

const MODES = [
  'auto',
  'network-volatile',
  'network-persistent',
  'hybrid-volatile',
  'hybrid-persistent',
] as const;

/** What the setting boot.mode says. */
export interface BootMode {
  /** auto: the marks on the node's disks decide */
  mode: (typeof MODES)[number];
  /** a partition such as sda1 that may be used though it has no mark of hybrid boot: the user's consent */
  partition?: string;
}

/** Reads `hybrid-volatile[partition=sda1]` and its like. Throws `node.setting` with a sentence. */
export function parseBootMode(text: string): BootMode {
  const [, name, , partition] =
    /^([a-z-]+)(\[partition=([a-z]{1,12}\d{1,3}(?:p\d{1,3})?)\])?$/.exec(text) ?? [];
  const mode = MODES.find((known) => known === name);
  if (mode === undefined || (partition !== undefined && !mode.startsWith('hybrid-'))) {
    throw new BootyardError(
      'node.setting',
      `Failed: boot.mode value should be ${MODES.join(', ')}, the last two maybe with the partition to use, ` +
        `such as hybrid-volatile[partition=sda1], not '${text}'.`,
      { setting: 'boot.mode' },
    );
  }
  return { mode, partition };
}

/** What a node is told when it asks for its configuration (WalT: REQ_FETCH_NODE_CONFIG): shell text. */
export function nodeConfigText(
  { mode, partition = '' }: BootMode,
  copiesToRemove: readonly string[],
): string {
  const values = {
    walt_boot_mode: mode,
    walt_hybrid_partition: partition,
    walt_hybrid_remove: copiesToRemove.join(' '),
  };
  return Object.entries(values)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join('');
}
