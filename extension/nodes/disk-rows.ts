import type { DiskInfo } from '../../backend/api/node.ts';
import { bytes } from '../images/image-row.ts';

/** A disk of a node in a list, in plain values. */
export interface DiskRow {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  /** the node's setting does not ask for it */
  readonly removable: boolean;
}

const states: Record<DiskInfo['state'], string> = {
  attached: 'in use',
  orphan: 'left behind: the setting does not ask for it',
  replaced: 'set aside: kept until the node has booted with the one that replaces it',
};
const shown = new Set<string>(['name', 'state', 'template', 'bytes', 'usedBytes', 'holdsData']);

export function diskRow(disk: DiskInfo): DiskRow {
  const use = `takes ${bytes(disk.usedBytes)} here`;
  const data = disk.holdsData ? 'holds data' : 'empty';
  return {
    label: disk.name,
    description: [bytes(disk.bytes), disk.template ?? 'unknown template', states[disk.state]].join(' · '),
    detail: [use, data, ...furtherFacts(disk)].join(' · '),
    removable: disk.state !== 'attached',
  };
}

/** What a daemon says beyond that, as far as it fits into a line. */
function furtherFacts(disk: DiskInfo): string[] {
  return Object.entries(disk).flatMap(([name, value]: [string, unknown]) => {
    if (shown.has(name) || value === null || value === undefined) return [];
    if (Array.isArray(value)) return value.length > 0 ? [`${value.length} ${words(name)}`] : [];
    return typeof value === 'object' ? [] : [`${words(name)} ${String(value)}`];
  });
}

/** `lastBoot` as `last boot`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
