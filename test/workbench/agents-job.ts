import { dirname, join } from 'node:path';
import { installExtension } from '../../scripts/code-server.ts';
import { type TestLab, until } from '../support/lab.ts';
import { packageAgent } from './bundle.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const NODE = 'vnode1';

/** What an agent in the editor may do unasked, and what only once its user has agreed. */
export async function runAgentsJob(workbench: Workbench, lab: TestLab, logs: string): Promise<TestResult[]> {
  const agent = new AgentJob(new Person(workbench), lab);
  const steps: Step[] = [
    {
      title: 'a node is booted, and an agent is there',
      run: async () => {
        const folder = join(dirname(workbench.workspace), 'agent');
        installExtension(workbench.folders, await packageAgent(folder));
        await agent.arrive();
      },
    },
    { title: 'looking asks nobody', run: () => agent.look() },
    { title: 'a command is asked about as it is; refused, nothing is run', run: () => agent.refuseCommand() },
    { title: 'agreed to, it is run', run: () => agent.runCommand() },
    { title: 'a restart is asked about; refused, the node goes on', run: () => agent.refuseBoot() },
    { title: 'agreed to, the node is restarted', run: () => agent.boot() },
  ];
  return runSteps(workbench.page, 'agents', steps, { logs, album: logs });
}

class AgentJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  async arrive(): Promise<void> {
    const made = this.#lab.bootyard('node', 'create', NODE, '--image', 'pc-x86-64-tiny', '--wait');
    await Promise.all([made, this.#person.arrive()]);
    await this.#person.row(`${NODE}, booted`).waitFor({ timeout: 240_000 });
  }

  async look(): Promise<void> {
    await this.#person.palette('Agent: List Nodes');
    await this.#told('list_nodes answers {"nodes":[{"name":"vnode1"');
  }

  async refuseCommand(): Promise<void> {
    await this.#person.palette('Agent: Run a Command');
    await this.#asked(
      'Run a command in a node?',
      'As root in vnode1:',
      'echo agreed >>/root/by-agent; exit 3',
    );
    await this.#answer('Cancel');
    await this.#told('run_command was not done: Canceled');
    const there = await this.#lab.inNode(NODE, 'ls /root');
    if (there.includes('by-agent')) throw new Error('the command was run');
  }

  async runCommand(): Promise<void> {
    await this.#person.palette('Agent: Run a Command');
    await this.#asked('Run a command in a node?');
    await this.#answer('Yes');
    await this.#told('run_command answers {"exitCode":3');
    const written = await this.#lab.inNode(NODE, 'cat /root/by-agent');
    if (written !== 'agreed\n') throw new Error(`the command has written ${written}`);
  }

  async refuseBoot(): Promise<void> {
    const before = await this.#boots();
    await this.#person.palette('Agent: Boot Nodes');
    await this.#asked(
      'Boot nodes?',
      'vnode1. A node that runs is restarted, and loses what it has changed outside /persist.',
    );
    await this.#answer('Cancel');
    await this.#told('boot_nodes was not done: Canceled');
    const { state } = await this.#lab.node(NODE);
    if (state !== 'booted' || (await this.#boots()) !== before) throw new Error(`the node is ${state}`);
  }

  async boot(): Promise<void> {
    const before = await this.#boots();
    await this.#person.palette('Agent: Boot Nodes');
    await this.#asked('Boot nodes?');
    await this.#answer('Yes');
    await this.#told('boot_nodes answers {"nodes":[{"name":"vnode1"');
    await until(
      'another boot',
      () => this.#boots(),
      (now) => now === before + 1,
    );
  }

  /** The dialog's words. */
  async #asked(...words: string[]): Promise<void> {
    const dialog = this.#person.page.locator('.monaco-dialog-box');
    await dialog.waitFor();
    const said = (await dialog.innerText()).replace(/\s+/g, ' ');
    for (const text of words) if (!said.includes(text)) throw new Error(`it asks: ${said}`);
  }
  async #answer(button: string): Promise<void> {
    const dialog = this.#person.page.locator('.monaco-dialog-box');
    await dialog.getByRole('button', { name: button, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  async #told(text: string): Promise<void> {
    const toast = this.#person.toast(text);
    await toast.waitFor({ timeout: 60_000 });
    await this.#person.dismiss(toast);
  }

  async #boots(): Promise<number> {
    const boots = JSON.parse(await this.#lab.bootyard('node', 'boots', NODE, '--json')) as unknown[];
    return boots.length;
  }
}
