import type { FrameLocator, Locator } from 'playwright-core';
import type { TestLab } from '../support/lab.ts';
import { type Person, RECORDS } from './person.ts';
import type { Step } from './steps.ts';

const MANY = 3000;

/** The log view of a node that is booted, by mouse and keyboard. */
export class LogJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  steps(node: string): Step[] {
    return [
      {
        title: 'the logs of a node open, and follow what comes',
        run: () => this.#follow(node),
        picture: 'node-logs',
      },
      { title: 'they are searched, and a wrong expression gets its sentence', run: () => this.#search() },
      { title: 'older lines are read when they are scrolled to, by keys', run: () => this.#readOlder(node) },
    ];
  }

  async #follow(node: string): Promise<void> {
    await this.#person.choose(this.#person.row(`${node}, `), 'Show Node Logs', RECORDS);
    await this.#page.getByRole('heading', { name: `Logs of ${node}` }).waitFor();
    await this.#line(/^Starting up\.$/).waitFor();
    await this.#lab.inNode(node, 'walt-log-echo exp1 "measure $((6*7)) done"');
    await this.#line(/^measure 42 done$/).waitFor();
  }

  async #search(): Promise<void> {
    const search = this.#page.locator('#search');
    await search.fill('^measure [0-9]+ (done|lost)$');
    await this.#page.getByText('1 line', { exact: true }).waitFor();
    await this.#line(/^measure 42 done$/).waitFor();
    await search.fill('(');
    await this.#page
      .getByRole('alert')
      .getByText("Invalid regular expression: ( (a '(' is not closed).")
      .waitFor();
    await search.fill('nothing says this');
    await this.#page.getByText('No line matches.').waitFor();
    await this.#page.getByRole('button', { name: 'Clear Filters' }).click();
    await this.#line(/^measure 42 done$/).waitFor();
  }

  /** The first of many is some pages of the daemon away; the page has the rows in sight and some spare ones. */
  async #readOlder(node: string): Promise<void> {
    await this.#lab.inNode(node, `seq 1 ${MANY} | walt-log-cat numbers`);
    await this.#page.locator('#streams').fill('^numbers$');
    await this.#line(new RegExp(`^${MANY}$`)).waitFor();
    await this.#page.locator('#scroll').focus();
    const first = this.#line(/^1$/);
    for (let presses = 0; presses < 60 && (await first.count()) === 0; presses++) {
      await this.#person.page.keyboard.press('Home');
      await first.waitFor({ timeout: 1000 }).catch(() => undefined);
    }
    await first.waitFor();
    await this.#page.getByText(`${MANY.toLocaleString('en-US')} lines`, { exact: true }).waitFor();
    const rows = await this.#page.locator('.row').count();
    if (rows > 200) throw new Error(`the page has ${rows} rows`);
    await this.#person.page.keyboard.press('End');
    await this.#line(new RegExp(`^${MANY}$`)).waitFor();
  }

  get #page(): FrameLocator {
    return this.#person.webview();
  }

  #line(text: RegExp): Locator {
    return this.#page.locator('.row .text', { hasText: text }).last();
  }
}
