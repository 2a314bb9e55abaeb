import type { FrameLocator, Locator } from 'playwright-core';
import { until, type TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';

/** The settings form, by mouse and keyboard. */
export class SettingsJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  async open(name: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${name}, `), 'Open Node Settings');
    await this.#shows(`Settings of ${name}`);
    await this.#holds('ram', '512M');
    await this.#holds('accel', 'auto');
    await this.#row('ram').getByText('needs a reboot', { exact: true }).waitFor();
    if ((await this.#row('boot.retries').getByText('needs a reboot').count()) > 0)
      throw new Error('boot.retries needs no reboot');
    // All that the daemon knows has a line: the form has no list of its own.
    const { settings } = await this.#lab.node(name);
    for (const setting of Object.keys(settings)) await this.#field(setting).waitFor();
    await this.#saveIs('disabled');
  }

  async refuseWrong(): Promise<void> {
    await this.#field('ram').fill('12');
    await this.#problem('ram', "ram value should be a number and M or G, such as 512M, not '12'");
    if ((await this.#field('ram').getAttribute('aria-invalid')) !== 'true') throw new Error('not marked');
    await this.#saveIs('disabled');
    await this.#field('ram').fill('640M');
    await this.#problem('ram', '');
    await this.#saveIs('enabled');
    await this.#row('ram').getByRole('button', { name: 'Reset ram to its default, 512M' }).click();
    await this.#holds('ram', '512M');
    await this.#saveIs('disabled');
  }

  /** What was typed and not saved outlives the page: in a tab behind another one, and in a window that is loaded again. */
  async keepEdits(name: string): Promise<void> {
    await this.#field('ram').fill('640M');
    await this.#person.choose(this.#person.row(`${name}, `), 'Show Boot Timeline');
    await this.#person.page.locator('.tab.active', { hasText: 'boot timeline' }).waitFor();
    await this.#person.page.locator('.tab', { hasText: 'Settings of' }).click();
    await this.#holds('ram', '640M');
    await this.#field('boot.timeout').fill('none');
    await this.#saveIs('enabled');
    await this.#person.palette('Developer: Reload Window');
    await this.#person.page.waitForEvent('load');
    await this.#shows(`Settings of ${name}`);
    await this.#holds('ram', '640M');
    await this.#holds('boot.timeout', 'none');
    await this.#saveIs('enabled');
  }

  async save(name: string): Promise<void> {
    await this.#field('disks').fill('1G[template=ext4]');
    await this.#saveIs('enabled');
    await this.#person.page.keyboard.press('Control+s');
    await this.#form.getByText('Done. Reboot node(s) to see new settings in effect.').waitFor();
    await this.#saveIs('disabled');
    const { settings } = await this.#lab.node(name);
    const expected = { ram: '640M', 'boot.timeout': 'none', disks: '1G[template=ext4]', accel: 'auto' };
    for (const [setting, value] of Object.entries(expected)) {
      const has: unknown = Object.entries(settings).find(([key]) => key === setting)?.[1];
      if (has !== value) throw new Error(`${setting} is ${String(has)}`);
    }
  }

  async rebootFromForm(name: string): Promise<void> {
    await this.#form.getByRole('button', { name: 'Reboot Now' }).click();
    await this.#person.row(`${name}, booting`).waitFor({ timeout: 60_000 });
    await this.#person.row(`${name}, booted`).waitFor({ timeout: 240_000 });
    const disks = await this.#lab.inNode(name, 'cat /sys/block/sda/size');
    if (Number(disks) * 512 !== 1e9) throw new Error(`sda has ${disks} sectors`);
  }

  async followOthers(name: string, next: string): Promise<void> {
    await this.#field('boot.retries').fill('5');
    await this.#lab.bootyard('node', 'config', name, 'ram=700M', 'accel=tcg');
    await this.#lab.bootyard('node', 'rename', name, next);
    await this.#shows(`Settings of ${next}`);
    await this.#holds('ram', '700M');
    await this.#holds('accel', 'tcg');
    await this.#holds('boot.retries', '5');
    await this.#lab.bootyard('node', 'rename', next, name);
    await this.#shows(`Settings of ${name}`);
  }

  async askBeforeLoss(name: string): Promise<void> {
    await this.#field('disks').fill('1G[template=fat32]');
    await this.#saveIs('enabled');
    await this.#save.click();
    const dialog = this.#person.page.locator('.monaco-dialog-box');
    await dialog.getByText(`Node ${name}: `).waitFor();
    await this.#person.confirm('Use an empty disk?', 'Cancel');
    const kept = await this.#lab.node(name);
    if (kept.settings.disks !== '1G[template=ext4]') throw new Error(`disks is ${kept.settings.disks}`);
    await this.#saveIs('enabled');
    await this.#save.click();
    await this.#person.confirm('Use an empty disk?', 'Use Empty Disk');
    await this.#form.getByText('Done. Reboot node(s)').waitFor();
    await until(
      'the new disk',
      () => this.#lab.node(name),
      ({ settings }) => settings.disks === '1G[template=fat32]',
    );
  }

  async severalNodes(first: string, second: string): Promise<void> {
    await this.#person.row(`${first}, `).click();
    await this.#person.row(`${second}, `).click({ modifiers: ['Control'] });
    await this.#person.choose(this.#person.row(`${second}, `), 'Open Node Settings');
    await this.#shows(`Settings of ${first} and ${second}`);
    await this.#holds('ram', '');
    const placeholder = await this.#field('ram').getAttribute('placeholder');
    if (placeholder !== 'mixed') throw new Error(`ram shows ${placeholder}`);
    const accel = this.#row('accel').locator('option:checked');
    if ((await accel.textContent()) !== 'mixed') throw new Error('accel is not mixed');
    await this.#field('accel').selectOption('tcg');
    await this.#saveIs('enabled');
    await this.#save.click();
    await this.#form.getByText('Done. Reboot node(s)').waitFor();
    const [one, two] = [await this.#lab.node(first), await this.#lab.node(second)];
    if (one.settings.accel !== 'tcg' || two.settings.accel !== 'tcg') throw new Error('not both have it');
    if (one.settings.ram === two.settings.ram) throw new Error('what was not touched has changed');
  }

  /** Only labels and keys are needed: each control has a name, and the tab key reaches Save. */
  async byKeyboard(): Promise<void> {
    const nameless = await this.#form
      .locator('input:not([aria-describedby]), select:not([aria-describedby])')
      .count();
    if (nameless > 0) throw new Error(`${nameless} controls without a description`);
    await this.#field('boot.retries').focus();
    await this.#person.page.keyboard.press('Control+a');
    await this.#person.page.keyboard.type('7');
    await this.#saveIs('enabled');
    for (let presses = 0; presses < 60; presses++) {
      await this.#person.page.keyboard.press('Tab');
      if (await this.#form.locator('#save:focus').count()) break;
    }
    await this.#person.page.keyboard.press('Enter');
    await this.#form.getByText(/^Done\.$/).waitFor();
  }

  async closeWhenRemoved(...names: string[]): Promise<void> {
    for (const name of names) await this.#lab.bootyard('node', 'remove', name, '--force');
    await this.#person.page.locator('.tab', { hasText: 'Settings of' }).waitFor({ state: 'detached' });
  }

  get #form(): FrameLocator {
    return this.#person.webview();
  }
  get #save(): Locator {
    return this.#form.getByRole('button', { name: 'Save', exact: true });
  }

  async #shows(title: string): Promise<void> {
    await this.#person.page.locator('.tab.active', { hasText: title }).waitFor({ timeout: 60_000 });
    await this.#form.getByRole('heading', { name: title, exact: true }).waitFor({ timeout: 60_000 });
  }

  #field(setting: string): Locator {
    return this.#form.getByLabel(setting, { exact: true });
  }
  #row(setting: string): Locator {
    return this.#form.locator('.field', { has: this.#field(setting) });
  }
  async #holds(setting: string, value: string): Promise<void> {
    await until(
      `${setting} in the form`,
      () => this.#field(setting).inputValue(),
      (shown) => shown === value,
    );
  }
  async #problem(setting: string, sentence: string): Promise<void> {
    const text = this.#row(setting).locator('.problem');
    await until(
      `what is wrong with ${setting}`,
      () => text.innerText(),
      (shown) => (sentence === '' ? shown === '' : shown.includes(sentence)),
    );
  }
  async #saveIs(state: 'enabled' | 'disabled'): Promise<void> {
    await until(
      'the Save button',
      () => this.#save.isEnabled(),
      (enabled) => enabled === (state === 'enabled'),
    );
  }
}
