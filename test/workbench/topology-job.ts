import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Locator } from 'playwright-core';
import type { TestLab } from '../support/lab.ts';
import type { Person } from './person.ts';
import type { Step } from './steps.ts';

/** The drawing of the lab's networks: a node in two of them that is booted, and one that is off. */
export class TopologyJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  steps(booted: string, off: string): Step[] {
    return [
      {
        title: 'the topology shows nodes and networks',
        run: () => this.#open(booted, off),
        picture: 'lab-topology',
      },
      { title: 'it counts what passes', run: () => this.#count(booted) },
      { title: 'it follows nodes, and boots one', run: () => this.#boot(off) },
      { title: 'keys lead to a node and its timeline', run: () => this.#byKeys(booted) },
      { title: 'the command line has it as a tree', run: () => this.#asText(booted) },
    ];
  }

  async #open(booted: string, off: string): Promise<void> {
    await this.#person.palette('Bootyard: Topology');
    await this.#box(booted, 'booted').waitFor();
    await this.#box(off, 'off').waitFor();
    for (const network of ['walt-net', 'home-net'])
      await this.#page.locator('.network text', { hasText: network }).waitFor();
    await this.#page.locator('.link text', { hasText: /^\S+ k?B\/s in, .+, lat=1ms$/ }).waitFor();
    await this.#page.locator('.link.down text', { hasText: 'no cable' }).waitFor();
  }

  /** The copy goes through the cable of this node. */
  async #count(booted: string): Promise<void> {
    const file = join(this.#lab.home, 'much');
    writeFileSync(file, randomBytes(20_000_000));
    const busy = this.#page.locator('.link.busy text', { hasText: /MB\/s in/ });
    await Promise.all([
      busy.first().waitFor({ timeout: 120_000 }),
      this.#lab.bootyard('node', 'cp', file, `${booted}:/tmp/much`),
    ]);
  }

  async #boot(off: string): Promise<void> {
    await this.#box(off).click();
    await this.#details(`${off} · off`);
    await this.#page.getByRole('button', { name: 'Boot', exact: true }).click();
    await this.#box(off, 'booting').waitFor();
    await this.#box(off, 'booted').waitFor({ timeout: 240_000 });
    await this.#details(`${off} · booted`);
    await this.#page.locator('.link.down').waitFor({ state: 'detached' });
  }

  async #byKeys(booted: string): Promise<void> {
    const { keyboard } = this.#person.page;
    await this.#page.locator('.box').first().focus();
    await keyboard.press('ArrowDown');
    await this.#box(booted).and(this.#page.locator(':focus')).waitFor();
    await keyboard.press('Enter');
    await this.#details(`${booted} · booted`);
    const timeline = this.#page.getByRole('button', { name: 'Timeline' });
    for (let presses = 0; presses < 10; presses++) {
      await keyboard.press('Tab');
      if ((await timeline.and(this.#page.locator(':focus')).count()) > 0) break;
    }
    await keyboard.press('Enter');
    await this.#person.page.locator('.tab.active', { hasText: `${booted} boot timeline` }).waitFor();
  }

  async #asText(booted: string): Promise<void> {
    const tree = await this.#lab.bootyard('lab', 'topology');
    const line = new RegExp(
      `^walt-net\\n[^]*─ ${booted} +booted +192\\.[^]*\\nhome-net\\n[^]*└─ ${booted} +booted`,
    );
    if (!line.test(tree)) throw new Error(`not as expected: ${tree}`);
  }

  async #details(text: string): Promise<void> {
    await this.#page.locator('#details', { hasText: text }).waitFor();
  }

  get #page(): FrameLocator {
    return this.#person.webview();
  }

  #box(node: string, state = ''): Locator {
    return this.#page.locator(`.box[aria-label^="${node}, ${state}"]`);
  }
}
