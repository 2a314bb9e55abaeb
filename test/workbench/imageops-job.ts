import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';
import type { Step } from './steps.ts';

const IMAGE = 'many-layers';
const FLAT = 'flat';

/** Squash, export and clean up, by mouse and keyboard; what comes out is looked at by the command line. */
export class ImageOpsJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #workspace: string;

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    this.#workspace = workspace;
  }

  steps(): Step[] {
    return [
      { title: 'an image of two layers is squashed into another one', run: () => this.#squash() },
      { title: 'it is exported as an OCI archive, which is the same image', run: () => this.#export() },
      { title: 'the disk space is shown, and what no image needs freed', run: () => this.#cleanUp() },
    ];
  }

  async #squash(): Promise<void> {
    await this.#lab.bootyard('image', 'duplicate', 'pc-x86-64-tiny', IMAGE);
    await this.#lab.bootyard('image', 'cp', join(this.#workspace, 'notes.txt'), `${IMAGE}:/root/`);
    await this.#person.row(`${IMAGE}, `).waitFor();
    await this.#person.choose(this.#person.row(`${IMAGE}, `), 'Squash Image...');
    await this.#person.answer(`Squash the 2 layers of ${IMAGE} into`, FLAT);
    await this.#person.said(`Image ${FLAT} has one layer.`);
    await this.#person.row(`${FLAT}, `).waitFor();
    await this.#isSame(FLAT, IMAGE);
  }

  async #export(): Promise<void> {
    const file = join(this.#workspace, 'flat.tar');
    await this.#person.choose(this.#person.row(`${FLAT}, `), 'Export Image...');
    await this.#person.input(`Export ${FLAT} as`);
    await this.#person.pick('oci-archive');
    await this.#person.answer(`Export ${FLAT}`, file);
    await this.#person.said(`Image ${FLAT} is in ${file}.`);
    await this.#lab.bootyard('image', 'import', file, 'again');
    await this.#isSame('again', FLAT);
    await this.#lab.bootyard('image', 'remove', IMAGE, FLAT, 'again');
  }

  async #cleanUp(): Promise<void> {
    const blobs = join(this.#lab.paths.images, 'blobs/sha256');
    const stray = join(blobs, 'ab'.repeat(32));
    writeFileSync(stray, Buffer.alloc(3_000_000));
    await this.#person.palette('Bootyard: Show and Clean Up Disk Space of Images');
    const toast = this.#person.toast('Files that no image needs take 3.0 MB.');
    await this.#person.page.locator('.part.editor .view-line', { hasText: /^unreferenced/ }).waitFor();
    await toast.getByRole('button', { name: 'Clean Up' }).click();
    await this.#person.said('MB freed.');
    if (existsSync(stray)) throw new Error('it is still there');
  }

  async #isSame(image: string, other: string): Promise<void> {
    const diff = await this.#lab.bootyard('image', 'diff', other, image);
    if (!diff.startsWith('0 added')) throw new Error(`${image} and ${other} differ: ${diff}`);
    const layers = (await this.#lab.images()).find(({ name }) => name === image)?.layers;
    if (layers !== 1) throw new Error(`${image} has ${layers} layers`);
  }
}
