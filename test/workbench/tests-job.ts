import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import type { TestLab } from '../support/lab.ts';
import { importVariant } from '../support/variant.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const docs = join(import.meta.dirname, '../../docs');
const TINY = 'pc-x86-64-tiny';
const BOOT_MS = 240_000;
const SENTENCE = 'image no-kernel has no /boot/pc-x86-64/kernel';

const GOOD = `image: ${TINY}
settings: { ram: 256M }
expect:
  stage: booted
  commands:
    - { run: uname -s, output: ^Linux$ }
`;
const BROKEN = `image: no-kernel
settings: { boot.timeout: 30 }
expect:
  stage: booted
`;

/** Boot tests of a workspace, as a person finds and runs them, and sees why one fails. */
export async function runTestsJob(
  workbench: Workbench,
  lab: TestLab,
  logs: string,
  pictures: boolean,
): Promise<TestResult[]> {
  const job = new TestsJob(new Person(workbench), lab, join(workbench.workspace, 'tests'));
  if (pictures) mkdirSync(docs, { recursive: true });
  const steps: Step[] = [
    { title: 'files of boot tests are listed, with their cases', run: () => job.arrive() },
    { title: 'Run Test runs one: it passes', run: () => job.runGood() },
    {
      title: 'by the keyboard that of the file: it fails, and its line says why',
      run: () => job.runBroken(),
      picture: 'boot-tests',
    },
  ];
  return runSteps(workbench.page, 'boot tests', steps, { logs, album: pictures ? docs : logs });
}

class TestsJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #folder: string;

  constructor(person: Person, lab: TestLab, folder: string) {
    this.#person = person;
    this.#lab = lab;
    this.#folder = folder;
    mkdirSync(folder);
    this.#put('good', GOOD);
    this.#put('broken', BROKEN);
  }

  async arrive(): Promise<void> {
    await importVariant(this.#lab, 'no-kernel', { remove: ['boot/pc-x86-64/kernel'] });
    await this.#person.arrive();
    await this.#person.show('Testing');
    for (const name of ['broken', 'good']) {
      const file = this.#person.row(`tests/${name}.boot.yaml (`);
      await file.waitFor();
      await file.click();
      await this.#person.page.keyboard.press('ArrowRight');
      await this.#row(name, 'Not yet run').waitFor();
    }
  }

  async runGood(): Promise<void> {
    await this.#inline('good', 'Run Test');
    await this.#row('good', 'Passed').waitFor({ timeout: BOOT_MS });
    await this.#icon('good', 'passed').waitFor();
    await this.#row('broken', 'Not yet run').waitFor();
  }

  async runBroken(): Promise<void> {
    const { page } = this.#person;
    await page.keyboard.press('Control+P');
    await page.locator('.quick-input-widget input[type="text"]').first().fill('broken.boot.yaml');
    await this.#person.pick('broken.boot.yaml');
    await this.#line('image: no-kernel').click();
    await page.keyboard.press('Control+;');
    await page.keyboard.press('f');
    await this.#row('broken', 'Failed').waitFor({ timeout: BOOT_MS });
    await this.#icon('broken', 'failed').waitFor();
    await this.#row('good', 'Passed').waitFor();
    const said = page.locator('.part.editor .test-error-content-widget .content', { hasText: SENTENCE });
    await said.waitFor();
    const [line, message] = [await this.#line('stage: booted').boundingBox(), await said.boundingBox()];
    if (!line || !message || Math.abs(line.y - message.y) > line.height / 2)
      throw new Error(`the message is at ${JSON.stringify(message)}, the line at ${JSON.stringify(line)}`);
  }

  #put(name: string, text: string): void {
    writeFileSync(join(this.#folder, `${name}.boot.yaml`), text);
  }

  /** A case, in this state. */
  #row(name: string, state: string): Locator {
    return this.#person.row(`${name} (${state}`);
  }
  #icon(name: string, state: string): Locator {
    return this.#person.row(`${name} (`).locator(`.codicon-testing-${state}-icon`);
  }
  async #inline(name: string, action: string): Promise<void> {
    const row = this.#row(name, '');
    await row.hover();
    await row.locator(`.action-label[aria-label^="${action}"]`).click();
  }
  /** A line of the editor, with what is shown at its end. */
  #line(text: string): Locator {
    return this.#person.page.locator('.part.editor .view-line', { hasText: text });
  }
}
