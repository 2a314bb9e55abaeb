import { diskTitle } from './make.ts';
import type { DiskFile } from './files.ts';
import { labelFor } from './table.ts';
import { sizeText, type DiskSpec } from './setting.ts';

/**
 * What is to be done so that a node has the disk that its setting asks for.
 * - keep: the file that is there is the disk, an orphan too
 * - make: there is none, or one without data that nobody misses
 * - grow: the file becomes larger and keeps what it holds
 * - replace: a new disk; the old one is kept beside until a node has booted with the new one
 * - restore: the disk that was replaced is the wanted one, and comes back
 */
export interface PlannedDisk {
  disk: number;
  spec: DiskSpec;
  action: 'keep' | 'make' | 'grow' | 'replace' | 'restore';
  /** what the disk holds will not be in it any more */
  loses: boolean;
  /** for the user: what will be done, and what becomes of the data */
  sentence: string;
  /** the file that is there, or the one that comes back */
  file: DiskFile | undefined;
}

/**
 * Compares the files of a node, as `listDisks` gives them, with the disks that its setting asks for: one answer for each of
 * these, in order. Nothing is done; `applyDisks` does it.
 */
export function planDisks(current: readonly DiskFile[], wanted: readonly DiskSpec[]): PlannedDisk[] {
  return wanted.map((spec, disk) => {
    const files = current.filter(({ index }) => index === disk);
    const file = files.find(({ state }) => state !== 'replaced');
    const earlier = files.filter((file) => file.state === 'replaced' && isSame(file, spec)).at(-1);
    return { disk, spec, ...decide(diskTitle(disk, spec), spec, file, earlier) };
  });
}

function decide(
  title: string,
  spec: DiskSpec,
  file: DiskFile | undefined,
  earlier: DiskFile | undefined,
): Pick<PlannedDisk, 'action' | 'loses' | 'sentence' | 'file'> {
  const free = !file?.holdsData;
  if (spec.template === 'swap' && free) {
    return { action: 'make', loses: false, sentence: `${title} is made anew at each start.`, file };
  }
  if (file && isSame(file, spec) && (file.holdsData || !earlier)) {
    return { action: 'keep', loses: false, sentence: `${title} stays as it is.`, file };
  }
  if (earlier && free) {
    return {
      action: 'restore',
      loses: false,
      sentence: `${title} comes back with what it held.`,
      file: earlier,
    };
  }
  if (!file || free) return { action: 'make', loses: false, sentence: `${title} is made.`, file };
  if (file.growable && file.template === spec.template && spec.bytes > file.bytes) {
    const sentence = `${title} grows from ${sizeText(file.bytes)} and keeps what it holds${newTable(file, spec)}.`;
    return { action: 'grow', loses: false, sentence, file };
  }
  const sentence = `${title} replaces ${described(file)}, which holds data: that is kept until the node has booted once with the new disk, then removed.`;
  return { action: 'replace', loses: true, sentence, file };
}

function isSame(file: DiskFile, spec: DiskSpec): boolean {
  return file.template === spec.template && file.bytes === spec.bytes;
}

function newTable(file: DiskFile, spec: DiskSpec): string {
  const isChanged = spec.template !== 'none' && labelFor(file.bytes) !== labelFor(spec.bytes);
  return isChanged ? ', with a GPT in place of its MBR' : '';
}

function described(file: DiskFile): string {
  if (file.template === undefined) return `a disk of ${sizeText(file.bytes)} of unknown making`;
  return file.template === 'none'
    ? `one of ${sizeText(file.bytes)}`
    : `one of ${sizeText(file.bytes)} (${file.template})`;
}
