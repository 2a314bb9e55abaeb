import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const TINY = 'pc-x86-64-tiny';
const BOOT_MS = 240_000;
const NAME = 'bootyard.yaml';
/** The cursor goes to the end of it. */
const FILE = `nodes:
  web:
    image: ${TINY}
    power: off
    settings: { ram: 256M }
  db:
    power: off
    `;

/** A lab as a file, as a person writes it, applies it, and goes from it to its nodes. */
export async function runLabFileJob(workbench: Workbench, logs: string): Promise<TestResult[]> {
  const job = new LabFileJob(new Person(workbench), join(workbench.workspace, NAME));
  const steps: Step[] = [
    { title: 'what is wrong is a problem at its place', run: () => job.arrive() },
    { title: 'Apply above the file makes its nodes', run: () => job.apply() },
    { title: 'Boot above a node boots it', run: () => job.boot() },
    { title: 'so do Timeline and Console', run: () => job.look() },
    { title: 'a name and an image are completed, and explained', run: () => job.complete() },
    { title: 'applied again, only that has changed', run: () => job.applyAgain() },
  ];
  return runSteps(workbench.page, 'lab file', steps, { logs, album: logs });
}

class LabFileJob {
  readonly #person: Person;
  readonly #file: string;

  constructor(person: Person, file: string) {
    this.#person = person;
    this.#file = file;
    writeFileSync(file, FILE.replace('image', 'imag'));
  }

  async arrive(): Promise<void> {
    const { page } = this.#person;
    await this.#person.arrive();
    await page.keyboard.press('Control+P');
    await page.locator('.quick-input-widget input[type="text"]').first().fill(NAME);
    await this.#person.pick(NAME);
    await page.locator('.part.editor .squiggly-error').first().waitFor();
    await this.#text('imag:').click();
    await page.keyboard.press('F8');
    await page
      .locator('.marker-widget', { hasText: "A node has no 'imag': did you mean 'image'?" })
      .waitFor();
    await page.keyboard.press('Escape');
    writeFileSync(this.#file, FILE);
    await page.locator('.part.editor .squiggly-error').first().waitFor({ state: 'detached' });
  }

  async apply(): Promise<void> {
    await this.#lens('Apply').click();
    await this.#person.confirm(`Apply ${NAME}?`, 'Apply');
    await this.#person.row('web, off').waitFor({ timeout: 60_000 });
    await this.#person.row('db, off').waitFor();
    await this.#lens('Boot').nth(1).waitFor();
  }

  async boot(): Promise<void> {
    await this.#lens('Boot').first().click();
    await this.#person.row('web, booted').waitFor({ timeout: BOOT_MS });
    await this.#person.row('db, off').waitFor();
  }

  async look(): Promise<void> {
    const { page } = this.#person;
    await this.#lens('Timeline').first().click();
    await page.locator('.tab.active', { hasText: 'web boot timeline' }).waitFor();
    await page.locator('.tab', { hasText: NAME }).click();
    await this.#lens('Console').first().click();
    await this.#person.terminalShows(/\*\*\*/);
    await page.locator('.tab', { hasText: NAME }).click();
  }

  async complete(): Promise<void> {
    const { page } = this.#person;
    await this.#text('db:').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('ima');
    await this.#take('image');
    await page.keyboard.press('Control+Space');
    await this.#take(TINY);
    await this.#text(`image: ${TINY}`).nth(1).waitFor();
    await this.#text('settings:').getByText('settings').hover();
    await page.locator('.monaco-hover', { hasText: 'settings by the names of' }).waitFor();
  }

  async applyAgain(): Promise<void> {
    await this.#lens('Apply').click();
    const dialog = this.#person.page.locator('.monaco-dialog-box');
    await dialog.getByText('stop node web: the file wants it off').waitFor();
    await dialog.getByText('Node web runs, and is switched off.').waitFor();
    if ((await dialog.innerText()).includes('db')) throw new Error(await dialog.innerText());
    await this.#person.confirm(`Apply ${NAME}?`, 'Apply');
    await this.#person.row('web, off').waitFor();
    await this.#lens('Apply').click();
    await this.#person.said(`Nothing to do: the lab is as ${NAME} says.`);
  }

  /** Chooses a proposal by the keyboard, once it is the one that is proposed first. */
  async #take(word: string): Promise<void> {
    const { page } = this.#person;
    const first = page.locator('.suggest-widget.visible .monaco-list-row.focused');
    await first.and(page.locator(`[aria-label^="${word}"]`)).waitFor();
    await page.keyboard.press('Enter');
  }
  #text(text: string): Locator {
    return this.#person.page.locator('.part.editor .view-line', { hasText: text });
  }
  #lens(title: string): Locator {
    return this.#person.page.locator('.part.editor .codelens-decoration a', { hasText: title });
  }
}
