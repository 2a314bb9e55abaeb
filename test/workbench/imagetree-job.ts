import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, type TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';
import type { Step } from './steps.ts';

const IMAGE = 'pc-x86-64-tiny';
const LINE = 'LABEL walt.server.minversion="4"';

/** The Images view and what is done to images there, by mouse and keyboard, while two nodes run on the default image. */
export class ImageTreeJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #dockerfile: string;

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    const folder = join(workspace, 'router');
    mkdirSync(folder);
    this.#dockerfile = join(folder, 'Dockerfile');
    writeFileSync(this.#dockerfile, `FROM ${IMAGE}\nLABEL walt.server.minversion=soon\nCMD ["/sbin/init"]\n`);
  }

  steps(): Step[] {
    return [
      { title: 'images stand in groups, with how many nodes use them', run: () => this.#groupsAndBadge() },
      { title: 'an image is duplicated, and a name that is taken refused', run: () => this.#duplicate() },
      { title: 'what was done to an image is shown', run: () => this.#show() },
      {
        title: 'the check of an image shows its findings in the Dockerfile that builds it',
        run: () => this.#check(),
        picture: 'image-problems',
      },
      { title: 'a quick fix writes the line into the Dockerfile', run: () => this.#fixDockerfile() },
      { title: 'another one changes the image itself', run: () => this.#fixImage() },
      { title: 'a change of an image in use asks first', run: () => this.#refuseReboot() },
      { title: 'an image is renamed, found by the filter, and removed', run: () => this.#renameAndRemove() },
    ];
  }

  async #groupsAndBadge(): Promise<void> {
    const { page } = this.#person;
    await this.#person.row('Default Images, 1 image').waitFor();
    const row = this.#person.row(`${IMAGE}, `);
    await row.waitFor();
    // A badge is drawn by a style's content.
    const badge = `[...document.querySelectorAll('.monaco-list-row[aria-label^="${IMAGE}, "] *')]
      .some((part) => getComputedStyle(part, '::after').content === '"2"')`;
    await page.waitForFunction(badge);
    await row.hover();
    await page.locator('.monaco-hover', { hasText: 'shared' }).waitFor();
    await page.mouse.move(900, 300);
  }

  async #duplicate(): Promise<void> {
    await this.#person.choose(this.#person.row(`${IMAGE}, `), 'Duplicate Image...');
    const input = await this.#person.input(`Duplicate ${IMAGE} as`);
    await input.fill(IMAGE);
    await this.#person.page.locator('.quick-input-message', { hasText: 'There is an image' }).waitFor();
    await input.fill('router');
    await input.press('Enter');
    await this.#person.row('Own Images, 1 image').waitFor();
    await this.#person.row('router, ').waitFor();
    await this.#lab.bootyard('image', 'label', 'router', 'walt.server.minversion=soon');
    await this.#person.row('router, ').filter({ hasText: 'warning' }).waitFor({ timeout: 60_000 });
  }

  async #show(): Promise<void> {
    await this.#person.choose(this.#person.row('router, '), 'Show Image History');
    await this.#listed('router history', /image\slabel\srouter\swalt\.server\.minversion=soon/);
    await this.#person.choose(this.#person.row('router, '), 'Show Image Details');
    await this.#listed('router details', /^labels\s+walt\./);
    await this.#person.choose(this.#person.row('router, '), 'List Differences of Images...');
    await this.#person.input('By what does which image differ from router?');
    await this.#person.pick(IMAGE);
    await this.#listed(`router and ${IMAGE}`, /^0\sadded\s\(0\sB\),\s0\smodified/);
  }

  async #check(): Promise<void> {
    await this.#person.choose(this.#person.row('router, '), 'Check Image');
    const problem = this.#person.page.locator('.markers-panel .monaco-list-row', { hasText: 'minversion' });
    await problem.first().waitFor({ timeout: 60_000 });
    await this.#person.page
      .locator('.markers-panel .monaco-list-row', { hasText: 'Dockerfile' })
      .first()
      .waitFor();
    await problem.first().dblclick();
    await this.#person.page.locator('.tab.active', { hasText: 'Dockerfile' }).waitFor();
    await this.#person.page.locator('.part.editor .squiggly-warning').first().waitFor();
  }

  async #fixDockerfile(): Promise<void> {
    await this.#quickFix(`Add to Dockerfile: ${LINE}`);
    await this.#person.page.keyboard.press('Control+s');
    const wanted = `FROM ${IMAGE}\nLABEL walt.server.minversion=soon\n${LINE}\nCMD ["/sbin/init"]\n`;
    await until(
      'the line in the file',
      () => readFileSync(this.#dockerfile, 'utf8'),
      (text) => text === wanted,
    );
  }

  async #fixImage(): Promise<void> {
    // The finding follows the label to its new line.
    const moved = this.#person.page.locator('.markers-panel .monaco-list-row', { hasText: 'Ln 3' });
    await moved.first().waitFor();
    await this.#quickFix(`Change image router: ${LINE}`);
    await until(
      'the label',
      async () => (await this.#lab.images()).find(({ name }) => name === 'router')?.labels,
      (labels) => labels?.['walt.server.minversion'] === '4',
    );
    await this.#person.page
      .locator('.markers-panel .monaco-list-row', { hasText: 'minversion' })
      .first()
      .waitFor({ state: 'detached', timeout: 60_000 });
    await this.#person.row('router, ').filter({ hasNotText: 'warning' }).waitFor();
  }

  async #refuseReboot(): Promise<void> {
    await this.#person.choose(this.#person.row(`${IMAGE}, `), 'Set Label of Image...');
    await this.#person.answer(`Label of ${IMAGE}`, 'colour=blue');
    await this.#person.confirm(`Change the label colour of image ${IMAGE}?`, 'Cancel');
    const image = (await this.#lab.images()).find(({ name }) => name === IMAGE);
    if (image?.labels.colour !== undefined) throw new Error('the label was set');
  }

  async #renameAndRemove(): Promise<void> {
    await this.#person.choose(this.#person.row('router, '), 'Rename Image...');
    await this.#person.answer('Rename router to', 'gateway');
    await this.#person.row('gateway, ').waitFor();
    await this.#person.palette('Bootyard: Filter Images');
    await this.#person.answer('Filter images', 'gate @unused');
    await this.#person.row(`${IMAGE}, `).waitFor({ state: 'detached' });
    await this.#person.palette('Bootyard: Clear Filter of Images');
    await this.#person.row(`${IMAGE}, `).waitFor();
    await this.#person.choose(this.#person.row('gateway, '), 'Remove Image...');
    await this.#person.confirm('Remove the image "gateway"?', 'Remove');
    await this.#person.row('Own Images').waitFor({ state: 'detached' });
    await this.#person.page.keyboard.press('Control+j');
  }

  /** The light bulb's menu where the cursor is, which double-clicking the problem has put into its line. */
  async #quickFix(title: string): Promise<void> {
    const problem = this.#person.page.locator('.markers-panel .monaco-list-row', { hasText: 'minversion' });
    await problem.first().dblclick();
    await this.#person.page.locator('.part.editor .monaco-editor.focused').waitFor();
    await this.#person.page.keyboard.press('Control+.');
    const action = this.#person.page.locator('.action-widget .monaco-list-row', { hasText: title });
    await action.click();
    await action.waitFor({ state: 'detached' });
  }

  async #listed(tab: string, line: RegExp): Promise<void> {
    await this.#person.page.locator('.tab.active', { hasText: tab }).waitFor();
    await this.#person.page.locator('.part.editor .view-line').filter({ hasText: line }).first().waitFor();
  }
}
