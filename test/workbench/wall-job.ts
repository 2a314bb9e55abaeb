import type { FrameLocator, Locator } from 'playwright-core';
import { type Finished, type TestLab, until } from '../support/lab.ts';
import { Person } from './person.ts';
import type { TestResult } from './results.ts';
import { runSteps, type Step } from './steps.ts';
import { TopologyJob } from './topology-job.ts';
import type { Workbench } from './workbench.ts';

const [FIRST, SECOND, THIRD] = ['vnode1', 'vnode2', 'vnode3'];

/** The console wall by mouse and keyboard, with two nodes and one that comes and goes. `album`: where pictures go */
export async function runWallJob(
  workbench: Workbench,
  lab: TestLab,
  { logs, album }: { logs: string; album: string },
): Promise<TestResult[]> {
  const person = new Person(workbench);
  const wall = new WallJob(person, lab);
  const steps: Step[] = [
    { title: 'two nodes are on show', run: () => beginning(person, lab) },
    ...wall.steps(),
    ...new TopologyJob(person, lab).steps(FIRST, SECOND),
  ];
  return runSteps(workbench.page, 'many nodes', steps, { logs, album });
}

async function beginning(person: Person, lab: TestLab): Promise<void> {
  const create = (name: string, ...more: string[]): Promise<string> =>
    lab.bootyard('node', 'create', name, '--image', 'pc-x86-64-tiny', '--wait', ...more);
  await create(FIRST, 'networks=walt-net,home-net[lat=1ms]');
  await Promise.all([create(SECOND), person.arrive()]);
  for (const name of [FIRST, SECOND]) await person.row(`${name}, booted`).waitFor({ timeout: 240_000 });
}

class WallJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  steps(): Step[] {
    return [
      {
        title: 'the consoles of two nodes stand side by side',
        run: () => this.#open(),
        picture: 'node-wall',
      },
      { title: 'a command typed into a tile is answered there alone', run: () => this.#typeByMouse() },
      { title: 'Escape and Tab lead to the next tile, and Enter into it', run: () => this.#typeByKeys() },
      { title: 'links in a tile lead to nodes, and to files of its image', run: () => this.#followLinks() },
      { title: 'what programs ask terminals does no harm', run: () => this.#ask() },
      { title: 'tiles go on after the death of the daemon', run: () => this.#survive() },
      { title: 'a wall of all nodes follows those that come and go', run: () => this.#follow() },
      { title: 'a double click opens the console in a terminal', run: () => this.#openTerminal() },
    ];
  }

  async #open(): Promise<void> {
    for (const name of [FIRST, SECOND]) await this.#say(name, 'began');
    await this.#person.row(`${FIRST}, `).click();
    await this.#person.row(`${SECOND}, `).click({ modifiers: ['Control'] });
    await this.#person.choose(this.#person.row(`${SECOND}, `), 'Console Wall');
    for (const name of [FIRST, SECOND]) {
      await this.#tile(name, 'booted').waitFor();
      await this.#line(name, `began-${name}`).waitFor();
      await this.#say(name, 'live');
      await this.#line(name, `live-${name}`).waitFor();
    }
  }

  async #typeByMouse(): Promise<void> {
    await this.#tile(FIRST).locator('.screen').click();
    await this.#type('echo first-$((6*7))');
    await this.#line(FIRST, 'first-42').waitFor();
    await this.#absent(SECOND, 'first-');
  }

  async #typeByKeys(): Promise<void> {
    await this.#person.page.keyboard.press('Escape');
    await this.#tile(FIRST).and(this.#page.locator(':focus')).waitFor();
    await this.#person.page.keyboard.press('Tab');
    await this.#tile(SECOND).and(this.#page.locator(':focus')).waitFor();
    await this.#person.page.keyboard.type('nobody hears this');
    await this.#person.page.keyboard.press('Enter');
    await this.#type('echo second-$((6*8))');
    await this.#line(SECOND, 'second-48').waitFor();
    await this.#absent(FIRST, 'second-');
    await this.#absent(SECOND, 'nobody');
  }

  async #followLinks(): Promise<void> {
    const line = `see ${SECOND} and /etc/passwd`;
    await this.#lab.inNode(FIRST, `printf '\\r\\n%s\\r\\n' '${line}' >/dev/console`);
    const row = this.#line(FIRST, line);
    await row.waitFor();
    await this.#linkAt(row, line.indexOf('passwd'), 'Open /etc/passwd of image pc-x86-64-tiny');
    await this.#person.page.locator('.tab.active', { hasText: 'passwd' }).waitFor();
    await this.#person.page.locator('.tab', { hasText: 'Console Wall' }).click();
    await row.waitFor();
    await this.#linkAt(row, line.indexOf(SECOND), `Open the terminal of ${SECOND}`);
    await this.#person.page.locator('.tab.active', { hasText: SECOND }).waitFor();
    await this.#person.page.locator('.tab', { hasText: 'Console Wall' }).click();
    await row.waitFor();
  }

  /** Follows the link at a letter of a row: hovers over it, sees where it leads, and clicks with Ctrl. */
  async #linkAt(row: Locator, letter: number, tooltip: string): Promise<void> {
    const box = await row.evaluate((element, at) => {
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      let before = 0;
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const length = node.textContent?.length ?? 0;
        if (before + length > at) {
          const range = document.createRange();
          range.setStart(node, at - before);
          range.setEnd(node, at - before + 1);
          const { left, top, width, height } = range.getBoundingClientRect();
          const rowBox = element.getBoundingClientRect();
          return { x: left - rowBox.left + width / 2, y: top - rowBox.top + height / 2 };
        }
        before += length;
      }
      return undefined;
    }, letter);
    if (!box) throw new Error('the row is shorter than that');
    await row.hover({ position: box, force: true });
    await this.#tile(FIRST).locator(`.screen[title^="${tooltip}"]`).waitFor();
    await row.click({ position: box, force: true, modifiers: ['Control'] });
  }

