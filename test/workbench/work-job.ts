import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import { Person } from './person.ts';
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
  if (pictures) mkdirSync(docs, { recursive: true });
  const steps = [beginning(person, lab), ...settingsSteps(settings), end(settings)];
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

function end(settings: SettingsJob): Step {
  return {
    title: 'the form of nodes that were removed closes',
    run: () => settings.closeWhenRemoved('vnode1', 'vnode2'),
  };
}
