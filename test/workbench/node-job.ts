import type { Locator } from 'playwright-core';
import { PANEL_TERMINAL, type Person } from './person.ts';

const BOOT_MS = 240_000;
const IMAGE = 'pc-x86-64-tiny';
const PROFILE = 'Create New Terminal (With Profile)';

/** Lab and nodes, by mouse and keyboard. */
export class NodeJob {
  readonly #person: Person;

  constructor(person: Person) {
    this.#person = person;
  }

  async openView(): Promise<void> {
    await this.#person.arrive();
    await this.#person.button('Start Lab').waitFor();
    await this.#person.page.locator('.statusbar-item', { hasText: 'Bootyard' }).first().waitFor();
  }

  async startLab(): Promise<void> {
    await this.#person.button('Start Lab').click();
    await this.#person.button('Create Node').waitFor({ timeout: 60_000 });
    await this.#person.row(IMAGE).waitFor();
  }

  async createNode(name: string): Promise<void> {
    await this.#person.button('Create Node').click();
    await this.#person.answer('New node', name);
    await this.#person.row(`${name}, booting, stage kernel`).waitFor({ timeout: 60_000 });
  }

  async waitBooted(name: string): Promise<void> {
    await this.#person.row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
    await this.#person.page.locator('.statusbar-item', { hasText: '1/1' }).first().waitFor();
  }

  async useShell(name: string): Promise<void> {
    await this.#person.inline(name, 'Open Shell');
    await this.#person.terminalShows(/[#$] $/);
    await this.#person.typeInTerminal('echo "in $(uname -n):$((6*7))"; df -h /; cut -c1-76 /proc/cmdline');
    await this.#person.terminalShows(/in \S+:42[^]*\nunion[^]*root=\/dev\/nfs/);
  }

  async useConsole(name: string): Promise<void> {
    await this.#person.inline(name, 'Open Console');
    await this.#person.page.locator('.tab.active', { hasText: `${name} console` }).waitFor();
    await this.#person.terminalShows(/\S/);
  }

