import { BootyardError } from '../errors.ts';

/** What the setting boot.mode says. */
export interface BootMode {
  /** auto: the marks on the node's disks decide */
  mode: 'auto' | 'network-volatile' | 'hybrid-volatile' | 'hybrid-persistent';
  /** a partition such as sda1 that may be used though it has no mark of hybrid boot: the user's consent */
  partition?: string;
}

const MODES = ['auto', 'network-volatile', 'hybrid-volatile', 'hybrid-persistent'] as const;

/** Reads `hybrid-volatile[partition=sda1]` and its like. Throws `node.setting` with a sentence. */
export function parseBootMode(text: string): BootMode {
  const [, name, , partition] =
    /^([a-z-]+)(\[partition=([a-z]{1,12}\d{1,3}(?:p\d{1,3})?)\])?$/.exec(text) ?? [];
  if (name === 'network-persistent') {
    throw wrong(
      'boot.mode=network-persistent is not offered: use hybrid-persistent with a disk, or keep files in /persist.',
    );
  }
  const mode = MODES.find((known) => known === name);
  if (mode === undefined || (partition !== undefined && !mode.startsWith('hybrid-'))) {
    throw wrong(
      `Failed: boot.mode value should be ${MODES.join(', ')}, the last two maybe with the partition to use, ` +
        `such as hybrid-volatile[partition=sda1], not '${text}'.`,
    );
  }
  return { mode, partition };
}

function wrong(sentence: string): BootyardError {
  return new BootyardError('node.setting', sentence, { setting: 'boot.mode' });
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
