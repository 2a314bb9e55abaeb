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

/** Boot tests of a workspace, as a person finds, runs, debugs and mends them. */
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
    { title: 'Debug Test shows the console, and the node that fails stays', run: () => job.debugBroken() },
    {
      title: 'a file that is wrong has no cases, and run it says why at its line',
      run: () => job.breakFile(),
    },
    { title: 'once it is mended, Rerun Failed Tests passes', run: () => job.rerun() },
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
    await this.#open('broken.boot.yaml');
    await this.#line('image: no-kernel').click();
    await page.keyboard.press('Control+;');
    await page.keyboard.press('f');
    await this.#row('broken', 'Failed').waitFor({ timeout: BOOT_MS });
    await this.#icon('broken', 'failed').waitFor();
    await this.#row('good', 'Passed').waitFor();
    await this.#saysAt('stage: booted', SENTENCE);
  }

  async debugBroken(): Promise<void> {
    await this.#inline('broken', 'Debug Test');
    await this.#person.terminalShows(/iPXE/, undefined, BOOT_MS);
    await this.#row('broken', 'Failed').waitFor({ timeout: BOOT_MS });
    const [node] = await this.#lab.nodes();
    // It goes on: without a kernel the firmware tries again some times.
    if (node?.name !== 'test-broken') throw new Error(`it has left ${JSON.stringify(node)}`);
    await this.#person.show('Bootyard');
    await this.#person.row('test-broken, ').waitFor();
    await this.#person.show('Testing');
  }

  async breakFile(): Promise<void> {
    const file = 'tests/broken.boot.yaml (';
    this.#put('broken', BROKEN.replace('stage: booted', 'stage: login'));
    await this.#row('broken', '').waitFor({ state: 'detached' });
    await this.#act(this.#person.row(file), 'Run Test');
    await this.#person.row(`${file}Errored`).waitFor();
    await this.#open('broken.boot.yaml');
    await this.#saysAt('stage: login', 'expect.stage: Invalid option');
  }

  async rerun(): Promise<void> {
    this.#put('broken', BROKEN.replace('no-kernel', TINY));
    await this.#row('broken', '').waitFor();
    await this.#person.palette('Test: Rerun Failed Tests');
    await this.#row('broken', 'Passed').waitFor({ timeout: BOOT_MS });
    await this.#icon('broken', 'passed').waitFor();
    await this.#person.noToast();
  }

  async #open(file: string): Promise<void> {
    const { page } = this.#person;
    await page.keyboard.press('Control+P');
    await page.locator('.quick-input-widget input[type="text"]').first().fill(file);
    await this.#person.pick(file);
  }
  /** A message stands at the end of this line of the editor. */
  async #saysAt(line: string, sentence: string): Promise<void> {
    const widgets = this.#person.page.locator('.part.editor .test-error-content-widget .content');
    const said = widgets.filter({ hasText: sentence });
    await said.waitFor();
    const [at, message] = [await this.#line(line).boundingBox(), await said.boundingBox()];
    if (!at || !message || Math.abs(at.y - message.y) > at.height / 2)
      throw new Error(`the message is at ${JSON.stringify(message)}, the line at ${JSON.stringify(at)}`);
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
    await this.#act(this.#row(name, ''), action);
  }
  async #act(row: Locator, action: string): Promise<void> {
    await row.hover();
    await row.locator(`.action-label[aria-label^="${action}"]`).click();
  }
  /** A line of the editor, with what is shown at its end. */
  #line(text: string): Locator {
    return this.#person.page.locator('.part.editor .view-line', { hasText: text });
  }
}