  async openTimeline(name: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${name}, `), 'Show Boot Timeline');
    const page = this.#person.webview();
    await page.getByRole('heading', { name: `Boot 1 of ${name} on ${IMAGE}: booted, ` }).waitFor();
    const stage = (title: string): Locator => page.getByRole('treeitem', { name: new RegExp(`^${title}: `) });
    for (const title of ['firmware', 'dhcp', 'kernel', 'walt-init', 'init']) await stage(title).waitFor();
    await page.getByRole('treeitem', { name: /^http \/boot\/kernel: .*\d MB at / }).waitFor();
  }

  /** A stage closes and opens again by keys, and the scale grows. */
  async moveInTimeline(): Promise<void> {
    const page = this.#person.webview();
    const stage = page.getByRole('treeitem', { name: /^boot files: / });
    const file = page.getByRole('treeitem', { name: /^tftp \/start\.ipxe: / });
    await stage.focus();
    await stage.press('ArrowLeft');
    await file.waitFor({ state: 'hidden' });
    await stage.press('ArrowRight');
    await file.waitFor();
    const width = async (): Promise<number> => (await file.locator('.track').boundingBox())?.width ?? 0;
    const before = await width();
    await stage.press('+');
    if ((await width()) < before * 1.4) throw new Error(`${await width()} wide after ${before}`);
    await stage.press('0');
    if (Math.abs((await width()) - before) > 1) throw new Error('it does not fit again');
  }

  /** From a boot file in the timeline to the file in the image. */
  async openBootFile(): Promise<void> {
    await this.#person
      .webview()
      .getByRole('treeitem', { name: /^tftp \/start\.ipxe: / })
      .click();
    await this.#person.page.locator('.tab.active', { hasText: 'start.ipxe' }).waitFor();
    await this.#person.page.locator('.view-line', { hasText: '#!ipxe' }).first().waitFor();
  }

  /** From a line of the kernel to where it stands in the console's text. */
  async openConsoleLine(): Promise<void> {
    await this.#person
      .webview()
      .getByRole('treeitem', { name: /^\[ *[0-9.]+\] Linux version / })
      .first()
      .click();
    await this.#person.page.locator('.tab.active', { hasText: 'console with times' }).waitFor();
    await this.#isSelected(/^\S+Z.*Linux.version/);
  }

  async capture(name: string): Promise<void> {
    await this.#person.palette('Bootyard: Start Capturing Packets');
    await this.#person.input('Capture the packets of which nodes?');
    await this.#person.page.locator('.quick-input-action').getByRole('button', { name: 'OK' }).click();
    await this.#person.said(`The packets of ${name} are captured now`);
  }

  /** From a DHCP message of the last boot to its packet. */
  async openPacket(name: string): Promise<void> {
    await this.#person.page.locator('.tab', { hasText: `${name} boot timeline` }).click();
    const page = this.#person.webview();
    await page.getByRole('heading', { name: `Boot 1 of ${name} on ` }).waitFor();
    await page.locator('#boot').selectOption({ index: 0 });
    await page.getByRole('heading', { name: `Boot 2 of ${name} on ` }).waitFor();
    await page
      .getByRole('treeitem', { name: /^DISCOVER: OFFER / })
      .first()
      .click();
    await this.#person.page
      .locator('.tab.active', { hasText: `${name} packets of boot 2, walt-net` })
      .waitFor();
    await this.#isSelected(/DHCP.*DISCOVER/);
  }

  /** A line of an editor that is selected, and in sight. */
  async #isSelected(text: RegExp): Promise<void> {
    const page = this.#person.page;
    const line = page.locator('.editor-instance .view-line', { hasText: text });
    const selection = page.locator('.editor-instance .selected-text').first();
    await selection.waitFor();
    const tops = async (): Promise<number[]> =>
      await line.evaluateAll((found) => found.map((one) => one.getBoundingClientRect().top));
    for (let tries = 0; tries < 50; tries++) {
      const top = (await selection.boundingBox())?.y ?? -1;
      if ((await tops()).some((one) => Math.abs(one - top) < 2)) return;
      await page.waitForTimeout(200);
    }
    throw new Error(`no line like ${String(text)} is selected`);
  }

  async compareBoots(name: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${name}, `), 'Show Boot Timeline');
    const page = this.#person.webview();
    await page.getByRole('heading', { name: `Boot 2 of ${name} on ` }).waitFor();
    const boots = page.locator('#compare');
    const first = (await boots.locator('option').allTextContents()).find((label) => label.startsWith('1: '));
    await boots.selectOption({ label: first ?? '' });
    await page.locator('.stage .bar.other').first().waitFor();
    await page.locator('#boot').selectOption({ label: first ?? '' });
    await page.getByRole('heading', { name: `Boot 1 of ${name} on ` }).waitFor();
  }

  async reboot(name: string): Promise<void> {
    const tab = this.#person.page.locator('.tab', { hasText: new RegExp(`^${name}$`) });
    await tab.first().click();
    await this.#person.inline(name, 'Reboot Node');
    await this.#person.row(`${name}, booting`).waitFor({ timeout: 60_000 });
    await this.#person.row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
    await this.#person.terminalShows(/is booted again[^]*[#$] $/);
    await this.#person.typeInTerminal('echo back:$((5*5))');
    await this.#person.terminalShows(/back:25/);
  }

  async dropBesideNodes(above: string, name: string): Promise<void> {
    await this.#person.grab(this.#person.row(IMAGE));
    await this.#person.over(this.#person.row(`${above}, `), 80);
    await this.#person.release();
    await this.#person.answer('New node', name);
    await this.#person.row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
  }

  /** With two nodes, so that the profile has to ask: first taken back, which leaves no terminal and no complaint. */
  async useProfile(name: string): Promise<void> {
    await this.#askProfile();
    await (await this.#person.input('Open a shell in which node?')).press('Escape');
    await this.#askProfile();
    await this.#person.input('Open a shell in which node?');
    await this.#person.pick(name);
    await this.#person.terminalShows(/[#$] $/, PANEL_TERMINAL);
    await this.#person.typeInTerminal('echo "profile in $(uname -n)"', PANEL_TERMINAL);
    await this.#person.terminalShows(new RegExp(`\\nprofile in ${name}`), PANEL_TERMINAL);
    const tabs = await this.#person.page.locator('.part.panel .terminal-wrapper').count();
    if (tabs !== 1) throw new Error(`${tabs} terminals in the panel`);
    await this.#person.noToast();
  }

  /** The terminal that the profile made is the extension's: it follows the name of its node. */
  async renameUnderProfile(name: string, next: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${name}, `), 'Rename Node...');
    await this.#person.answer(`Rename ${name}`, next);
    const title = this.#person.page.locator('.part.panel .single-terminal-tab', { hasText: next });
    await title.waitFor();
    await this.#person.typeInTerminal('exit', PANEL_TERMINAL);
    await this.#person.page.locator(PANEL_TERMINAL).waitFor({ state: 'detached' });
  }

  async dropOnNode(name: string): Promise<void> {
    await this.#person.grab(this.#person.row(IMAGE));
    await this.#person.over(this.#person.row(`${name}, `));
    await this.#person.release();
    await this.#person.confirm(`Boot ${name} on ${IMAGE}?`, 'Boot');
    await this.#person.row(`${name}, booting`).waitFor({ timeout: 60_000 });
    await this.#person.row(`${name}, booted`).waitFor({ timeout: BOOT_MS });
  }

  async refuseName(): Promise<void> {
    await this.#person.palette('Bootyard: Create Node...');
    const input = await this.#person.input('New node');
    await input.fill('9 wrong');
    const message = this.#person.page.locator('.quick-input-message', { hasText: 'starts with a letter' });
    await message.waitFor();
    await input.press('Escape');
  }

  async remove(name: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${name}, `), 'Remove Node...');
    await this.#person.confirm(`Remove ${name}?`, 'Remove');
    await this.#person.row(`${name}, `).waitFor({ state: 'detached', timeout: 60_000 });
  }

  async refuseProfile(): Promise<void> {
    await this.#person.button('Create Node').waitFor();
    await this.#askProfile();
    const toast = this.#person.page.locator('.notification-toast');
    await toast.filter({ hasText: 'There is no node yet: create one first.' }).waitFor();
    if ((await toast.count()) !== 1) throw new Error('more than one notification');
    await this.#person.dismiss(toast);
  }

  async stopLab(): Promise<void> {
    await this.#person.palette('Bootyard: Stop Lab');
    await this.#person.button('Start Lab').waitFor({ timeout: 60_000 });
  }

  /** With nodes that are on, it asks. */
  async stopLabWith(running: number): Promise<void> {
    await this.#person.palette('Bootyard: Stop Lab');
    await this.#person.confirm(`${running} node`, 'Stop');
    await this.#person.button('Start Lab').waitFor({ timeout: 60_000 });
  }

  async #askProfile(): Promise<void> {
    await this.#person.palette(PROFILE);
    await this.#person.pick('Bootyard: Node Shell');
  }
}
