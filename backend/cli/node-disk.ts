import type { Command } from 'commander';
import { type Consent, withConsent } from './consent.ts';
import type { LabSession, Session } from './session.ts';
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
    .description('list disks: those of the setting, and those that were left behind')
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) =>
      session.withLab((lab) => show(lab, name, options.json ?? false)),
    );
  disk
    .command('remove')
    .description('remove a disk that the setting does not ask for')
    .argument('<node>')
    .argument('<disk>', 'a name that `disk show` lists')
    .option('--force', 'also when it holds data')
    .action((name: string, diskName: string, options: { force?: boolean }) =>
      session.withLab((lab) => remove(lab, name, diskName, options.force ?? false)),
    );
}

async function show(lab: LabSession, node: string, json: boolean): Promise<void> {
  const disks = await lab.call('node.disks', { node });
  if (json) return lab.session.print(JSON.stringify(disks, null, 2));
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
}

async function remove(lab: LabSession, node: string, disk: string, force: boolean): Promise<void> {
  await withConsent(lab, force, LOSE_DATA, (consent) =>
    lab.call('node.removeDisk', { node, disk, force: consent }),
  );
}
