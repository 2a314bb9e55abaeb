import type { Locator } from 'playwright-core';
import { bootMode, PARTITION } from '../support/hybrid-node.ts';
import { until, type TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';

const IMAGE = 'pc-x86-64-tiny';

interface Copy {
  image: string | null;
}

/** Hybrid boot and the copies of images on disks, by mouse and keyboard. */
export class HybridJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  /** The row tells how far the copy is. */
  async followCopy(node: string): Promise<void> {
    await this.#lab.bootyard('node', 'create', node, '--image', IMAGE, 'disks=1G[template=hybrid-boot-p]');
    const progress = /Copying image: \S+ [kM]?B of \S+ MB, \d+ s left, \d+ of \d+ files, \S+ [kM]?B\/s/;
    await this.#person.row(`${node}, booting`).filter({ hasText: progress }).waitFor({ timeout: 240_000 });
    await this.#person.row(`${node}, booted`).waitFor({ timeout: 240_000 });
    if ((await bootMode(this.#lab, node)) !== 'hybrid-persistent') throw new Error('no hybrid boot');
  }

  /** The disk, in use, and the copy on it, which can be removed; Escape removes nothing. */
  async listCopies(node: string): Promise<void> {
    await until(
      'a report of the copy',
      () => this.#copies(node),
      (copies) => copies.length === 1,
    );
    await this.#choose(node, 'Show Disks');
    await this.#item('disk_0').getByText('1.0 GB · hybrid-boot-p · in use').waitFor();
    const copy = this.#item(IMAGE);
    await copy.getByText(/^[0-9a-f]{12} · sda1 · complete · booted \d+ s ago$/).waitFor();
    await copy.getByText(/^image \d+ MB · \S+ [kM]?B written and kept · \S+ [kM]?B in \/local$/).waitFor();
    await copy.hover();
    await copy.locator('[aria-label^="Remove Image Copy"]').click();
    await this.#person.confirm(`Remove the copy of ${IMAGE} from the disk of ${node}?`, 'Cancel');
    if ((await this.#copies(node)).length !== 1) throw new Error('it was removed');
  }

  /**
   * No room for the other image while what was written on this one is kept: the editor offers to let it go, where the boot
   * fails and, whoever began that, in the node's menu.
   */
  async letGo(node: string, other: string): Promise<void> {
    const room = `$(($(stat -f -c '%a * %S' ${PARTITION}) / 1048576 - 20))`;
    const fill = `dd if=/dev/zero of=${PARTITION}/filler bs=1M count=${room}`;
    const write = 'dd if=/dev/zero of=/root/much bs=1M count=60';
    await this.#lab.inNode(node, `(${write}; ${fill}) 2>/dev/null; sync`);
    await this.#choose(node, 'Boot Node on Image...');
    await this.#person.input(`Boot ${node} on which image?`);
    await this.#person.pick(other);
    const failure = this.#person.toast('no room on sda1');
    await failure.waitFor({ timeout: 240_000 });
    await failure.getByRole('button', { name: 'Remove Image Copy...' }).click();
    await this.#person.confirm('is deleted for good', 'Cancel');
    await this.#choose(node, 'Remove Image Copy to Make Room...');
    await this.#person.confirm('is deleted for good', 'Remove');
    const offer = this.#person.toast(`${node} removes its copy of ${IMAGE} when it boots next.`);
    await offer.getByRole('button', { name: 'Boot Now' }).click();
    await this.#person.row(`${node}, booted, image ${other}`).waitFor({ timeout: 240_000 });
    if ((await bootMode(this.#lab, node)) !== 'hybrid-persistent') throw new Error('no hybrid boot');
    await until(
      'the other copy alone',
      () => this.#copies(node),
      (copies) => copies.map(({ image }) => image).join() === other,
    );
  }

  async #choose(node: string, entry: string): Promise<void> {
    const row = this.#person.row(`${node}, `);
    await row.click();
    await this.#person.choose(row, entry);
  }

  #item(label: string): Locator {
    return this.#person.page.locator('.quick-input-widget .monaco-list-row', { hasText: label }).first();
  }

  async #copies(node: string): Promise<Copy[]> {
    const disks = await this.#lab.bootyard('node', 'disk', 'show', node, '--json');
    return (JSON.parse(disks) as { imageCopies: Copy[] }[]).flatMap(({ imageCopies }) => imageCopies);
  }
}