  /** The name of its terminal, a mode that it may know, and the place of its cursor: the answers would be typed. */
  async #ask(): Promise<void> {
    await this.#lab.inNode(FIRST, String.raw`printf '\033[c\033[?2026$p\033[6n\r\nasked\r\n' >/dev/console`);
    await this.#line(FIRST, 'asked').waitFor();
    await this.#say(FIRST, 'after');
    await this.#line(FIRST, `after-${FIRST}`).waitFor();
    await this.#absent(FIRST, '1;2c');
  }

  async #survive(): Promise<void> {
    const { daemon } = await this.#lab.status();
    if (!daemon) throw new Error('no daemon runs');
    process.kill(daemon.pid, 'SIGKILL');
    const again = (): Promise<Finished> => this.#lab.run('lab', 'status');
    await until('the next daemon', again, ({ status }) => status === 0);
    await this.#lab.inNode(FIRST, String.raw`printf '\r\nagain-%s\r\n' $((6*9)) >/dev/console`);
    await this.#line(FIRST, 'again-54').waitFor({ timeout: 60_000 });
    await this.#tile(FIRST).locator('.screen').click();
    await this.#type('echo typed-$((6*10))');
    await this.#line(FIRST, 'typed-60').waitFor();
    await this.#absent(SECOND, 'typed-');
  }

  async #follow(): Promise<void> {
    await this.#person.palette('Bootyard: Console Wall');
    for (const name of [FIRST, SECOND]) await this.#tile(name, 'booted').waitFor();
    await this.#lab.bootyard('node', 'create', THIRD, '--image', 'pc-x86-64-tiny');
    await this.#tile(THIRD).waitFor();
    await this.#tile(THIRD, 'booted').waitFor({ timeout: 240_000 });
    await this.#lab.bootyard('node', 'stop', SECOND);
    await this.#tile(SECOND, 'off').waitFor();
    await this.#lab.bootyard('node', 'remove', THIRD, '--force');
    await this.#tile(THIRD).waitFor({ state: 'detached' });
  }

  async #openTerminal(): Promise<void> {
    await this.#tile(FIRST).locator('h2').dblclick();
    await this.#person.page.locator('.tab.active', { hasText: `${FIRST} console` }).waitFor();
    await this.#person.terminalShows(/\S/);
  }

  /** Prints `word-NODE` on its console, in a line of its own. */
  async #say(node: string, word: string): Promise<void> {
    await this.#lab.inNode(node, `printf '\\r\\n%s-%s\\r\\n' ${word} ${node} >/dev/console`);
  }

  async #type(line: string): Promise<void> {
    await this.#person.page.keyboard.type(line);
    await this.#person.page.keyboard.press('Enter');
  }

  async #absent(node: string, text: string): Promise<void> {
    const rows = await this.#tile(node).locator('.xterm-rows').innerText();
    if (rows.includes(text)) throw new Error(`the tile of ${node} shows ${text}: ${rows}`);
  }

  get #page(): FrameLocator {
    return this.#person.webview();
  }

  #tile(node: string, state = ''): Locator {
    return this.#page.locator(`.tile[aria-label^="${node}, ${state}"]`);
  }

  /** A line of its own: what was typed has more in it. */
  #line(node: string, text: string): Locator {
    return this.#tile(node)
      .locator('.xterm-rows > div', { hasText: new RegExp(`^${text}\\s*$`) })
      .first();
  }
}
