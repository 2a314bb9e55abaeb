import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { printResult, type TestResult } from './results.ts';
import type { Workbench } from './workbench.ts';

const BOOT_MS = 240_000;
/** Runs in the page, which has a type library of its own, so it is text here. A prompt's space is lost at a row's end. */
const terminalText = `() => {
  const rows = document.querySelector('.terminal-wrapper.active .xterm-rows');
  return (rows?.innerText ?? '').replaceAll('\\u00a0', ' ').trimEnd() + ' ';
}`;
const docs = join(import.meta.dirname, '../../docs');

/** The main job as a person does it: view, lab, node, boot, shell, console, reboot, remove. With `pictures` the README's go into docs/. */
export async function runMainJob(
  workbench: Workbench,
  logs: string,
  pictures: boolean,
): Promise<TestResult[]> {
  const job = new MainJob(workbench.page, workbench.address());
  const steps: [string, () => Promise<void>, string?][] = [
    ['the Bootyard view opens, and says that the lab is stopped', () => job.openView(), 'welcome'],
    ['Start Lab in the welcome view starts the lab', () => job.startLab()],
    ['Create Node asks for a name and boots the image', () => job.createNode('vnode1'), 'node-boots'],
    ['the row says booted', () => job.waitBooted('vnode1')],
    ['the shell takes a command and shows its output', () => job.useShell('vnode1'), 'node-shell'],
    ['the console shows what the machine has said', () => job.useConsole('vnode1'), 'node-console'],
    ['the timeline opens', () => job.openTimeline('vnode1'), 'node-timeline'],
    ['the reboot action reboots, and the shell comes back', () => job.reboot('vnode1'), 'node-rebooted'],
    ['a wrong name is refused where it is typed', () => job.refuseName()],
    ['an image in use is not removed: one sentence, with actions', () => job.refuseImageRemoval()],
    ['Remove asks first, and the row goes', () => job.remove('vnode1')],
    ['Stop Lab in the palette stops the lab', () => job.stopLab()],
  ];
  const results: TestResult[] = [];
  if (pictures) mkdirSync(docs, { recursive: true });
  const album = pictures ? docs : logs;
  for (const [title, run, picture] of steps) {
    const result = await step(`main job: ${title}`, run);
    printResult(result);
    results.push(result);
    const failed = result.state === 'failed';
    if (failed) await workbench.page.screenshot({ path: join(logs, `${results.length}-failed.png`) });
    else if (picture) await workbench.page.screenshot({ path: join(album, `${picture}.png`) });
    if (failed) break;
  }
  for (const [title] of steps.slice(results.length)) {
    results.push({ title: `main job: ${title}`, state: 'skipped', ms: 0 });
  }
  return results;
}

async function step(title: string, run: () => Promise<void>): Promise<TestResult> {
  const started = performance.now();
  try {
    await run();
    return { title, state: 'passed', ms: performance.now() - started };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { title, state: 'failed', ms: performance.now() - started, error: text };
  }
}

class MainJob {
  readonly #page: Page;
  readonly #address: string;

  constructor(page: Page, address: string) {
    this.#page = page;
    this.#address = address;
  }

