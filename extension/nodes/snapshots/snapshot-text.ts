import type { SnapshotInfo } from '../../../backend/api/node.ts';
import { bytes } from '../../images/image-row.ts';
import { ago } from '../node-row.ts';

/** A snapshot in a list, in plain values; `now` in ms since 1970. */
export function snapshotRow(
  { name, createdAt, image, bytes: size, ram, disks }: SnapshotInfo,
  now: number,
): { label: string; description: string; detail: string } {
  const time = new Date(createdAt);
  return {
    label: name,
    description: [ago(now - time.getTime()), image, bytes(size)].join(' · '),
    detail: [`saved ${time.toLocaleString('sv')}`, `ram ${ram}`, `disks ${disks}`].join(' · '),
  };
}

/** What is wrong with a new snapshot's name, one sentence; undefined when nothing is. The daemon has the last word. */
export function snapshotNameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return undefined;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    return 'A snapshot name has up to 64 letters, digits and _ . -, and starts with a letter or digit.';
  }
  return taken.includes(name) ? `There is a snapshot "${name}" of this node already.` : undefined;
}
