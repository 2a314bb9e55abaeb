import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from '../support/lab.ts';
import { DockerRegistry } from '../support/registry.ts';
import type { Person } from './person.ts';
import type { Step } from './steps.ts';

const PORT = 5087;
const [USER, PASSWORD] = ['anna', 'a pass:word'] as const;
const IMAGE = 'pc-x86-64-tiny';

/** A registry that wants a login, by mouse and keyboard: log in, publish, clone, log out. */
export class RegistryJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  /** where the workbench keeps all of its own */
  readonly #folder: string;
  #registry: DockerRegistry | undefined;

  constructor(person: Person, lab: TestLab, folder: string) {
    this.#person = person;
    this.#lab = lab;
    this.#folder = folder;
  }

  steps(): Step[] {
    return [
      { title: 'publishing without a login offers to log in', run: () => this.refusePublish() },
      { title: 'a wrong password is refused, and not kept', run: () => this.refuseLogin() },
      { title: 'logging in to a registry', run: () => this.logIn() },
      { title: 'an image is published', run: () => this.publish() },
      { title: 'what a search finds is cloned', run: () => this.clone() },
      { title: 'Cancel ends a publish and a clone of a registry that hangs', run: () => this.cancel() },
      { title: 'logging out takes the login away', run: () => this.logOut() },
    ];
  }

  async refusePublish(): Promise<void> {
    this.#registry = await DockerRegistry.start({ port: PORT, login: `${USER}:${PASSWORD}` });
    await this.#lab.bootyard('registry', 'add', 'own', `http://127.0.0.1:${PORT}`);
    await this.#publishTo();
    const toast = this.#person.toast("The registry 'own' wants a login");
    await toast.locator('.monaco-button', { hasText: 'Log In' }).waitFor();
    await toast.locator('.monaco-button', { hasText: 'Log In' }).click();
    await this.#person.input('Log in to own');
    await this.#person.page.keyboard.press('Escape');
  }

  async refuseLogin(): Promise<void> {
    await this.#answerLogin('wrong');
    const toast = this.#person.toast(`refuses the login of '${USER}' in this editor`);
    await toast.waitFor();
    await this.#person.dismiss(toast);
    await this.#person.palette('Bootyard: Log Out of Registry');
    const none = this.#person.toast('This editor keeps no login of a registry');
    await none.waitFor();
    await this.#person.dismiss(none);
  }

  async logIn(): Promise<void> {
    await this.#answerLogin(PASSWORD);
    await this.#person.said(`Logged in to own as ${USER}`);
    this.#isSecret();
  }

  async publish(): Promise<void> {
    await this.#publishTo();
    await this.#person.said(`Image ${IMAGE} published as own:${USER}/${IMAGE}`);
    await this.#person.noToast();
    this.#isSecret();
  }

  async clone(): Promise<void> {
    await this.#person.palette('Bootyard: Clone Image from Registry');
    await this.#person.answer('Clone an image', 'tiny');
    await this.#person.input('Clone which image?');
    await this.#person.pick(`${USER}/${IMAGE}`);
    await this.#person.confirm('Replace the image?', 'Replace');
    await this.#person.said(`Image ${IMAGE} cloned`);
  }

  /** Nothing is said of what was cancelled, and the image is what it was. */
  async cancel(): Promise<void> {
    const before = await this.#lab.images();
    this.#registry?.freeze();
    await this.#publishTo();
    await this.#cancelToast(`Publishing ${IMAGE}`);
    await this.#person.palette('Bootyard: Clone Image from Registry');
    const link = `own:${USER}/${IMAGE}`;
    await this.#person.answer('Clone an image', link);
    await this.#cancelToast(`Cloning ${link}`);
    this.#registry?.thaw();
    if (JSON.stringify(await this.#lab.images()) !== JSON.stringify(before))
      throw new Error('an image has changed');
  }

  async logOut(): Promise<void> {
    await this.#person.palette('Bootyard: Log Out of Registry');
    await this.#person.input('Log out of which registry?');
    await this.#person.pick(`127.0.0.1:${PORT}`);
    await this.#person.said(`Logged out of 127.0.0.1:${PORT}`);
    await this.#publishTo();
    const toast = this.#person.toast("The registry 'own' wants a login");
    await toast.waitFor();
    await this.#person.dismiss(toast);
    await this.#lab.bootyard('registry', 'remove', 'own');
    await this.#registry?.stop();
  }

  async #cancelToast(text: string): Promise<void> {
    const toast = this.#person.toast(text);
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await toast.waitFor({ state: 'detached' });
    await this.#person.noToast();
  }

  async #answerLogin(password: string): Promise<void> {
    await this.#person.palette('Bootyard: Log In to Registry');
    await this.#person.input('Log in to which registry?');
    await this.#person.pick('own');
    const user = await this.#person.input('Log in to own');
    await user.fill(USER);
    await user.press('Enter');
    const secret = this.#person.page.locator('.quick-input-widget input[type="password"]').first();
    await secret.fill(password);
    await secret.press('Enter');
  }

  async #publishTo(): Promise<void> {
    await this.#person.choose(this.#person.row(IMAGE), 'Publish Image...');
    await this.#person.input(`Publish ${IMAGE} to which registry?`);
    await this.#person.pick('own');
    await this.#person.answer(`Publish ${IMAGE} to own`, `${USER}/${IMAGE}`);
  }

  /** The password is on no command line and in no file that is readable as text. */
  #isSecret(): void {
    const commands = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    if (commands.includes(PASSWORD)) throw new Error('the password is on a command line');
    for (const folder of [this.#folder, this.#lab.home]) {
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const file = join(folder, name);
        if (
          !/\.(?:log|json)$|state\.vscdb$/.test(name) ||
          !statSync(file, { throwIfNoEntry: false })?.isFile()
        )
          continue;
        if (readFileSync(file, 'latin1').includes(PASSWORD)) throw new Error(`the password is in ${file}`);
      }
    }
  }
}
