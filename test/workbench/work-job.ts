import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import { BuildJob, buildSteps, openSteps } from './build-job.ts';
import { ImageTreeJob } from './imagetree-job.ts';
import { LookJob } from './look-job.ts';
import { Person } from './person.ts';
import { ReachJob } from './reach-job.ts';
import type { TestResult } from './results.ts';
import { SettingsJob } from './settings-job.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const docs = join(import.meta.dirname, '../../docs');

/** Work with two nodes that are booted: settings, disks, copies, commands. With `pictures` the README's go into docs/. */
export async function runWorkJob(
  workbench: Workbench,
  lab: TestLab,
  logs: string,
  pictures: boolean,
): Promise<TestResult[]> {
  const person = new Person(workbench);
  const settings = new SettingsJob(person, lab);
  const reach = new ReachJob(person, lab, workbench.workspace);
  const build = new BuildJob(person, lab, workbench.workspace);
  if (pictures) mkdirSync(docs, { recursive: true });
  const steps = [
    beginning(person, lab),
    ...reachSteps(reach, new LookJob(person, lab)),
    ...new ImageTreeJob(person, lab, workbench.workspace).steps(),
    ...openSteps(build),
    ...buildSteps(build, 'vnode2'),
    { title: 'the engine ends, and nothing of it is left', isCleanUp: true, run: () => build.end() },
    ...settingsSteps(settings),
    ...endSteps(reach, settings),
  ];
  return runSteps(workbench.page, 'work with nodes', steps, { logs, album: pictures ? docs : logs });
}

function beginning(person: Person, lab: TestLab): Step {
  return {
    title: 'two nodes that the command line made are on show',
    run: async () => {
      const create = (name: string): Promise<string> =>
        lab.bootyard('node', 'create', name, '--image', 'pc-x86-64-tiny', '--wait');
      await create('vnode1');
      await Promise.all([create('vnode2'), person.arrive()]);
      for (const name of ['vnode1', 'vnode2'])
        await person.row(`${name}, booted`).waitFor({ timeout: 240_000 });
    },
  };
}

function reachSteps(reach: ReachJob, look: LookJob): Step[] {
  return [
    {
      title: 'a command runs on two nodes, and its exit codes are told',
      run: () => reach.runOnBoth('vnode1', 'vnode2'),
      picture: 'node-run',
    },
    {
      title: 'the command of before is offered, and ctrl-C ends one on all nodes',
      run: () => reach.runAgainAndInterrupt('vnode1', 'vnode2'),
    },
    { title: 'two nodes are pinged side by side', run: () => look.ping('vnode1', 'vnode2') },
    { title: 'a console is replayed, from its menu', run: () => look.replay('vnode2') },
    { title: 'ctrl-C ends a replay; a wrong range is refused', run: () => look.interruptReplay('vnode2') },
    { title: 'a file is copied to a node', run: () => reach.copyTo('vnode2') },
    { title: 'a file dropped on a node is copied to it', run: () => reach.dropFile('vnode2') },
    {
      title: 'a file is copied from a node, and replaces none unasked',
      run: () => reach.copyFrom('vnode2'),
    },
    { title: 'a file that is not there gets one sentence', run: () => reach.refuseMissing('vnode2') },
    {
      title: 'a port of a node is exposed, and in the Ports view',
      run: () => reach.exposePort('vnode2'),
      picture: 'node-ports',
    },
    {
      title: 'the list of exposed ports stops it',
      run: () => reach.stopExposing('vnode2'),
    },
    { title: 'Cancel ends a copy, and nothing is left', run: () => reach.cancelCopy('vnode2') },
  ];
}

function settingsSteps(settings: SettingsJob): Step[] {
  return [
    { title: 'the settings form shows what the node has', run: () => settings.open('vnode1') },
    { title: 'a wrong value is refused where it is typed', run: () => settings.refuseWrong() },
    {
      title: 'what was typed outlives a reload',
      run: () => settings.keepEdits('vnode1'),
      picture: 'node-settings',
    },
    { title: 'Save saves', run: () => settings.save('vnode1') },
    { title: 'Reboot Now reboots into the new settings', run: () => settings.rebootFromForm('vnode1') },
    {
      title: 'the form follows changes made elsewhere',
      run: () => settings.followOthers('vnode1', 'walnut'),
    },
    {
      title: 'a disk with data is set aside only after a question',
      run: () => settings.askBeforeLoss('vnode1'),
    },
    {
      title: 'several nodes have one form, which says where they differ',
      run: () => settings.severalNodes('vnode1', 'vnode2'),
    },
    { title: 'the form works by the keyboard alone', run: () => settings.byKeyboard() },
  ];
}

function endSteps(reach: ReachJob, settings: SettingsJob): Step[] {
  return [
    {
      title: 'a disk that was left behind is listed, and removed after a question',
      run: () => reach.removeOrphan('vnode1'),
    },
    {
      title: 'the form of nodes that were removed closes',
      run: () => settings.closeWhenRemoved('vnode1', 'vnode2'),
    },
  ];
}
