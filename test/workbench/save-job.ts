import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { until, type TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';

/** What a node has changed, as a listing and as an image, by mouse and keyboard. */
export class SaveJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  async showChanges(node: string): Promise<void> {
    await this.#lab.inNode(node, 'rm /etc/profile; mkdir /srv/made; echo new >/srv/made/file');
    await this.#choose(node, 'Show Changes to Image');
    await this.#person.page.locator('.tab.active', { hasText: `${node} changes` }).waitFor();
    await this.#listed(/^D\s+\/etc\/profile$/);
    await this.#listed(/^A\s+4\sB\s+\/srv\/made\/file$/);
    await this.#listed(/^A\s+directory\s+\/srv\/made\/$/);
  }

  async saveAs(node: string, image: string): Promise<void> {
    await this.#choose(node, 'Save Node as Image...');
    const input = await this.#person.input(`Save ${node} as an image`);
    await input.fill('No');
    await this.#message('of small letters, digits and dashes');
    await input.fill('pc-x86-64-tiny');
    await this.#message('is there already and will be replaced');
    await input.fill(image);
    await input.press('Enter');
    await this.#person.input(`Save these changes of ${node}?`);
    // The listing can be read, and scrolled, while the question waits.
    await this.#person.page.locator('.part.editor .view-lines').click();
    await this.#listed(/^D\s+\/etc\/profile$/);
    await this.#person.pick('Do not save');
    if ((await this.#lab.images()).some(({ name }) => name === image)) throw new Error('it was saved');
    await until(
      'no file kept',
      () => readdirSync(this.#staging),
      (files) => files.length === 0,
    );
    await this.#choose(node, 'Save Node as Image...');
    await this.#person.answer(`Save ${node} as an image`, image);
    await this.#person.input(`Save these changes of ${node}?`);
    await this.#person.pick(`Save as image ${image}`);
    const toast = this.#person.toast(`Image ${image} is saved.`);
    await toast.getByRole('button', { name: 'Boot on a New Node...' }).waitFor();
    await this.#person.dismiss(toast);
    await this.#person.row(image).waitFor();
    const saved = (await this.#lab.images()).find(({ name }) => name === image);
    if (saved?.layers !== 2) throw new Error(`it has ${saved?.layers} layers`);
  }

  /** With a file that takes long to read. Nothing is left: no image, no file of the store, no program in the node. */
  async cancel(node: string, image: string): Promise<void> {
    await this.#lab.inNode(node, 'truncate -s 8G /srv/zeros');
    await this.#choose(node, 'Save Node as Image...');
    await this.#person.answer(`Save ${node} as an image`, image);
    const toast = this.#person.toast(`Comparing ${node} with its image`);
    await toast.filter({ hasText: /Reading from \S+ \d+\.\d MB/ }).waitFor();
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await toast.waitFor({ state: 'detached', timeout: 60_000 });
    await this.#person.noToast();
    const left =
      'ps | grep -E "[w]alt-dump-diff|[ ]tar "; ls -d /run/walt/rootfs/tmp/walt-diff.* 2>/dev/null; true';
    await until(
      'nothing left',
      async () => [...readdirSync(this.#staging), (await this.#lab.inNode(node, left)).trim()],
      (found) => found.join('') === '',
    );
    if ((await this.#lab.images()).some(({ name }) => name === image)) throw new Error('it was saved');
    await this.#lab.inNode(node, 'rm /srv/zeros');
  }

  get #staging(): string {
    return join(this.#lab.paths.images, 'bootyard/tmp');
  }

  /** One path into the image that the node runs on, which reboots it. */
  async push(node: string): Promise<void> {
    const { image, bootedAt } = await this.#lab.node(node);
    const before = (await this.#lab.images()).find(({ name }) => name === image)?.id;
    await this.#choose(node, 'Copy from Node into Its Image...');
    const input = await this.#person.input(`Copy from ${node} into image ${image}`);
    await input.fill('made');
    await this.#message('begins with /');
    await input.fill('/srv/made');
    await input.press('Enter');
    await this.#person.confirm('This operation would reboot 1 node(s)', 'Copy and Reboot');
    const toast = this.#person.toast(`Image ${image} has /srv/made of ${node}.`);
    await toast.waitFor({ timeout: 60_000 });
    await this.#person.dismiss(toast);
    await until(
      'the node on the new image',
      () => this.#lab.node(node),
      (now) => now.state === 'booted' && now.bootedAt !== bootedAt,
      240_000,
    );
    const after = (await this.#lab.images()).find(({ name }) => name === image)?.id;
    if (after === before) throw new Error('the image is what it was');
    if ((await this.#lab.inNode(node, 'cat /srv/made/file')) !== 'new\n') throw new Error('no file');
  }

  async #choose(node: string, entry: string): Promise<void> {
    const row = this.#person.row(`${node}, `);
    await row.click();
    await this.#person.choose(row, entry);
  }

  #line(pattern: RegExp): Locator {
    return this.#person.page.locator('.part.editor .view-line', { hasText: pattern });
  }

  /** The lines of an editor hold no-break spaces, which `\s` matches. */
  async #listed(pattern: RegExp): Promise<void> {
    await this.#line(pattern).first().waitFor();
  }

  async #message(text: string): Promise<void> {
    await this.#person.page.locator('.quick-input-message', { hasText: text }).waitFor();
  }
}
