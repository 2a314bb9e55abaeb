import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { type TestLab, until } from '../support/lab.ts';
import { ImageOpsJob } from './imageops-job.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import type { Workbench } from './workbench.ts';

const IMAGE = 'edited';
const COPY = 'edited:edit';
const NODE = 'vnode1';

/** Images and nodes as folders, by mouse and keyboard: edit an image, boot it, change a file of the node. */
export async function runImagefsJob(workbench: Workbench, lab: TestLab, logs: string): Promise<TestResult[]> {
  const job = new ImagefsJob(new Person(workbench), lab);
  const steps: Step[] = [
    { title: 'an image is there', run: () => job.begin() },
    ...new ImageOpsJob(new Person(workbench), lab, workbench.workspace).steps(),
    { title: 'Open Image as Folder shows its files, in place', run: () => job.openImage() },
    { title: 'Search in Image finds a line, and opens it', run: () => job.search() },
    { title: 'Edit Image opens a working copy, in which ctrl-S saves', run: () => job.edit() },
    { title: 'the changes are in the Source Control view', run: () => job.seeChanges('profile') },
    { title: 'a node boots the working copy; saves ask once whether it may reboot', run: () => job.boot() },
    { title: 'Save Edits in the Image gives it them', run: () => job.save() },
    { title: 'a file of the node is opened, changed and saved', run: () => job.changeNode() },
    { title: 'its changes are in the Source Control view, and saved as an image', run: () => job.saveNode() },
    { title: 'a file dropped on an image is copied into it', run: () => job.drop(workbench) },
  ];
  return runSteps(workbench.page, 'images as folders', steps, { logs, album: logs });
}

class ImagefsJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  async begin(): Promise<void> {
    await this.#lab.bootyard('image', 'duplicate', 'pc-x86-64-tiny', IMAGE);
    await this.#person.arrive();
    await this.#person.row(`${IMAGE},`).waitFor({ timeout: 60_000 });
  }

  /** The workspace becomes one of several folders, for which VS Code starts its extensions again. */
  async openImage(): Promise<void> {
    await this.#person.choose(this.#person.row(`${IMAGE},`), 'Open Image as Folder');
    await this.#person.page.waitForURL(/[?]workspace=/, { timeout: 60_000 });
    await this.#openFile(IMAGE, 'profile');
    await this.#editorShows('export');
  }

  async search(): Promise<void> {
    await this.#person.show('Bootyard');
    await this.#person.choose(this.#person.row(`${IMAGE},`), 'Search in Image...');
    await this.#person.answer(`Search in ${IMAGE}`, 'root:x:0');
    await this.#person.input(`"root:x:0" in ${IMAGE}: 0 names, 1 lines`);
    await this.#person.pick('/etc/group:1');
    await this.#editorShows('root:x:0');
  }

  async edit(): Promise<void> {
    await this.#person.show('Bootyard');
    await this.#person.choose(this.#person.row(`${IMAGE},`), 'Edit Image');
    await this.#openFile(COPY, 'profile');
    await this.#editorShows('export');
    await this.#type('# edited by hand');
  }

  async seeChanges(file: string): Promise<void> {
    await this.#person.show('Source Control');
    await this.#person.row(file).waitFor({ timeout: 60_000 });
  }

  async boot(): Promise<void> {
    await this.#lab.bootyard('node', 'create', NODE, '--image', COPY, '--wait');
    const text = await this.#lab.inNode(NODE, 'cat /etc/profile');
    if (!text.startsWith('# edited by hand\n')) throw new Error(`the node has: ${text}`);
    await this.#write('# agreed');
    await this.#person.confirm(`Save /etc/profile in ${COPY}?`, 'Save and Reboot');
    await this.#saved();
    await this.#type('# not asked');
    await this.#lab.bootyard('node', 'wait', NODE);
  }

  async save(): Promise<void> {
    await this.#person.palette('Bootyard: Save Edits in the Image');
    await this.#person.said(`${IMAGE} has the edits.`);
    await this.#imageHas(IMAGE, '/etc/profile', '# not asked\n# agreed\n# edited by hand\n');
  }

  async changeNode(): Promise<void> {
    await this.#person.show('Bootyard');
    await this.#person.choose(this.#person.row(`${NODE}, booted`), 'Open Files of Node');
    await this.#openFile(NODE, 'profile');
    await this.#editorShows('# not asked');
    await this.#type('# changed in the node');
    await until(
      'the change in the node',
      () => this.#lab.inNode(NODE, 'cat /etc/profile'),
      (text) => text.startsWith('# changed in the node\n'),
    );
  }

  async saveNode(): Promise<void> {
    await this.#person.show('Source Control');
    await this.#scmAction('Refresh Changes');
    await this.#person.row('profile').waitFor({ timeout: 60_000 });
    await this.#scmAction('Save as Image...');
    await this.#person.answer(`Save ${NODE} as an image`, 'of-node');
    await this.#person.input(`Save these changes of ${NODE}?`);
    await this.#person.pick('Save as image of-node');
    const toast = this.#person.toast('Image of-node is saved.');
    await toast.waitFor({ timeout: 60_000 });
    await this.#person.dismiss(toast);
    await this.#imageHas('of-node', '/etc/profile', '# changed in the node\n');
    await this.#lab.bootyard('node', 'remove', NODE, '--force');
  }

  /** The file begins with this text. */
  async #imageHas(image: string, path: string, begin: string): Promise<void> {
    const copy = join(this.#lab.home, 'copied.txt');
    rmSync(copy, { force: true });
    await this.#lab.bootyard('image', 'cp', `${image}:${path}`, copy);
    const text = readFileSync(copy, 'utf8');
    if (!text.startsWith(begin)) throw new Error(`${path} of ${image} is: ${text}`);
  }

  /** An icon of the row of the node, beside that of the working copy. */
  async #scmAction(name: string): Promise<void> {
    const row = this.#person.page.locator('.part.sidebar .scm-provider', { hasText: NODE }).first();
    await row.hover();
    await row.locator(`.action-label[aria-label^="${name}"]`).click();
  }

  async drop({ page }: Workbench): Promise<void> {
    await this.#openFolder('sample');
    await this.#person.grab(this.#file('notes.txt').first());
    await this.#person.over(this.#person.activity('Bootyard'));
    await this.#person.over(this.#person.row(`${IMAGE},`));
    await this.#person.release();
    await this.#person.answer(`Copy notes.txt into ${IMAGE}`, '/root/');
    await this.#person.said(`Copied notes.txt into ${IMAGE}.`);
    await page.keyboard.press('Escape');
    await this.#imageHas(IMAGE, '/root/notes.txt', 'a file of the workspace\n');
  }

  #file(name: string | RegExp): Locator {
    return this.#person.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name });
  }

  /** Opens /etc/NAME of a folder of the workspace, whose other folders are closed. */
  async #openFile(folder: string, name: string): Promise<void> {
    await this.#openFolder(folder);
    await this.#file(/^etc$/).first().click();
    await this.#file(name).first().dblclick();
  }

  async #openFolder(folder: string): Promise<void> {
    const { page } = this.#person;
    await this.#person.show('Explorer');
    const root = page.locator(`.explorer-folders-view .monaco-list-row[aria-level="1"]`, {
      hasText: new RegExp(`^${folder}$`),
    });
    // Rows that are not in sight are not there for the eye: the folder is below what another one shows.
    await until(
      `the folder ${folder}`,
      async () => {
        // The first time closes the folders below the workspace's ones, the second time those.
        for (let time = 0; time < 2; time++) await this.#person.palette('Collapse Folders in Explorer');
        return await root.isVisible();
      },
      (isVisible) => isVisible,
    );
    if ((await root.getAttribute('aria-expanded')) !== 'true') await root.click();
  }

  async #editorShows(text: string): Promise<void> {
    await this.#person.page
      .locator('.part.editor .view-lines', { hasText: new RegExp(text.replaceAll(' ', '\\s')) })
      .first()
      .waitFor({ timeout: 60_000 });
  }

  /** Puts a line before the first one, and saves. */
  async #type(line: string): Promise<void> {
    await this.#write(line);
    await this.#saved();
  }

  async #write(line: string): Promise<void> {
    const { keyboard } = this.#person.page;
    await this.#person.page.locator('.part.editor .view-lines').first().click();
    await keyboard.press('Control+Home');
    await keyboard.type(`${line}\n`);
    await keyboard.press('Control+s');
  }

  async #saved(): Promise<void> {
    await this.#person.page.locator('.tab.active.dirty').waitFor({ state: 'detached', timeout: 60_000 });
  }
}
