import type { TestLab } from '../support/lab.ts';
import { PANEL_TERMINAL, type Person, RECORDS } from './person.ts';

/** What looks at nodes from outside, by mouse and keyboard: ping, and the console as it was. */
export class LookJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  /** Lines of both, under their names; the second node does not answer. */
  async ping(first: string, second: string): Promise<void> {
    const ignore = (value: 0 | 1): Promise<string> =>
      this.#lab.inNode(second, `echo ${value} >/proc/sys/net/ipv4/icmp_echo_ignore_all`);
    await ignore(1);
    await this.#person.row(`${first}, `).click();
    await this.#person.row(`${second}, `).click({ modifiers: ['Control'] });
    await this.#person.choose(this.#person.row(`${second}, `), 'Ping Nodes');
    await this.#person.terminalShows(new RegExp(`${first} │ 64 bytes from`), PANEL_TERMINAL);
    const end = `${second} │ Node ${second} does not answer\\.[^]*1 of 2 nodes answer; ${second} does not`;
    await this.#person.terminalShows(new RegExp(end), PANEL_TERMINAL);
    await this.#person.typeInTerminal('', PANEL_TERMINAL);
    await this.#person.page.locator(PANEL_TERMINAL).waitFor({ state: 'detached' });
    await ignore(0);
  }

  /** To its end, and what was printed is there; Enter closes the terminal. */
  async replay(node: string): Promise<void> {
    await this.#lab.inNode(node, 'echo "said once: $((6*7))" >/dev/console');
    await this.#choose(node, 'Everything since power-on');
    await this.#person.input(`Replay the console of ${node}: how fast?`);
    await this.#person.pick('Without pauses');
    await this.#tab(node).waitFor();
    await this.#person.terminalShows(/said once: 42[^]*── end of the replay ──/);
    await this.#person.typeInTerminal('');
    await this.#tab(node).waitFor({ state: 'detached' });
  }

  /** The pause before the last line is long; a replay as it was is still in an earlier one. */
  async interruptReplay(node: string): Promise<void> {
    await this.#choose(node, 'Another range...');
    const input = await this.#person.input(`Replay the console of ${node}: from when to when?`);
    await input.fill('5m');
    await this.#person.page.locator('.quick-input-message', { hasText: "'5m' is no range" }).waitFor();
    await input.fill('full');
    await input.press('Enter');
    await this.#person.input(`Replay the console of ${node}: how fast?`);
    await this.#person.pick('As it was');
    await this.#tab(node).waitFor();
    await this.#person.page.locator('.part.editor .terminal-wrapper.active .xterm').click();
    await this.#person.page.keyboard.press('Control+c');
    await this.#person.terminalShows(/── stopped ──/);
    await this.#person.typeInTerminal('');
    await this.#tab(node).waitFor({ state: 'detached' });
  }

  async #choose(node: string, range: string): Promise<void> {
    const row = this.#person.row(`${node}, `);
    await row.click();
    await this.#person.choose(row, 'Replay Console...', RECORDS);
    await this.#person.input(`Replay the console of ${node}: from when to when?`);
    await this.#person.pick(range);
  }

  #tab(node: string): ReturnType<Person['activity']> {
    return this.#person.page.locator('.tab', { hasText: `${node} replay` });
  }
}
