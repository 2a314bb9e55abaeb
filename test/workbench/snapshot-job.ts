import { readdirSync } from 'node:fs';
import { until, type TestLab } from '../support/lab.ts';
import { startsToRestore, stopProcess } from '../support/snapshots.ts';
import type { Person } from './person.ts';

const MENU = 'Snapshots';

/** Snapshots of nodes, by mouse and keyboard. */
export class SnapshotJob {
  readonly #person: Person;
  readonly #lab: TestLab;

  constructor(person: Person, lab: TestLab) {
    this.#person = person;
    this.#lab = lab;
  }

  async save(node: string, name: string): Promise<void> {
    await this.#lab.inNode(node, 'echo before >/root/note; sync');
    await this.#choose(node, 'Save Snapshot...');
    const input = await this.#person.input(`Save a snapshot of ${node}`);
    await input.fill('-wrong');
    await this.#person.page.locator('.quick-input-message', { hasText: 'A snapshot name has' }).waitFor();
    await input.fill(name);
    await input.press('Enter');
    await this.#person.said(`Saved snapshot ${name} of ${node}`);
    const names = await this.#names(node);
    if (names.join() !== name) throw new Error(`there is ${names.join()}`);
    await this.#person.row(`${node}, booted`).waitFor();
  }

  async refuseTaken(node: string, name: string): Promise<void> {
    await this.#choose(node, 'Save Snapshot...');
    const input = await this.#person.input(`Save a snapshot of ${node}`);
    await input.fill(name);
    const sentence = `There is a snapshot "${name}"`;
    await this.#person.page.locator('.quick-input-message', { hasText: sentence }).waitFor();
    await input.press('Escape');
  }

  /** The list stays open; what comes next closes it. */
  async list(node: string, name: string): Promise<void> {
    await this.#choose(node, 'Restore Snapshot...');
    await this.#listed(name);
  }

  /** Its disk holds data, so it asks; a no changes nothing. */
  async restore(node: string, name: string): Promise<void> {
    await this.#lab.inNode(node, 'echo after >/root/note; sync');
    const { bootedAt } = await this.#lab.node(node);
    const question = `What was written to the disks of ${node} since snapshot ${name} gets lost.`;
    await this.#pick(node, 'Restore Snapshot...', name);
    await this.#person.confirm(question, 'Cancel');
    await this.#note(node, 'after');
    await this.#pick(node, 'Restore Snapshot...', name);
    await this.#person.confirm(question, 'Restore');
    await until(
      'the restored node',
      () => this.#lab.node(node),
      (now) => now.state === 'booted' && now.bootedAt !== bootedAt,
      120_000,
    );
    await this.#person.row(`${node}, booted`).waitFor();
    await this.#note(node, 'before');
  }

  async createFrom(node: string, name: string, next: string): Promise<void> {
    await this.#pick(node, 'Create Node from Snapshot...', name);
    await this.#person.answer('New node', next);
    await this.#person.row(`${next}, booted`).waitFor({ timeout: 120_000 });
    await this.#note(next, 'before');
    const own = await this.#lab.inNode(next, 'uname -n');
    if (own.trim() !== next) throw new Error(`it is named ${own}`);
  }

