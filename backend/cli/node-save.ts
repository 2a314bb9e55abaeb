import type { Result } from '../api/contract.ts';
import { diffListing, diffSummary } from '../api/diff-listing.ts';
import { type Consent, withConsent } from './consent.ts';
import { waitOrProceed } from './node-power.ts';
import type { LabSession } from './session.ts';
import { formatSize } from './table.ts';
import { UsageError } from './usage.ts';

export interface SaveOptions {
  yes?: boolean;
  force?: boolean;
  json?: boolean;
}
const OVERWRITE: Consent = {
  code: 'image.exists',
  question: 'Overwrite it?',
  unchanged: 'Nothing was saved.',
};
const REBOOT: Consent = {
  code: 'image.wouldReboot',
  question: 'Are you sure?',
  unchanged: 'Nothing was copied.',
};

/** Shows what the node has changed, asks, and saves that as an image. */
export async function save(
  lab: LabSession,
  node: string,
  image: string,
  options: SaveOptions,
): Promise<void> {
  const { session } = lab;
  if (!options.yes && !session.interactive) {
    throw new UsageError('`node save` asks before it saves: give --yes where nobody can answer.');
  }
  await waitOrProceed(lab, [node]);
  await withConsent(lab, options.force ?? false, OVERWRITE, async (force) => {
    const diff = await lab.call('node.diff', { node, saveAs: { image, force } });
    if (diff.count === 0) {
      session.exitCode = 1;
      return session.say(`Node ${node} has changed nothing that could be saved.`);
    }
    if (!options.json) session.print(preview(node, diff));
    if (!options.yes && !(await agreed(lab, image, diff.id))) {
      session.exitCode = 1;
      return session.say('Nothing was saved.');
    }
    const saved = await lab.call('node.save', { id: diff.id, image, force });
    if (options.json) return session.printJson({ image: saved, changes: diff.changes });
    session.print(force && saved.inUse ? `Image ${saved.name} updated.` : `New image ${saved.name} saved.`);
  });
}

/** Asks; whoever says no, or leaves with ctrl-C, leaves nothing in the store. */
async function agreed({ session, client }: LabSession, image: string, id: string): Promise<boolean> {
  let isAgreed = false;
  try {
    isAgreed = await session.confirm(`Save these changes as image '${image}'?`);
  } finally {
    if (!isAgreed) await client.call('node.dropDiff', { id });
  }
  return isAgreed;
}

/** `node diff`: what `node save` would save. */
export async function showDiff(lab: LabSession, node: string, json: boolean): Promise<void> {
  await waitOrProceed(lab, [node]);
  const diff = await lab.call('node.diff', { node });
  if (json) return lab.session.printJson(diff.changes);
  lab.session.print(preview(node, diff));
}

function preview(node: string, diff: Result<'node.diff'>): string {
  return [...diffListing(diff, formatSize), diffSummary(node, diff, formatSize)].join('\n');
}

/** `node cp <node>:<path> booted-image` */
export async function pushToImage(
  lab: LabSession,
  node: string,
  path: string,
  force: boolean,
): Promise<void> {
  const { session } = lab;
  await withConsent(lab, force, REBOOT, async (consent) => {
    const { image, rebooted } = await lab.call('node.pushToImage', { node, path, force: consent });
    if (rebooted.length === 0) session.print(`Image ${image} has it already: nothing was changed.`);
    else session.print(`Image ${image} updated.`);
    for (const name of rebooted) session.print(`Node ${name}: rebooted ok.`);
  });
}
