import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Locator } from 'playwright-core';
import { TestEngine } from '../support/engines.ts';
import { until, type TestLab } from '../support/lab.ts';
import { PANEL_TERMINAL, type Person } from './person.ts';

const IMAGE = 'built-here';

/** Build, boot, edit, build again: in the editor, with Docker really running. */
export class BuildJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #folder: string;
  readonly #socket: string;
  readonly #podmanSocket: string;
  #engine: TestEngine | undefined;
  #bootedAt: string | null = null;

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    this.#folder = join(workspace, 'built');
    mkdirSync(this.#folder);
    // Where rootless engines of the user would listen.
    const runtime = lab.env.XDG_RUNTIME_DIR ?? '';
    this.#socket = join(runtime, 'docker.sock');
    this.#podmanSocket = join(runtime, 'podman/podman.sock');
  }

  async open(): Promise<void> {
    this.#put('Dockerfile', 'FROM pc-x86-64-tiny\nCOPY version /etc/version\n');
    this.#put('version', 'one\n');
    await this.#person.page.keyboard.press('Control+P');
    const input = this.#person.page.locator('.quick-input-widget input[type="text"]').first();
    await input.fill('built/Dockerfile');
    await this.#person.pick('built');
    await this.#lens('Build and Boot').waitFor();
    await this.#lens('Watch').waitFor();
  }

  async refuseWithoutEngine(): Promise<void> {
    await this.#lens('Build and Boot').click();
    await this.#person.answer('as an image', IMAGE);
    const toast = this.#person.toast('No Docker or Podman answers');
    await toast.waitFor();
    await this.#person.dismiss(toast);
  }

  async buildAndBoot(node: string): Promise<void> {
    this.#engine = await TestEngine.docker();
    symlinkSync(this.#engine.socket, this.#socket);
    await this.#lens('Build and Boot').click();
    await this.#person.terminalShows(/Step 2\/2 : COPY version/, PANEL_TERMINAL);
    await this.#person.input('Boot which nodes?');
    await this.#person.pick(node);
    await this.#person.page.locator('.quick-input-action').getByRole('button', { name: 'OK' }).click();
    await this.#boots(node, 'one\n');
  }

  async showFailure(): Promise<void> {
    await this.#type('RUN false');
    await this.#lens('Build and Boot').click();
    const toast = this.#person.toast('The build failed at line 3 of the Dockerfile (RUN false)');
    await toast.waitFor({ timeout: 60_000 });
    await this.#person.dismiss(toast);
    await this.#person.page.locator('.part.editor .squiggly-error').first().waitFor();
  }

  async buildAgain(node: string): Promise<void> {
    await this.#erase();
    this.#put('version', 'two\n');
    await this.#lens('Build and Boot').click();
    await this.#person.terminalShows(/rebooted: vnode2/, PANEL_TERMINAL);
    await this.#boots(node, 'two\n');
    await this.#person.page.locator('.part.editor .squiggly-error').waitFor({ state: 'detached' });
  }

  async watch(): Promise<void> {
    await this.#lens('Watch').click();
    await this.#person.terminalShows(/is what it was/, PANEL_TERMINAL);
    this.#put('version', 'three\n');
    await this.#person.terminalShows(/Changed: version[^]*rebooted: vnode2/, PANEL_TERMINAL);
    await this.#lens('Stop Watching').click();
    await this.#person.terminalShows(/Watching ended/, PANEL_TERMINAL);
    await this.#lens('Watch').waitFor();
  }

  async end(): Promise<void> {
    await this.#engine?.stop();
    for (const socket of [this.#socket, this.#podmanSocket]) rmSync(socket, { force: true });
    await this.#person.noToast();
  }

  /** Rootless, of another user: it answers where the user's own would. */
  async withPodman(node: string): Promise<void> {
    await this.#engine?.stop();
    rmSync(this.#socket);
    this.#engine = await TestEngine.podman();
    mkdirSync(dirname(this.#podmanSocket), { recursive: true });
    symlinkSync(this.#engine.socket, this.#podmanSocket);
    this.#put('version', 'four\n');
    await this.#lens('Build and Boot').click();
    await this.#person.terminalShows(/STEP 2\/2: COPY version[^]*rebooted: vnode2/, PANEL_TERMINAL);
    await this.#boots(node, 'four\n');
  }

  /** On the image, anew, with this in it. */
  async #boots(node: string, version: string): Promise<void> {
    await until(
      `${node} on the image`,
      () => this.#lab.node(node),
      (now) => now.state === 'booted' && now.image === IMAGE && now.bootedAt !== this.#bootedAt,
      240_000,
    );
    this.#bootedAt = (await this.#lab.node(node)).bootedAt;
    const found = await this.#lab.inNode(node, 'cat /etc/version');
    if (found !== version) throw new Error(`the node has ${found}`);
  }

  #put(name: string, content: string): void {
    writeFileSync(join(this.#folder, name), content);
  }

  /** A line at the end of the file, which the build saves. */
  async #type(line: string): Promise<void> {
    await this.#person.page.locator('.part.editor .view-lines').first().click();
    await this.#person.page.keyboard.press('Control+End');
    await this.#person.page.keyboard.type(line);
  }
  async #erase(): Promise<void> {
    await this.#person.page.locator('.part.editor .view-lines').first().click();
    await this.#person.page.keyboard.press('Control+End');
    await this.#person.page.keyboard.press('Shift+Home');
    await this.#person.page.keyboard.press('Delete');
  }

  #lens(title: string): Locator {
    return this.#person.page.locator('.part.editor .codelens-decoration a', { hasText: title }).first();
  }
}
