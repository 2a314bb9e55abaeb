import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Locator } from 'playwright-core';
import { until, type TestLab } from '../support/lab.ts';
import { PANEL_TERMINAL, type Person } from './person.ts';

/** What reaches into nodes, by mouse and keyboard: copies, commands, disks. */
export class ReachJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #workspace: string;
  #url = '';

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    this.#workspace = workspace;
    mkdirSync(join(workspace, 'back/target'), { recursive: true });
  }

  async runOnBoth(first: string, second: string): Promise<void> {
    await this.#select(first, second);
    await this.#person.choose(this.#person.row(`${second}, `), 'Run Command on Nodes...');
    const command = `echo "at:$(uname -n)"; [ "$(uname -n)" = ${first} ] || exit 3`;
    await this.#person.answer(`Run on ${first} and ${second}`, command);
    const shown = `${first} │ at:${first}[^]*1 of 2 nodes: exit code 0; ${second}: exit code 3`;
    await this.#person.terminalShows(new RegExp(shown), PANEL_TERMINAL);
    await this.#person.terminalShows(new RegExp(`${second} │ at:${second}`), PANEL_TERMINAL);
  }

  /** The command of before is offered again, and ctrl-C ends what it starts on every node. */
  async runAgainAndInterrupt(first: string, second: string): Promise<void> {
    await this.#person.typeInTerminal('', PANEL_TERMINAL);
    await this.#person.page.locator(PANEL_TERMINAL).waitFor({ state: 'detached' });
    await this.#select(first, second);
    await this.#person.choose(this.#person.row(`${second}, `), 'Run Command on Nodes...');
    const input = await this.#person.input(`Run on ${first} and ${second}`);
    await this.#person.page
      .locator('.quick-input-widget .monaco-list-row', { hasText: 'echo "at:' })
      .waitFor();
    await input.fill('echo begun; sleep 1000');
    await input.press('Enter');
    await this.#person.terminalShows(/│ begun[^]*│ begun/, PANEL_TERMINAL);
    await this.#person.page.locator(`${PANEL_TERMINAL} .xterm`).click();
    await this.#person.page.keyboard.press('Control+c');
    await this.#person.terminalShows(/0 of 2 nodes: exit code 0; .*exit code 130/, PANEL_TERMINAL);
    await this.#person.typeInTerminal('', PANEL_TERMINAL);
  }

  async copyTo(name: string): Promise<void> {
    const text = 'copied by the editor\n';
    writeFileSync(join(this.#workspace, 'Some File.txt'), text);
    await this.#choose(name, 'Copy Files to Node...');
    await this.#person.input(`Copy to ${name}`);
    await this.#person.pick('Files');
    await this.#person.input(`Copy to ${name}`);
    await this.#person.pick('Some File.txt');
    await this.#person.answer(`Copy Some File.txt to ${name}`, '/root/');
    await this.#person.said('Copied Some File.txt');
    if ((await this.#lab.inNode(name, "cat '/root/Some File.txt'")) !== text) throw new Error('another text');
  }

  async dropFile(name: string): Promise<void> {
    await this.#person.activity('Explorer').click();
    const file = (begin: string): Locator =>
      this.#person.page.locator(`.explorer-folders-view .monaco-list-row[aria-label^="${begin}"]`);
    // The list is whole: no row moves any more.
    await file('Some File.txt').waitFor();
    await this.#person.grab(file('notes.txt'));
    await this.#person.over(this.#person.activity('Bootyard'));
    await this.#person.over(this.#person.row(`${name}, `));
    await this.#person.release();
    await this.#person.answer(`Copy notes.txt to ${name}`, '/tmp');
    await this.#person.said('Copied notes.txt');
    if (!(await this.#lab.inNode(name, 'cat /tmp/notes.txt')).includes('a file of the workspace'))
      throw new Error('another text');
  }

  async copyFrom(name: string): Promise<void> {
    await this.#copyFromTo(name, '/tmp/notes.txt');
    const copy = join(this.#workspace, 'back/notes.txt');
    await until('the copy', () => existsSync(copy), Boolean);
    if (!readFileSync(copy, 'utf8').includes('a file of the workspace')) throw new Error('another text');
    writeFileSync(copy, 'mine\n');
    await this.#copyFromTo(name, '/tmp/notes.txt');
    await this.#person.confirm('"notes.txt" is in', 'Cancel');
    if (readFileSync(copy, 'utf8') !== 'mine\n') throw new Error('it was replaced');
  }

  /** One sentence, and nothing is left. */
  async refuseMissing(name: string): Promise<void> {
    await this.#copyFromTo(name, '/no/such/file');
    const toast = this.#person.toast('No such file or directory: ');
    await toast.waitFor();
    await this.#person.dismiss(toast);
  }

  async cancelCopy(name: string): Promise<void> {
    await this.#lab.inNode(name, 'mkdir -p /tmp/big && truncate -s 8G /tmp/big/zeros');
    await this.#copyFromTo(name, '/tmp/big');
    const toast = this.#person.toast(`Copying big from ${name}`);
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await this.#person.page.locator('.notification-toast').first().waitFor({ state: 'detached' });
    if (existsSync(join(this.#workspace, 'back/big'))) throw new Error('half a copy was left');
  }

  /** A web server in the node, reached from this machine and listed where the editor lists ports. */
  async exposePort(name: string): Promise<void> {
    await this.#lab.inNode(name, '/bin/busybox httpd -p 8000 -h /tmp');
    await this.#choose(name, 'Expose Port...');
    const input = await this.#person.input(`Expose a port of ${name}`);
    await input.fill('eighty');
    await this.#person.page.locator('.quick-input-message', { hasText: 'Write a port' }).waitFor();
    await input.fill('8000');
    await input.press('Enter');
    const toast = this.#person.toast(`Port 8000 of ${name} is now at 127.0.0.1:`);
    await toast.waitFor();
    const port = /127\.0\.0\.1:(\d+)/.exec(await toast.innerText())?.[1] ?? '';
    this.#url = `http://127.0.0.1:${port}/notes.txt`;
    const text = await (await fetch(this.#url)).text();
    if (!text.includes('a file of the workspace')) throw new Error(text);
    await this.#person.dismiss(toast);
    await this.#person.palette('Focus on Ports View');
    await this.#person.page.locator('.part.panel .monaco-list-row', { hasText: port }).first().waitFor();
  }

  async stopExposing(name: string): Promise<void> {
    await this.#person.palette('Bootyard: Show Exposed Ports');
    await this.#person.input('Ports of nodes');
    const row = this.#person.page.locator('.quick-input-widget .monaco-list-row', {
      hasText: `${name}:8000`,
    });
    await row.getByText('opened by this window').waitFor();
    await row.hover();
    await row.locator('[aria-label^="Stop Exposing"]').click();
    await until(
      'a closed port',
      () =>
        fetch(this.#url).then(
          () => 'open',
          () => 'closed',
        ),
      (state) => state === 'closed',
    );
    if ((await this.#lab.bootyard('node', 'ports')).includes(':8000')) throw new Error('it is still listed');
    await this.#person.palette('View: Hide Panel');
  }

  /** The node is off, and its setting has no disk any more. */
  async removeOrphan(name: string): Promise<void> {
    await this.#lab.bootyard('node', 'stop', name);
    await this.#lab.bootyard('node', 'config', name, 'disks=none');
    await this.#choose(name, 'Show Disks');
    await this.#person.input(`Disks of ${name}`);
    await this.#person.pick('left behind');
    await this.#person.confirm('Remove disk_0', 'Cancel');
    await this.#choose(name, 'Show Disks');
    await this.#person.page.locator('.quick-input-widget [aria-label^="Remove Disk"]').first().click();
    await this.#person.confirm('Remove disk_0', 'Remove');
    await until(
      'no orphan',
      async () => JSON.parse(await this.#lab.bootyard('node', 'disk', 'show', name, '--json')) as object[],
      (disks) => disks.length < 2,
    );
  }

  async #copyFromTo(name: string, path: string): Promise<void> {
    await this.#choose(name, 'Copy from Node...');
    await this.#person.answer(`Copy from ${name}`, path);
    const input = await this.#person.input(`Copy ${posix.basename(path)} to`);
    // The dialog takes its time, for the folder where it begins (this one, or the one of the last copy) as for what is typed.
    const folder = (name: string): Locator =>
      this.#person.page.locator(`.quick-input-widget .monaco-list-row[aria-label="${name}"]`);
    await folder('back').or(folder('target')).waitFor();
    await input.fill(`${this.#workspace}/back/`);
    await folder('target').waitFor();
    await this.#person.page.locator('.quick-input-widget .monaco-button', { hasText: 'Copy Here' }).click();
  }

  /** Of this row alone, whatever was selected before. */
  async #choose(name: string, entry: string): Promise<void> {
    const row = this.#person.row(`${name}, `);
    await row.click();
    await this.#person.choose(row, entry);
  }

  async #select(first: string, second: string): Promise<void> {
    await this.#person.row(`${first}, `).click();
    await this.#person.row(`${second}, `).click({ modifiers: ['Control'] });
  }
}
