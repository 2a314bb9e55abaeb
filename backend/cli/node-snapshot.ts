import type { Command } from 'commander';
import { type Consent, withConsent } from './consent.ts';
import type { LabSession, Session } from './session.ts';
import { formatSize, formatTable } from './table.ts';
import { UsageError } from './usage.ts';

const ROLL_BACK: Consent = {
  code: 'snapshot.loses',
  question: 'Restore anyway?',
  unchanged: 'Nothing was changed.',
};

/** `bootyard node snapshot`: a running node's memory, devices and disks, kept to go on from there again. */
export function addNodeSnapshotCommands(node: Command, session: Session): void {
  const snapshot = node
    .command('snapshot')
    .description('save a running node as it is, and go on from there again');
  snapshot
    .command('save')
    .description('save memory, devices and disks of a booted node; it is paused meanwhile')
    .argument('<node>')
    .argument('[name]', 'by default the time')
    .action((name: string, wanted: string | undefined) => session.withLab((lab) => save(lab, name, wanted)));
  snapshot
    .command('restore')
    .description('go on from a snapshot, whatever the node does now')
    .argument('<node>')
    .argument('[name]', 'by default the latest')
    .option('--force', 'also when disks that hold data go back to what they were')
    .option('--no-wait', 'do not wait until it is booted')
    .action((name: string, wanted: string | undefined, options: { force?: boolean; wait: boolean }) =>
      session.withLab((lab) => restore(lab, name, wanted, options)),
    );
  snapshot
    .command('list')
    .description('list the snapshots of a node')
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) =>
      session.withLab((lab) => list(lab, name, options.json ?? false)),
    );
  snapshot
    .command('remove')
    .description('remove a snapshot')
    .argument('<node>')
    .argument('<name>')
    .action((name: string, wanted: string) =>
      session.withLab(async (lab) => {
        await lab.call('node.snapshotRemove', { node: name, name: wanted });
      }),
    );
}

/** `node create --from`: what the copy is made of is all in the snapshot. */
export async function createFrom(
  session: Session,
  name: string,
  words: string[],
  options: { image?: string; set?: string[]; from?: string },
): Promise<void> {
  if (words.length > 0 || options.set !== undefined || options.image !== undefined) {
    throw new UsageError('--from takes image and settings from the snapshot: give neither.');
  }
  await session.withLab(async (lab) => {
    await lab.call('node.createFrom', { name, from: options.from ?? '' });
    await lab.call('node.wait', { nodes: [name] });
    session.print(`Node ${name} goes on from snapshot ${options.from}.`);
  });
}

async function save(lab: LabSession, node: string, name: string | undefined): Promise<void> {
  const saved = await lab.call('node.snapshotSave', { node, name });
  lab.session.print(`Node ${node} is saved as snapshot ${saved.name} (${formatSize(saved.bytes)}).`);
}

async function restore(
  lab: LabSession,
  node: string,
  name: string | undefined,
  options: { force?: boolean; wait: boolean },
): Promise<void> {
  await withConsent(lab, options.force ?? false, ROLL_BACK, async (force) => {
    await lab.call('node.snapshotRestore', { node, name, force });
    if (options.wait) await lab.call('node.wait', { nodes: [node] });
    lab.session.print(
      `Node ${node} goes on from ${name === undefined ? 'its latest snapshot' : `snapshot ${name}`}.`,
    );
  });
}

async function list(lab: LabSession, node: string, json: boolean): Promise<void> {
  const snapshots = await lab.call('node.snapshotList', { node });
  if (json) return lab.session.printJson(snapshots);
  if (snapshots.length === 0) return lab.session.print(`Node ${node} has no snapshot.`);
  const rows = snapshots.map(({ name, createdAt, image, ram, disks, bytes }) => {
    const time = new Date(createdAt).toLocaleString('sv');
    return [name, time, image, ram, disks, formatSize(bytes)];
  });
  lab.session.print(formatTable(['snapshot', 'saved', 'image', 'ram', 'disks', 'size'], rows));
}
