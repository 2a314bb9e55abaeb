import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Locator } from 'playwright-core';
import { TestEngine } from '../support/engines.ts';
import { until, type TestLab } from '../support/lab.ts';
import { PANEL_TERMINAL, type Person } from './person.ts';
import type { Step } from './steps.ts';

const IMAGE = 'built-here';
const WHERE = 'Run the steps RUN --on-node where?';

/** Build, boot, edit, build again: in the editor, with Docker or rootless Podman really running. */
export class BuildJob {
  readonly #person: Person;
  readonly #lab: TestLab;
  readonly #folder: string;
  readonly #repository: string;
  readonly #socket: string;
  readonly #podmanSocket: string;
  #engine: TestEngine | undefined;
  #bootedAt: string | null = null;

  constructor(person: Person, lab: TestLab, workspace: string) {
    this.#person = person;
    this.#lab = lab;
    this.#folder = join(workspace, 'built');
    mkdirSync(this.#folder);
    this.#repository = join(workspace, 'repository');
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
    await this.#rebuild(node, 'one\n', /Step 2\/2 : COPY version/);
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
    await this.#rebuild(node, 'two\n', /Step 2\/2 : COPY version/);
    await this.#person.page.locator('.part.editor .squiggly-error').waitFor({ state: 'detached' });
  }

  async watch(node: string): Promise<void> {
    await this.#lens('Watch').click();
    await this.#person.terminalShows(/is what it was/, PANEL_TERMINAL);
    this.#put('version', 'three\n');
    await this.#person.terminalShows(new RegExp(`Changed: version[^]*rebooted: ${node}`), PANEL_TERMINAL);
    await this.#lens('Stop Watching').click();
    await this.#person.terminalShows(/Watching ended/, PANEL_TERMINAL);
    await this.#lens('Watch').waitFor();
  }

  /** A folder of a repository; its step needs a node, and the question for one is taken back. */
  async buildGit(node: string): Promise<void> {
    mkdirSync(join(this.#repository, 'images/sensor'), { recursive: true });
    this.#git('init', '-q');
    this.#commit('RUN --on-node uname -r', 'ENV X=1');
    await this.#askGit('sensor', `file://${this.#repository}`);
    const where = await this.#person.input(WHERE);
    const places = this.#person.page.locator('.quick-input-widget .monaco-list-row');
    await places.filter({ hasText: 'A temporary node' }).waitFor();
    await places.filter({ hasText: node }).waitFor();
    await where.press('Escape');
    await this.#person.terminalShows(/Cancelled\./, PANEL_TERMINAL);
    if ((await this.#lab.images()).some(({ name }) => name === 'sensor')) throw new Error('it was built');
    this.#commit('ENV X=1');
    await this.#askGit('sensor');
    await this.#person.terminalShows(/Image sensor is built\./, PANEL_TERMINAL);
  }

  /** After `buildGit`: the node boots what is built so far, runs the step, and goes back to its image. */
  async buildOnNode(node: string): Promise<void> {
    this.#commit('RUN --on-node uname -n > /etc/made-on');
    await this.#askGit('measured');
    await this.#person.input(WHERE);
    await this.#person.pick(node);
    await this.#person.terminalShows(/Image measured is built\./, PANEL_TERMINAL, 240_000);
    await this.#lab.bootyard('image', 'cp', 'measured:/etc/made-on', 'made-on');
    const made = readFileSync(join(this.#lab.home, 'made-on'), 'utf8');
    if (made !== `${node}\n`) throw new Error(`it was made on ${made}`);
    const isBack = ({ image, state }: { image: string; state: string }): boolean =>
      image === IMAGE && state === 'booted';
    await until(`${node} on its image`, () => this.#lab.node(node), isBack, 240_000);
    this.#bootedAt = (await this.#lab.node(node)).bootedAt;
  }

  #git(...words: string[]): void {
    const author = ['-c', 'user.name=x', '-c', 'user.email=x'];
    execFileSync('git', ['-C', this.#repository, ...author, ...words]);
  }
  #commit(...lines: string[]): void {
    const file = join(this.#repository, 'images/sensor/Dockerfile');
    writeFileSync(file, ['FROM pc-x86-64-tiny', ...lines].join('\n'));
    this.#git('add', '.');
    this.#git('commit', '-qm', 'x');
  }

  /** `url`: what is typed, behind what is none; the one of before is offered otherwise. */
  async #askGit(image: string, url?: string): Promise<void> {
    await this.#person.palette('Bootyard: Build Image from Git...');
    const input = await this.#person.input('Build an image from a git repository');
    if (url !== undefined) {
      await input.fill('--upload-pack=x');
      const problem = this.#person.page.locator('.quick-input-message', { hasText: 'is no URL' });
      await problem.waitFor();
      await input.fill(url);
      await problem.waitFor({ state: 'detached' });
    }
    await input.press('Enter');
    await this.#person.answer('with the Dockerfile', 'images/sensor');
    const name = await this.#person.input('as an image');
    if ((await name.inputValue()) !== 'sensor') throw new Error(`it offers ${await name.inputValue()}`);
    await name.fill(image);
    await name.press('Enter');
  }

  /** The image that was built is in the engine, too: under a name of its user it is a row of the view. */
  async bootRow(node: string): Promise<void> {
    const docker = (...words: string[]): string =>
      execFileSync('docker', ['-H', `unix://${this.#socket}`, ...words], { encoding: 'utf8' });
    const [id = ''] = docker('images', '-q', `localhost/bootyard-build/${IMAGE}`).split('\n');
    docker('tag', id, 'me/row:1');
    const row = this.#person.row('docker:me/row:1, ');
    await row.waitFor();
    await this.#person.choose(row, 'Boot Image on Nodes...');
    await this.#person.bootOn(node);
    await this.#boots(node, 'three\n', 'docker/me-row:1');
  }

  /** Rootless, of another user: it answers where the user's own would. */
  async buildWithPodman(node: string): Promise<void> {
    this.#engine = await TestEngine.podman();
    mkdirSync(dirname(this.#podmanSocket), { recursive: true });
    symlinkSync(this.#engine.socket, this.#podmanSocket);
    await this.#rebuild(node, 'four\n', /STEP 2\/2: COPY version/);
  }

  async buildAgainWithPodman(node: string): Promise<void> {
    await this.#type('COPY version /etc/again');
    await this.#rebuild(node, 'five\n', /STEP 3\/3: COPY version/);
    const again = await this.#lab.inNode(node, 'cat /etc/again');
    if (again !== 'five\n') throw new Error(`what was typed has made ${again}`);
  }

  async end(): Promise<void> {
    await this.#engine?.stop();
    for (const socket of [this.#socket, this.#podmanSocket]) rmSync(socket, { force: true });
    await this.#person.noToast();
  }

  /** A file is saved, *Build and Boot* is clicked: the terminal shows the step and the node boots the file. */
  async #rebuild(node: string, version: string, step: RegExp): Promise<void> {
    this.#put('version', version);
    await this.#lens('Build and Boot').click();
    // Rootless Podman takes its time to load the image that it starts from.
    await this.#person.terminalShows(step, PANEL_TERMINAL, 180_000);
    // Where no node uses the image one is asked for.
    if ((await this.#lab.node(node)).image !== IMAGE) await this.#person.bootOn(node);
    else await this.#person.terminalShows(new RegExp(`rebooted: ${node}`), PANEL_TERMINAL, 180_000);
    await this.#boots(node, version);
  }

  /** On the image, anew, with this in it. */
  async #boots(node: string, version: string, image = IMAGE): Promise<void> {
    await until(
      `${node} on the image`,
      () => this.#lab.node(node),
      (now) => now.state === 'booted' && now.image === image && now.bootedAt !== this.#bootedAt,
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

/** A Dockerfile is open, and no engine runs. */
export function openSteps(build: BuildJob): Step[] {
  return [
    { title: 'a Dockerfile of a node image has a code lens', run: () => build.open() },
    {
      title: 'without an engine it says what to do, in one sentence',
      run: () => build.refuseWithoutEngine(),
    },
  ];
}

/** The loop with Docker, to a save that boots; `build.end` ends the engine. */
export function buildSteps(build: BuildJob, node: string): Step[] {
  return [
    {
      title: 'Build and Boot builds with Docker, and boots a node',
      run: () => build.buildAndBoot(node),
      picture: 'image-build',
    },
    { title: 'a step that fails is marked at its line', run: () => build.showFailure() },
    { title: 'edited and built again, the node boots it', run: () => build.buildAgain(node) },
    { title: 'watched, a save builds again', run: () => build.watch(node) },
    { title: 'a git repository is built, with its steps where one says', run: () => build.buildGit(node) },
  ];
}
