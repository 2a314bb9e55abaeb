import type { ImageFile } from '../../backend/api/image-files.ts';

const LETTERS: Record<ImageFile['type'], string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
};

/** Type and mode as `ls -l` writes them. */
export function modeText(type: ImageFile['type'], mode: number): string {
  const bits = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((mode >> bit) & 1 ? ('xwr'[bit % 3] ?? '') : '-'));
  const special = (at: number, bit: number, letter: string): void => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  };
  special(2, 0o4000, 's');
  special(5, 0o2000, 's');
  special(8, 0o1000, 't');
  return LETTERS[type] + bits.join('');
}

/** What a file is, in one line: `-rwsr-xr-x 0:0`, device numbers, where a link leads, what else it has. */
export function fileText(file: ImageFile): string {
  const { device, target, leadsTo, links, type, xattrs } = file;
  const parts = [`${modeText(type, file.mode)} ${file.uid}:${file.gid}`];
  if (device) parts.push(`device ${device.major}:${device.minor}`);
  if (target !== null) parts.push(`→ ${target}${leadsTo === null ? ' (leads nowhere)' : ''}`);
  if (links > 1 && type !== 'directory') parts.push(`${links} names`);
  if (xattrs.length > 0) parts.push(xattrs.join(', '));
  if (file.layer !== null) parts.push(`layer ${file.layer}`);
  return parts.join(' · ');
}