  async openView(): Promise<void> {
    const page = this.#page;
    await page.goto(this.#address);
    const icon = page.locator('.activitybar .action-label[aria-label^="Bootyard"]');
    await icon.waitFor({ timeout: 90_000 });
    await icon.click();
    await this.#button('Start Lab').waitFor();
    await page.locator('.statusbar-item', { hasText: 'Bootyard' }).first().waitFor();
  }

  async startLab(): Promise<void> {
    await this.#button('Start Lab').click();
    await this.#button('Create Node').waitFor({ timeout: 60_000 });
    await this.#imageRow().waitFor();
  }

  async createNode(name: string): Promise<void> {
    await this.#button('Create Node').click();
    const input = this.#page.locator('.quick-input-widget input[type="text"]').first();
    await input.waitFor();
    await input.fill(name);
    await input.press('Enter');
    await this.#row(`${name}, booting, stage kernel`).waitFor({ timeout: 60_000 });
  }

  async waitBooted(name: string): Promise<void> {
    await this.#row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
    await this.#page.locator('.statusbar-item', { hasText: '1/1' }).first().waitFor();
  }

  async useShell(name: string): Promise<void> {
    await this.#inline(name, 'Open Shell');
    await this.#terminalShows(/[#$] $/);
    await this.#typeInTerminal('echo "in $(uname -n):$((6*7))"; df -h /; cut -c1-76 /proc/cmdline');
    await this.#terminalShows(/in \S+:42[^]*\nunion[^]*root=\/dev\/nfs/);
  }

  async useConsole(name: string): Promise<void> {
    await this.#inline(name, 'Open Console');
    await this.#page.locator('.tab.active', { hasText: `${name} console` }).waitFor();
    await this.#terminalShows(/\S/);
  }

  async openTimeline(name: string): Promise<void> {
    await this.#menu(name, 'Show Boot Timeline');
    await this.#page
      .locator('.view-line', { hasText: `Boot of ${name}` })
      .first()
      .waitFor();
    await this.#page.locator('.view-line', { hasText: 'kernel' }).first().waitFor();
  }

  async reboot(name: string): Promise<void> {
    await this.#page
      .locator('.tab', { hasText: new RegExp(`^${name}$`) })
      .first()
      .click();
    await this.#inline(name, 'Reboot Node');
    await this.#row(`${name}, booting`).waitFor({ timeout: 60_000 });
    await this.#row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
    await this.#terminalShows(/is booted again[^]*[#$] $/);
    await this.#typeInTerminal('echo back:$((5*5))');
    await this.#terminalShows(/back:25/);
  }

  async refuseName(): Promise<void> {
    await this.#palette('Bootyard: Create Node');
    const input = this.#page.locator('.quick-input-widget input[type="text"]').first();
    await input.waitFor();
    await input.fill('9 wrong');
    await this.#page.locator('.quick-input-message', { hasText: 'starts with a letter' }).waitFor();
    await input.press('Escape');
  }

  async refuseImageRemoval(): Promise<void> {
    await this.#choose(this.#imageRow(), 'Remove Image...');
    const toast = this.#page.locator('.notification-toast', { hasText: 'is used by vnode1' });
    await toast.waitFor();
    for (const action of ['Retry', 'Show Log'])
      await toast.locator('.monaco-button', { hasText: action }).waitFor();
    await toast.hover();
    await toast.locator('.codicon-notifications-clear').click();
    await toast.waitFor({ state: 'detached' });
  }

  async remove(name: string): Promise<void> {
    await this.#menu(name, 'Remove Node...');
    const dialog = this.#page.locator('.monaco-dialog-box');
    await dialog.getByText(`Remove ${name}?`).waitFor();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await this.#row(`${name}, `).waitFor({ state: 'detached', timeout: 60_000 });
    await this.#button('Create Node').waitFor();
  }

  async stopLab(): Promise<void> {
    await this.#palette('Bootyard: Stop Lab');
    await this.#button('Start Lab').waitFor({ timeout: 60_000 });
  }

  /** A button of a welcome view. */
  #button(name: string): Locator {
    return this.#page.locator('.welcome-view-content .monaco-button', { hasText: name }).first();
  }

  /** A node's row by what a screen reader says, which begins with name and state. */
  #row(spoken: string): Locator {
    return this.#page.locator(`.part.sidebar .monaco-list-row[aria-label^="${spoken}"]`);
  }

  #imageRow(): Locator {
    return this.#page.locator('.part.sidebar .monaco-list-row[aria-label^="pc-x86-64-tiny"]');
  }

  async #inline(name: string, action: string): Promise<void> {
    const row = this.#row(`${name}, `);
    await row.hover();
    await row.locator(`.action-label[aria-label^="${action}"]`).click();
  }

  async #menu(name: string, entry: string): Promise<void> {
    await this.#choose(this.#row(`${name}, `), entry);
  }

  async #choose(row: Locator, entry: string): Promise<void> {
    await row.click({ button: 'right' });
    const item = this.#page.locator('.context-view .action-item', { hasText: entry });
    await item.waitFor();
    // A menu that has just opened does not take the end of a click for one.
    await item.click({ delay: 300 });
    await item.waitFor({ state: 'detached' });
  }

  /** By the title bar: a terminal that has the focus takes keys for itself. */
  async #palette(command: string): Promise<void> {
    await this.#page.locator('.part.titlebar .command-center-center').first().click();
    const input = this.#page.locator('.quick-input-widget input[type="text"]').first();
    await input.waitFor();
    await input.fill(`>${command}`);
    await this.#page.locator('.quick-input-widget .monaco-list-row', { hasText: command }).first().click();
  }

  async #typeInTerminal(line: string): Promise<void> {
    await this.#page.locator('.terminal-wrapper.active .xterm').click();
    await this.#page.keyboard.type(line);
    await this.#page.keyboard.press('Enter');
  }

  /** Waits for text in the terminal on show; its rows hold no-break spaces. */
  async #terminalShows(pattern: RegExp): Promise<void> {
    const shown = `${String(pattern)}.test((${terminalText})())`;
    await this.#page.waitForFunction(shown, undefined, { timeout: 60_000 });
  }
}
