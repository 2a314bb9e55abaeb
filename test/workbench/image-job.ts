import { execFileSync } from 'node:child_process';
import {
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/lab.ts';
import type { Person } from './person.ts';

const IMAGE = 'pc-x86-64-tiny';
/** as large as a header's octal digits allow: long enough to be interrupted */
const HUGE_BYTES = 8 * 1024 ** 3 - 512;

/** Images, by mouse and keyboard: import, drop, build. */
export class ImageJob {
  readonly #person: Person;
  readonly #cache: string;

  /** `cache`: where default images are built */
  constructor(person: Person, workspace: string, cache: string) {
    this.#person = person;
    this.#cache = cache;
    const root = join(workspace, 'root/etc');
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'hostname'), 'made-here\n');
    execFileSync('tar', ['-C', join(workspace, 'root'), '-cf', join(workspace, 'Made Here.tar'), '.']);
    writeFileSync(join(workspace, 'wrong.tar'), 'This is not a tar.\n'.repeat(100));
    writeHugeTar(join(workspace, 'huge.tar'));
  }

  async importByPicker(): Promise<void> {
    await this.#pickArchive('Made Here.tar');
    const name = await this.#person.input('Import Made Here.tar');
    if ((await name.inputValue()) !== 'made-here') throw new Error(`proposed: ${await name.inputValue()}`);
    await name.press('Enter');
    await this.#person.row('made-here, 10 kB').waitFor();
  }

  async refuseWrongTar(): Promise<void> {
    await this.#pickArchive('wrong.tar');
    await this.#person.answer('Import wrong.tar', 'wrong');
    const toast = this.#person.toast("wrong.tar' is not an image");
    await toast.waitFor();
    const text = await toast.locator('.notification-list-item-message').innerText();
    if (!/^[^\n.]+wrong\.tar' is not an image: [^\n.]+\.$/.test(text))
      throw new Error(`not a sentence: ${text}`);
    await this.#person.dismiss(toast);
    await this.#person.row('wrong').waitFor({ state: 'detached' });
  }

  async cancelImport(): Promise<void> {
    await this.#pickArchive('huge.tar');
    await this.#person.answer('Import huge.tar', 'huge');
    const toast = this.#person.toast('Importing huge.tar as huge: Copying the root file system');
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await this.#cancelled('huge');
  }

  async dropArchive(): Promise<void> {
    await this.#person.activity('Explorer').click();
    const file = '.explorer-folders-view .monaco-list-row[aria-label^="Made Here.tar"]';
    await this.#person.grab(this.#person.page.locator(file));
    // The side bar changes when a drag rests on an icon.
    await this.#person.over(this.#person.activity('Bootyard'));
    // Below the rows: on a row a file is copied into that image.
    await this.#person.over(this.#person.row(IMAGE), 150);
    await this.#person.release();
    await this.#person.answer('Import Made Here.tar', 'dropped:here');
    await this.#person.row('dropped:here, 10 kB').waitFor();
  }

  async removeImages(...names: string[]): Promise<void> {
    for (const name of names) {
      await this.#person.choose(this.#person.row(name), 'Remove Image...');
      await this.#person.confirm(`Remove the image "${name}"?`, 'Remove');
      await this.#person.row(name).waitFor({ state: 'detached' });
    }
  }

  /** The whole build is the extension host suite's and takes packages from its cache; this one begins from nothing. */
  async cancelBuild(): Promise<void> {
    await this.#person.palette('Bootyard: Build Default Images');
    const toast = this.#person.toast('Building the default images: pc-x86-64-default: Reading');
    await toast.waitFor();
    await until(
      'a scratch folder',
      () => this.#scratch(),
      (names) => names.length > 0,
    );
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await this.#cancelled('pc-x86-64-default');
    await until(
      'nothing is left',
      () => this.#scratch(),
      (names) => names.length === 0,
    );
  }

  async refuseRemoval(users: string): Promise<void> {
    await this.#person.choose(this.#person.row(IMAGE), 'Remove Image...');
    const toast = this.#person.toast(`is used by ${users}`);
    await toast.waitFor();
    for (const action of ['Retry', 'Show Log'])
      await toast.locator('.monaco-button', { hasText: action }).waitFor();
    await this.#person.dismiss(toast);
  }

  async #pickArchive(name: string): Promise<void> {
    await this.#person.palette('Bootyard: Import Image');
    await this.#person.input('Import an image from');
    await this.#person.pick('Archive');
    await this.#person.input('Image to import');
    await this.#person.pick(name);
  }

  /** Progress goes, nothing complains, and nothing was made. */
  async #cancelled(image: string): Promise<void> {
    const toasts = this.#person.page.locator('.notification-toast');
    await toasts.first().waitFor({ state: 'detached', timeout: 60_000 });
    if ((await this.#person.row(image).count()) > 0) throw new Error(`${image} was made`);
  }

  #scratch(): string[] {
    return existsSync(this.#cache) ? readdirSync(this.#cache) : [];
  }
}

/** A root file system with one file of zeros, of which the disk holds nothing. */
function writeHugeTar(path: string): void {
  const header = Buffer.alloc(512);
  header.write('etc/huge');
  header.write('0000644\x000000000\x000000000\x00', 100);
  header.write(`${HUGE_BYTES.toString(8)}\x0000000000000\x00        0`, 124);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148);
  writeFileSync(path, header);
  const file = openSync(path, 'r+');
  ftruncateSync(file, 512 + HUGE_BYTES + 1024);
  closeSync(file);
}
