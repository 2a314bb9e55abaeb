import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import { ImageJob } from './image-job.ts';
import { LogJob } from './log-job.ts';
import { NodeJob } from './node-job.ts';
import { Person } from './person.ts';
import { RegistryJob } from './registry-job.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const docs = join(import.meta.dirname, '../../docs');

/** The main job as a person does it: view, lab, images, node, boot, shell, console, reboot, remove. With `pictures` the README's go into docs/. */
export async function runMainJob(
  workbench: Workbench,
  logs: string,
  pictures: boolean,
  lab: TestLab,
): Promise<TestResult[]> {
  const person = new Person(workbench);
  const registries = new RegistryJob(person, lab, dirname(workbench.workspace));
  const images = new ImageJob(person, workbench.workspace, join(workbench.cache, 'bootyard'));
  const nodes = new NodeJob(person);
  if (pictures) mkdirSync(docs, { recursive: true });
  const steps = [
    ...beginning(nodes),
    ...imageSteps(images),
    ...registries.steps(),
    ...nodeSteps(nodes, images, new LogJob(person, lab)),
  ];
  return runSteps(workbench.page, 'main job', steps, { logs, album: pictures ? docs : logs });
}

function beginning(nodes: NodeJob): Step[] {
  return [
    {
      title: 'the Bootyard view opens, and says that the lab is stopped',
      run: () => nodes.openView(),
      picture: 'welcome',
    },
    { title: 'Start Lab in the welcome view starts the lab', run: () => nodes.startLab() },
  ];
}

function imageSteps(images: ImageJob): Step[] {
  return [
    { title: 'an archive is chosen, named and imported', run: () => images.importByPicker() },
    { title: 'a file that is no image gets one sentence', run: () => images.refuseWrongTar() },
    { title: 'Cancel ends an import, and nothing is left', run: () => images.cancelImport() },
    { title: 'an archive dropped on the Images view is imported', run: () => images.dropArchive() },
    {
      title: 'Remove Image asks first, and the row goes',
      run: () => images.removeImages('made-here', 'dropped:here'),
    },
    { title: 'Cancel ends a build, and nothing is left', run: () => images.cancelBuild() },
  ];
}

function nodeSteps(nodes: NodeJob, images: ImageJob, logs: LogJob): Step[] {
  return [
    {
      title: 'Create Node asks for a name and boots the image',
      run: () => nodes.createNode('vnode1'),
      picture: 'node-boots',
    },
    { title: 'the row says booted', run: () => nodes.waitBooted('vnode1') },
    {
      title: 'the shell takes a command and shows its output',
      run: () => nodes.useShell('vnode1'),
      picture: 'node-shell',
    },
    {
      title: 'the console shows what the machine has said',
      run: () => nodes.useConsole('vnode1'),
      picture: 'node-console',
    },
    { title: 'the timeline opens', run: () => nodes.openTimeline('vnode1'), picture: 'node-timeline' },
    { title: 'its stages close, and its scale grows, by keys', run: () => nodes.moveInTimeline() },
    { title: 'a boot file in it leads to the file in the image', run: () => nodes.openBootFile() },
    ...logs.steps('vnode1'),
    { title: 'its packets are captured from now on', run: () => nodes.capture('vnode1') },
    {
      title: 'the reboot action reboots, and the shell comes back',
      run: () => nodes.reboot('vnode1'),
      picture: 'node-rebooted',
    },
    { title: 'two boots stand beside each other', run: () => nodes.compareBoots('vnode1') },
    {
      title: "a line of the kernel leads to the console's, of that boot",
      run: () => nodes.openConsoleLine(),
    },
    { title: 'a message of DHCP leads to its packet', run: () => nodes.openPacket('vnode1') },
    {
      title: 'an image dropped beside the nodes boots on a new one',
      run: () => nodes.dropBesideNodes('vnode1', 'vnode2'),
    },
    { title: 'the terminal profile opens a shell in a node', run: () => nodes.useProfile('vnode2') },
    {
      title: 'its terminal follows the name of the node',
      run: () => nodes.renameUnderProfile('vnode2', 'walnut'),
    },
    {
      title: 'an image dropped on a node boots it, once that is confirmed',
      run: () => nodes.dropOnNode('walnut'),
    },
    { title: 'a wrong name is refused where it is typed', run: () => nodes.refuseName() },
    {
      title: 'an image in use is not removed: one sentence, with actions',
      run: () => images.refuseRemoval('vnode1 and walnut'),
    },
    {
      title: 'Remove asks first, and the row goes',
      run: async () => {
        await nodes.remove('walnut');
        await nodes.remove('vnode1');
      },
    },
    { title: 'without a node the terminal profile says one sentence', run: () => nodes.refuseProfile() },
    { title: 'Stop Lab in the palette stops the lab', run: () => nodes.stopLab() },
  ];
}
