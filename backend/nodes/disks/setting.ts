/** What a disk holds when it is made; WalT's names. */
export const DISK_TEMPLATES = ['none', 'ext4', 'fat32', 'swap', 'hybrid-boot-v', 'hybrid-boot-p'] as const;
export type DiskTemplate = (typeof DISK_TEMPLATES)[number];

export interface DiskSpec {
  /** a whole number of G (10^9) */
  bytes: number;
  template: DiskTemplate;
}

const LIST = /^\d+[GT](\[[^\]]*\])?(,\d+[GT](\[[^\]]*\])?)*$/;
const DISK = /(\d+)([GT])(?:\[([^\]]*)\])?/g;
/** virtio-scsi and the names sda to sdz have room for more, but no user means more than this. */
export const MAX_DISKS = 16;
const MAX_BYTES = 100e12;
/** FAT counts sectors in 32 bits. */
const MAX_FAT32_BYTES = 2e12;
const HELP = "See 'bootyard node config --help'.";

/**
 * WalT's grammar of `disks=`: `none`, or sizes in decimal units with an optional template, `32G,1T[template=ext4]`.
 * Throws an `Error` whose message is a sentence for the user.
 */
export function parseDisks(text: string): DiskSpec[] {
  if (text === 'none') return [];
  if (!LIST.test(text)) throw new Error(`Could not parse disks value '${text}'. ${HELP}`);
  const disks = [...text.matchAll(DISK)].map(([, size = '', unit, options]) => ({
    bytes: diskBytes(Number(size) * (unit === 'T' ? 1e12 : 1e9), text),
    template: diskTemplate(options),
  }));
  const large = disks.find(({ bytes, template }) => template === 'fat32' && bytes > MAX_FAT32_BYTES);
  if (large) throw new Error(`A fat32 disk has at most 2T, not ${sizeText(large.bytes)}: use ext4. ${HELP}`);
  if (disks.length > MAX_DISKS)
    throw new Error(`A node has at most ${MAX_DISKS} disks, not ${disks.length}.`);
  return disks;
}

/** `32G`, `1T`: bytes as the setting writes them. */
export function sizeText(bytes: number): string {
  return bytes % 1e12 === 0 ? `${bytes / 1e12}T` : `${bytes / 1e9}G`;
}

function diskBytes(bytes: number, text: string): number {
  if (bytes >= 1e9 && bytes <= MAX_BYTES) return bytes;
  throw new Error(`Could not parse disks value '${text}': a disk has from 1G to 100T. ${HELP}`);
}

function diskTemplate(options: string | undefined): DiskTemplate {
  let template: DiskTemplate = 'none';
  for (const option of options?.split(',') ?? []) {
    const value = /^template=(.*)$/.exec(option)?.[1];
    if (value === undefined) throw new Error(`'${option}' is not a valid disk option. ${HELP}`);
    const known = DISK_TEMPLATES.find((name) => name === value);
    if (known === undefined)
      throw new Error(`Disk template must be one of: ${DISK_TEMPLATES.join(', ')}. ${HELP}`);
    template = known;
  }
  return template;
}