  async cancelSave(node: string): Promise<void> {
    // What has to be copied takes longer than a hand to the button.
    const some = 'tr "\\0" x </dev/zero | head -c 67108864 >/tmp/x';
    const much = 'i=0; while [ $i -lt 14 ]; do cat /tmp/x; i=$((i+1)); done >/dev/sda';
    await this.#lab.inNode(node, `set -e; ${some}; ${much}; rm /tmp/x; sync`);
    await this.#choose(node, 'Save Snapshot...');
    await this.#person.answer(`Save a snapshot of ${node}`, 'cancelled');
    await this.#cancel(`Saving a snapshot of ${node}`);
    await this.#person.row(`${node}, booted`).waitFor();
    if ((await this.#names(node)).includes('cancelled')) throw new Error('it was saved');
    await this.#note(node, 'before');
  }

  /** As long as its memory is read; the node is off then, and nothing is left of a copy. */
  async cancelRestore(node: string, name: string): Promise<void> {
    await this.#lab.bootyard('node', 'snapshot', 'save', node, name);
    const starts = startsToRestore(this.#lab);
    await this.#pick(node, 'Restore Snapshot...', name);
    await this.#person.confirm(`What was written to the disks of ${node}`, 'Restore');
    const machine = await stopProcess(starts);
    await this.#cancel(`Restoring ${node} from snapshot ${name}`);
    process.kill(machine, 'SIGCONT');
    const reason = `Snapshot ${name} was not restored: this was cancelled.`;
    await this.#person.row(`${node}, off: ${reason}`).waitFor();
    const files = readdirSync(this.#lab.paths.nodes, { recursive: true, encoding: 'utf8' });
    const parts = files.filter((file) => file.endsWith('.part'));
    if (parts.length > 0) throw new Error(`left: ${parts.join()}`);
  }

  /** Nothing is left of the node. */
  async cancelCreate(node: string, name: string, next: string): Promise<void> {
    const folders = (): number => readdirSync(this.#lab.paths.nodes).length;
    const before = folders();
    const starts = startsToRestore(this.#lab);
    await this.#pick(node, 'Create Node from Snapshot...', name);
    await this.#person.answer('New node', next);
    const machine = await stopProcess(starts);
    await this.#cancel(`Creating ${next} from ${node}@${name}`);
    process.kill(machine, 'SIGCONT');
    await this.#person.row(`${next}, `).waitFor({ state: 'detached' });
    await until('no folder of it', folders, (count) => count === before);
    const all = (await this.#lab.nodes()).map((one) => one.name);
    if (all.includes(next)) throw new Error('it was created');
    await this.#lab.bootyard('node', 'boot', node, '--wait');
  }

  async #cancel(title: string): Promise<void> {
    const toast = this.#person.toast(title);
    await toast.getByRole('button', { name: 'Cancel' }).click();
    await toast.waitFor({ state: 'detached', timeout: 60_000 });
    await this.#person.noToast();
  }

  async remove(node: string, name: string): Promise<void> {
    const question = `Remove snapshot ${name} of ${node}?`;
    await this.#pick(node, 'Remove Snapshot...', name);
    await this.#person.confirm(question, 'Cancel');
    await this.#pick(node, 'Remove Snapshot...', name);
    await this.#person.confirm(question, 'Remove');
    await until(
      'no snapshot',
      () => this.#names(node),
      (names) => names.length === 0,
    );
    await this.#choose(node, 'Restore Snapshot...');
    const toast = this.#person.toast(`${node} has no snapshot yet.`);
    await toast.getByRole('button', { name: 'Save Snapshot...' }).waitFor();
    await this.#person.dismiss(toast);
  }

  async #choose(node: string, entry: string): Promise<void> {
    const row = this.#person.row(`${node}, `);
    await row.click();
    await this.#person.choose(row, entry, MENU);
  }

  async #pick(node: string, entry: string, name: string): Promise<void> {
    await this.#choose(node, entry);
    await this.#listed(name);
    await this.#person.pick(name);
  }

  /** The list tells when it was saved, the image and the size. */
  async #listed(name: string): Promise<void> {
    const item = this.#person.page.locator('.quick-input-widget .monaco-list-row', { hasText: name });
    await item.getByText(/ago · pc-x86-64-tiny · \d+(\.\d)? [MG]B/).waitFor();
  }

  async #note(node: string, expected: string): Promise<void> {
    const note = (await this.#lab.inNode(node, 'cat /root/note')).trim();
    if (note !== expected) throw new Error(`the note of ${node} is "${note}"`);
  }

  async #names(node: string): Promise<string[]> {
    const list = await this.#lab.bootyard('node', 'snapshot', 'list', node, '--json');
    return (JSON.parse(list) as { name: string }[]).map(({ name }) => name);
  }
}
