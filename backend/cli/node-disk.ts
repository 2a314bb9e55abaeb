import type { Command } from 'commander';
import { type Consent, withConsent } from './consent.ts';
import type { LabSession, Session } from './session.ts';
import type { DiskInfo, ImageCopyInfo } from '../api/node.ts';
import { formatSize, formatTable } from './table.ts';

const LOSE_DATA: Consent = {
  code: 'disk.holdsData',
  question: 'Remove it for good?',
  unchanged: 'Nothing was removed.',
};

/** `bootyard node disk`: the files behind the disks of a node. */
export function addNodeDiskCommands(node: Command, session: Session): void {
  const disk = node.command('disk').description("the files of a node's disks");
  disk
    .command('show')
    .description(
      'list disks: those of the setting, and those that were left behind; image copies and kept changes on them',
    )
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) =>
      session.withLab((lab) => show(lab, name, options.json ?? false)),
    );
  disk
    .command('remove')
    .description(
      'remove a disk that the setting does not ask for, a copy of an image, or changes that are kept',
    )
    .argument('<node>')
    .argument('<disk>', 'a name that `disk show` lists')
    .option('--force', 'also when it holds data')
    .action((name: string, diskName: string, options: { force?: boolean }) =>
      session.withLab((lab) => remove(lab, name, diskName, options.force ?? false)),
    );
}

async function show(lab: LabSession, node: string, json: boolean): Promise<void> {
  const disks = await lab.call('node.disks', { node });
  const copies = await lab.call('node.imageCopies', { node });
  if (json) return lab.session.print(JSON.stringify(withCopies(disks, copies), null, 2));
  if (disks.length === 0) return lab.session.print(`Node ${node} has no disk.`);
  const rows = disks.map((disk) => [
    disk.name,
    disk.state,
    disk.template ?? 'unknown',
    formatSize(disk.bytes),
    formatSize(disk.usedBytes),
    disk.holdsData ? 'yes' : 'no',
  ]);
  lab.session.print(formatTable(['disk', 'state', 'template', 'size', 'used', 'data'], rows));
  if (copies.length > 0) lab.session.print(copiesTable(copies));
}

/** Each disk with the image copies on it: the first disk of the setting is sda in the guest. */
function withCopies(disks: DiskInfo[], copies: ImageCopyInfo[]): unknown[] {
  return disks.map((disk) => {
    const letter = 'abcdefghijklmnopqrstuvwxyz'[Number(disk.name.slice('disk_'.length))] ?? '?';
    const isOn = ({ partition }: ImageCopyInfo): boolean =>
      partition === 'network'
        ? disk.name === 'network-persistent'
        : disk.state === 'attached' && partition.startsWith(`sd${letter}`);
    return { ...disk, imageCopies: copies.filter(isOn) };
  });
}

function copiesTable(copies: ImageCopyInfo[]): string {
  const rows = copies.map((copy) => [
    copy.name,
    copy.image ?? '-',
    copy.partition,
    copy.removed ? 'removed at next boot' : copy.partition === 'network' ? 'kept' : copy.state,
    formatSize(copy.imageBytes),
    formatSize(copy.diffBytes),
    formatSize(copy.localBytes),
    copy.lastBoot ?? 'never',
  ]);
  const title =
    'Image copies for hybrid boot, and changes kept of network-persistent boots, as of the last boot:';
  const head = ['copy', 'image', 'partition', 'state', 'size', 'diff', 'local', 'last boot'];
  return `\n${title}\n\n${formatTable(head, rows)}`;
}

async function remove(lab: LabSession, node: string, disk: string, force: boolean): Promise<void> {
  await withConsent(lab, force, LOSE_DATA, async (consent) => {
    const { outcome } = await lab.call('node.removeDisk', { node, disk, force: consent });
    if (outcome === 'nextBoot')
      lab.session.say(`Node ${node} removes this image copy when it boots next in the same boot mode.`);
  });
}
