import type { DiskInfo, ImageCopyInfo } from '../../../backend/api/node.ts';
import { bytes } from '../../images/image-row.ts';
import { ago } from '../node-row.ts';

/** A disk of a node, or an image's copy on one, in a list, in plain values. */
export interface DiskRow {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  /** nothing needs it */
  readonly removable: boolean;
}

const states: Record<DiskInfo['state'], string> = {
  attached: 'in use',
  orphan: 'left behind: the setting does not ask for it',
  replaced: 'set aside: kept until the node has booted with the one that replaces it',
};

export function diskRow(disk: DiskInfo): DiskRow {
  return {
    label: disk.name,
    description: [bytes(disk.bytes), disk.template ?? 'unknown template', states[disk.state]].join(' · '),
    detail: `takes ${bytes(disk.usedBytes)} here · ${disk.holdsData ? 'holds data' : 'empty'}`,
    removable: disk.state !== 'attached',
  };
}

/** `now` in ms since 1970. */
export function copyRow(copy: ImageCopyInfo, now: number): DiskRow {
  const boot = copy.lastBoot === null ? 'not booted yet' : `booted ${ago(now - Date.parse(copy.lastBoot))}`;
  const kept = keepsChanges(copy);
  const state = copy.removed ? 'removed at the next boot' : kept ? 'kept' : copy.state;
  return {
    label: copyName(copy),
    description: [shortId(copy.id), kept ? 'network-persistent' : copy.partition, state, boot].join(' · '),
    detail: [...(kept ? [] : [`image ${bytes(copy.imageBytes)}`]), ...writtenParts(copy)].join(' · '),
    removable: !copy.removed,
  };
}

/** The image's name, or its id when no image has that any more. */
export function copyName({ image, id }: ImageCopyInfo): string {
  return image ?? shortId(id);
}

/** What is lost with a copy, one sentence. */
export function copyLoss(copy: ImageCopyInfo): string {
  const condition = keepsChanges(copy) ? ' with boot.mode=network-persistent' : '';
  const sure = `The node itself removes it when it boots next${condition}.`;
  if (!copy.isPersistent) return `It holds no data that outlives a boot. ${sure}`;
  return `What was written there is deleted for good (as of its last boot: ${writtenParts(copy).join(', ')}). ${sure}`;
}

/** What network-persistent boots wrote over an image, which itself is not there. */
export function keepsChanges({ partition }: ImageCopyInfo): boolean {
  return partition === 'network';
}

function writtenParts(copy: ImageCopyInfo): string[] {
  const { isPersistent, diffBytes, localBytes } = copy;
  const written = isPersistent ? 'written and kept' : 'written, until its next boot';
  if (keepsChanges(copy)) return [`${bytes(diffBytes)} ${written}`];
  return [`${bytes(diffBytes)} ${written}`, `${bytes(localBytes)} in /local`];
}

function shortId(id: string): string {
  return id.slice(0, 12);
}
