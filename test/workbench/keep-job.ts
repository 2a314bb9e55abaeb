import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { HybridJob } from './hybrid-job.ts';
import { imageShellSteps } from './image-shell-job.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { SaveJob } from './save-job.ts';
import { SnapshotJob } from './snapshot-job.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const docs = join(import.meta.dirname, '../../docs');
const OTHER = 'other';

/** What is kept of nodes: snapshots, images of what they or shells have changed, copies of images on their disks. */
export async function runKeepJob(
  workbench: Workbench,
  lab: TestLab,
  { logs, pictures, everything }: { logs: string; pictures: boolean; everything: boolean },
): Promise<TestResult[]> {
  const person = new Person(workbench);
  if (pictures) mkdirSync(docs, { recursive: true });
  const snapshots = new SnapshotJob(person, lab);
  const hybrid = new HybridJob(person, lab);
  const steps = [
    beginning(person, lab),
    ...snapshotSteps(snapshots),
    // Half a minute to fill a disk.
    ...(everything ? cancelSteps(snapshots) : []),
    ...saveSteps(new SaveJob(person, lab), lab),
    ...hybridSteps(hybrid),
    awayStep(person),
    removalStep(person, lab),
    ...imageShellSteps(person, lab, everything),
    ...(everything ? roomSteps(hybrid, lab) : []),
  ];
  return runSteps(workbench.page, 'keep', steps, { logs, album: pictures ? docs : logs });
}

function beginning(person: Person, lab: TestLab): Step {
  return {
    title: 'a node with a disk is on show',
    run: async () => {
      const options = ['--image', 'pc-x86-64-tiny', 'disks=1G[template=ext4]', '--wait'];
      await Promise.all([lab.bootyard('node', 'create', 'vnode1', ...options), person.arrive()]);
      await person.row('vnode1, booted').waitFor({ timeout: 240_000 });
    },
  };
}

function snapshotSteps(snapshots: SnapshotJob): Step[] {
  return [
    { title: 'a snapshot is saved under a name', run: () => snapshots.save('vnode1', 'first') },
    { title: 'a name that is taken is refused', run: () => snapshots.refuseTaken('vnode1', 'first') },
    {
      title: 'the list of snapshots has time, image and size',
      run: () => snapshots.list('vnode1', 'first'),
      picture: 'node-snapshots',
    },
    { title: 'a snapshot is restored, after a question', run: () => snapshots.restore('vnode1', 'first') },
    {
      title: 'a node is created from a snapshot',
      run: () => snapshots.createFrom('vnode1', 'first', 'vnode2'),
    },
    { title: 'a snapshot is removed, after a question', run: () => snapshots.remove('vnode1', 'first') },
  ];
}

function cancelSteps(snapshots: SnapshotJob): Step[] {
  return [
    { title: 'Cancel ends a save, and nothing is left', run: () => snapshots.cancelSave('vnode2') },
    {
      title: 'Cancel ends a restore, and the node is off',
      run: () => snapshots.cancelRestore('vnode2', 'large'),
    },
    {
      title: 'Cancel ends the creation of a node from a snapshot, and nothing is left',
      run: () => snapshots.cancelCreate('vnode2', 'large', 'vnode4'),
    },
  ];
}

function saveSteps(save: SaveJob, lab: TestLab): Step[] {
  return [
    {
      title: 'what a node has changed is listed',
      run: () => save.showChanges('vnode1'),
      picture: 'node-changes',
    },
    { title: 'it is saved as an image, after a question', run: () => save.saveAs('vnode1', 'mine') },
    { title: 'Cancel ends a save, and nothing is left of it', run: () => save.cancel('vnode1', 'never') },
    {
      title: 'a path goes into the image of its node, which reboots',
      run: async () => {
        await lab.bootyard('node', 'remove', 'vnode2', '--force');
        await save.push('vnode1');
      },
    },
  ];
}

function hybridSteps(hybrid: HybridJob): Step[] {
  return [
    { title: 'the row tells how far a copy to a disk is', run: () => hybrid.followCopy('vnode3') },
    { title: 'copies of images on disks are listed', run: () => hybrid.listCopies('vnode3') },
  ];
}

/** It was last seen more than the half minute ago after which a silent node is called unreachable. */
function awayStep(person: Person): Step {
  return {
    title: 'a node that was removed stays away',
    run: async () => {
      if ((await person.row('vnode2').count()) > 0) throw new Error('vnode2 is on show');
    },
  };
}

function removalStep(person: Person, lab: TestLab): Step {
  return {
    title: 'the question before a removal names what goes with the node',
    run: async () => {
      await lab.inNode('vnode1', 'echo kept >/persist/note');
      await person.choose(person.row('vnode1, '), 'Remove Node...');
      const loss = 'Removing vnode1 deletes 1 file or folder in its /persist (1 kB) and the data on disk_0.';
      await person.confirm(loss, 'Cancel');
      await person.row('vnode1, booted').waitFor();
    },
  };
}

function roomSteps(hybrid: HybridJob, lab: TestLab): Step[] {
  return [
    {
      title: 'where there is no room for an image, a copy goes with consent alone',
      run: async () => {
        const payload = randomBytes(8 << 20).toString('hex');
        await importVariant(lab, OTHER, { add: { 'srv/payload': payload } });
        await hybrid.letGo('vnode3', OTHER);
      },
    },
  ];
}
