import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { type TestLab, until } from '../support/lab.ts';
import { importInterpreters } from '../support/interpreters.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps } from './steps.ts';
import type { Workbench } from './workbench.ts';

/** In a Debian of today `do_mount` is a part of this one, without a name of its own. */
const MOUNT = 'path_mount';
const DEBUGGER_MS = 60_000;
/** Debuggers are large, and software emulation is slow. */
const PROGRAM_MS = 120_000;
const PROGRAM = `import os

def add(one, other):
    total = one + other
    return total

print("the sum in", os.uname().nodename, "is", add(40, 2))
`;
const LINE = 4;
const NODE_PROGRAM = `const os = require('os');

function add(one, other) {
  const total = one + other;
  return total;
}
console.log('the sum in', os.hostname(), 'is', add(30, 3));
`;
const C_PROGRAM = `#include <stdio.h>

int add(int one, int other) {
  int total = one + other;
  return total;
}

int main(void) {
  printf("the sum is %d\\n", add(20, 4));
  return 0;
}
`;

const PROGRAMS = { 'sum.py': PROGRAM, 'sum.js': NODE_PROGRAM, 'sum.c': C_PROGRAM };

/** Debuggers of the kernel of a node and of programs in it, from F5. `album`: where pictures go */
export async function runDebugJob(
  workbench: Workbench,
  lab: TestLab,
  { logs, album }: { logs: string; album: string },
): Promise<TestResult[]> {
  const job = new DebugJob(new Person(workbench), lab, workbench.workspace);
  const steps = [
    { title: 'a node with Python and Node.js is on show', run: () => job.begin() },
    { title: 'F5 on a node debugs its kernel', run: () => job.startKernel() },
    { title: `a breakpoint in ${MOUNT} is hit`, run: () => job.stopInMount(), picture: 'debug-kernel' },
    { title: 'the console is there meanwhile', run: () => job.openConsole() },
    { title: 'the kernel goes on, also when the debugger is gone', run: () => job.endKernel() },
    {
      title: 'F5 in a Python file stops at its breakpoint in the node',
      run: () => job.stopInPython(),
    },
    {
      title: 'its variables and its output are there',
      run: () => job.endProgram('2', 'the sum in vnode1 is 42'),
    },
    {
      title: 'Debug Program of a node does so for Node.js',
      run: () => job.stopInNodeJs(),
    },
    {
      title: 'there, too, are variables and output',
      run: () => job.endProgram('3', 'the sum in vnode1 is 33'),
    },
    { title: 'F5 in a C file does so for the program that was built of it', run: () => job.stopInC() },
  ];
  return await runSteps(workbench.page, 'debug', steps, { logs, album });
}

class DebugJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #workspace: string;

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    this.#workspace = workspace;
  }

  async begin(): Promise<void> {
    // The editor's list of files is not always of this moment.
    for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(this.#workspace, name), text);
    await importInterpreters(this.#lab, 'with-interpreters');
    const created = this.#lab.bootyard('node', 'create', 'vnode1', '--image', 'with-interpreters', '--wait');
    await Promise.all([created, this.#person.arrive()]);
    await this.#person.row('vnode1, booted').waitFor({ timeout: 240_000 });
  }

  async startKernel(): Promise<void> {
    await this.#person.row('vnode1, ').click();
    await this.#person.page.keyboard.press('F5');
    await this.#toolbar().waitFor({ timeout: DEBUGGER_MS });
    await this.#console('In the Debug Console view you can interact directly with GDB').waitFor({
      timeout: DEBUGGER_MS,
    });
  }

  async stopInMount(): Promise<void> {
    const { page } = this.#person;
    await this.#person.show('Run and Debug');
    const pane = page.locator('.pane', { has: page.locator('.pane-header[aria-label^="Breakpoints"]') });
    await pane.locator('.pane-header').hover();
    await pane.locator('.action-label[aria-label^="Add Function Breakpoint"]').click();
    const input = pane.locator('input').last();
    await input.fill(MOUNT);
    await input.press('Enter');
    await pane.locator(`.monaco-list-row[aria-label*="${MOUNT}"]`).waitFor();
    // In the background: ssh gives up on a machine that stands still.
    const mount = 'mkdir -p /run/m; (sleep 1; mount -t tmpfs none /run/m) >/dev/null 2>&1 </dev/null &';
    await this.#lab.inNode('vnode1', mount);
    await this.#console(`hit Breakpoint 1, .* in ${MOUNT}`).waitFor({ timeout: DEBUGGER_MS });
    // The editor shows the frames of those that have a source by itself.
    const thread = page.locator('.debug-call-stack .monaco-list-row', { hasText: /paused on/i }).first();
    await thread.locator('.monaco-tl-twistie').click();
    await this.#frame(MOUNT).waitFor();
  }

  /** While the machine stands still, its console shows what it has printed. */
  async openConsole(): Promise<void> {
    await this.#person.show('Bootyard');
    await this.#person.choose(this.#person.row('vnode1, '), 'Open Console');
    await this.#person.terminalShows(/Linux version|login|# /);
  }

  async endKernel(): Promise<void> {
    const { page } = this.#person;
    await this.#person.show('Run and Debug');
    await this.#press('Continue');
    await this.#isMounted();
    await this.#press('Disconnect');
    await this.#toolbar().waitFor({ state: 'hidden', timeout: DEBUGGER_MS });
    const again = 'umount /run/m && mount -t tmpfs none /run/m && echo again';
    if ((await this.#lab.inNode('vnode1', again)) !== 'again\n') throw new Error('it does not mount again');
    await until(
      'booted',
      async () => await this.#lab.node('vnode1'),
      ({ state, reason }) => state === 'booted' && reason === null,
    );
    if ((await page.locator('.monaco-dialog-box').count()) > 0) throw new Error('a dialog is on show');
  }

  async stopInPython(): Promise<void> {
    await this.#setBreakpoint('sum.py');
    await this.#person.page.keyboard.press('F5');
    await this.#frame('add').waitFor({ timeout: PROGRAM_MS });
  }

  async stopInNodeJs(): Promise<void> {
    await this.#setBreakpoint('sum.js');
    await this.#person.show('Bootyard');
    await this.#person.choose(this.#person.row('vnode1, '), 'Debug Program...');
    await this.#person.page
      .locator('.quick-input-widget .monaco-list-row', { hasText: 'copied into the node' })
      .waitFor();
    await this.#person.page.keyboard.press('Enter');
    await this.#frame('add').waitFor({ timeout: PROGRAM_MS });
  }

  async stopInC(): Promise<void> {
    const source = await this.#setBreakpoint('sum.c');
    execFileSync('gcc', ['-g', '-O0', '-o', source.replace(/\.c$/, ''), source]);
    await this.#person.page.keyboard.press('F5');
    await this.#frame('add').waitFor({ timeout: PROGRAM_MS });
  }

  /** Where it stands, the second argument is there; then it goes on to its end. */
  async endProgram(other: string, printed: string): Promise<void> {
    const variable = this.#person.page.locator('.debug-variables .monaco-list-row', { hasText: 'other' });
    await variable.getByText(other, { exact: true }).waitFor();
    await this.#press('Continue');
    await this.#console(printed).waitFor({ timeout: DEBUGGER_MS });
    await this.#toolbar().waitFor({ state: 'hidden', timeout: DEBUGGER_MS });
  }

  /** Answers the path of the file, which is on show then. */
  async #setBreakpoint(name: string): Promise<string> {
    const { page } = this.#person;
    await page.keyboard.press('Control+p');
    await page.locator('.quick-input-widget input[type="text"]').first().fill(`${name}:${LINE}`);
    await this.#person.pick(name);
    await page.locator('.tab.active', { hasText: name }).waitFor();
    // The cursor goes to the line, and keys to the editor, only when the file is shown.
    await page.locator('.editor-instance .view-line', { hasText: 'total = one' }).first().click();
    await page.keyboard.press('F9');
    await page.locator('.editor-instance .codicon-debug-breakpoint').first().waitFor();
    return join(this.#workspace, name);
  }

  async #isMounted(): Promise<void> {
    const look = 'grep -c " /run/m tmpfs" /proc/mounts || true';
    await until(
      'it is mounted',
      () => this.#lab.inNode('vnode1', look),
      (count) => count === '1\n',
    );
  }

  #toolbar(): Locator {
    return this.#person.page.locator('.debug-toolbar');
  }

  async #press(button: string): Promise<void> {
    await this.#toolbar().locator(`.action-label[aria-label^="${button}"]`).click();
  }

  #console(text: string): Locator {
    return this.#person.page.locator('.repl .monaco-list-row', { hasText: new RegExp(text) }).first();
  }

  /** A frame of the call stack. */
  #frame(name: string): Locator {
    return this.#person.page.locator('.debug-call-stack .monaco-list-row', { hasText: name }).first();
  }
}
