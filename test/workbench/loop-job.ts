import { until, type TestLab } from '../support/lab.ts';
import { BuildJob, buildSteps, openSteps } from './build-job.ts';
import { editInShell } from './image-shell-job.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const BASE = 'pc-x86-64-tiny';
const NODE = 'vnode1';

export const LOOPS = ['docker', 'podman', 'none'] as const;
export type Loop = (typeof LOOPS)[number];

/** Build, boot, edit, rebuild, boot: with Docker, with rootless Podman, and without an engine, or with some of them. */
export async function runLoopJob(
  workbench: Workbench,
  lab: TestLab,
  logs: string,
  loops: readonly Loop[],
): Promise<TestResult[]> {
  const person = new Person(workbench);
  const build = new BuildJob(person, lab, workbench.workspace);
  const end: Step = {
    title: 'the engine ends, and nothing of it is left',
    isCleanUp: true,
    run: () => build.end(),
  };
  const each: Record<Loop, Step[]> = {
    docker: [
      ...buildSteps(build, NODE),
      {
        title: 'a build runs its steps on the node that is chosen',
        run: () => build.buildOnNode(NODE),
      },
      { title: 'an image of Docker boots from its row', run: () => build.bootRow(NODE) },
      end,
    ],
    podman: [
      { title: 'Podman builds it, too, and the node boots it', run: () => build.buildWithPodman(NODE) },
      {
        title: 'edited and built again with Podman, the node boots it',
        run: () => build.buildAgainWithPodman(NODE),
      },
      end,
    ],
    none: shellSteps(person, lab),
  };
  const steps = [
    {
      title: 'a node is on show',
      run: async () => {
        const made = lab.bootyard('node', 'create', NODE, '--image', BASE, '--wait');
        await Promise.all([made, person.arrive()]);
        await person.row(`${NODE}, booted`).waitFor({ timeout: 240_000 });
      },
    },
    ...openSteps(build),
    ...loops.flatMap((loop) => each[loop]),
  ];
  return runSteps(workbench.page, 'the loop', steps, { logs, album: logs });
}

/** Without any engine: in a shell on a temporary node. */
function shellSteps(person: Person, lab: TestLab): Step[] {
  const image = 'shelled';
  const booted = async (since: string | null, word: string): Promise<void> => {
    await until(
      `${NODE} on ${image}`,
      () => lab.node(NODE),
      (now) => now.state === 'booted' && now.image === image && now.bootedAt !== since,
      240_000,
    );
    const told = await lab.inNode(NODE, 'cat /etc/word');
    if (told !== word) throw new Error(`the node has ${told}`);
  };
  return [
    {
      title: 'without an engine an image is made in a shell, and the node boots it',
      run: async () => {
        await editInShell(person, BASE, 'echo one >/etc/word', image);
        const toast = person.toast(`Image ${image} is saved.`);
        await toast.waitFor({ timeout: 60_000 });
        await person.dismiss(toast);
        await person.choose(person.row(`${image}, `), 'Boot Image on Nodes...');
        await person.bootOn(NODE);
        await booted(null, 'one\n');
      },
    },
    {
      title: 'changed in a shell again, it is saved after a question, and the node reboots into it',
      run: async () => {
        const before = (await lab.node(NODE)).bootedAt;
        await editInShell(person, image, 'echo two >/etc/word', image);
        await person.confirm(`Save the changes as image ${image}?`, 'Save and Reboot');
        await person.toast(`Image ${image} is saved.`).waitFor({ timeout: 60_000 });
        await booted(before, 'two\n');
      },
    },
  ];
}
