import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generator } from '../support/generator.ts';
import { giveProgram } from '../support/guest-program.ts';
import { TestLab, until } from '../support/lab.ts';
import { expectConsistent } from '../support/persist-check.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const random = generator(Number(process.env.PERSIST_SEED ?? 5));
const CUTS = 20;
const KILLS = 3;
const WRITERS = 3;
/** that each of them does while the daemon is killed */
const ITEMS = 300;

beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', '--wait', 'n1', '--image', 'pc-x86-64-tiny');
  await giveProgram(lab, 'fs-writer', 'n1');
  await lab.inNode('n1', 'cp /run/fs-writer /persist/ && sync');
});
afterAll(() => lab.remove());

/** Programs in the node that write to a folder of /persist, and the last item that each has said is done for good. */
class Writers {
  readonly folder: string;
  readonly last: number[] = Array.from({ length: WRITERS }, () => -1);
  readonly ended: Promise<unknown[]>;
  #text = '';

  constructor(folder: string, items: number) {
    this.folder = folder;
    const command = `/persist/fs-writer write /persist/${folder} ${WRITERS} ${items}`;
    const writing: ChildProcess = lab.spawn('node', 'run', 'n1', command);
    writing.stdout?.on('data', (chunk) => this.#said(String(chunk)));
    this.ended = once(writing, 'close');
  }

  /** Items that all writers have done together. */
  get done(): number {
    return this.last.reduce((sum, item) => sum + item + 1, 0);
  }

  /** A line that the cut has torn says nothing. */
  #said(chunk: string): void {
    const lines = (this.#text + chunk).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const [writer, item] = line.trim().split(' ').map(Number);
      if (writer !== undefined && item !== undefined) this.last[writer] = item;
    }
  }

  async progress(items: number): Promise<void> {
    const before = this.done;
    await until(
      'items that are done',
      () => this.done,
      (done) => done >= before + items,
      120_000,
    );
  }

  /** What the node finds of it, past what it has in memory; nothing when all is there. */
  async lost(): Promise<string> {
    let lost = '';
    for (const [writer, item] of this.last.entries()) {
      const verify = `/persist/fs-writer verify /persist/${this.folder} ${writer} ${item}`;
      const said = await lab.inNode('n1', `echo 3 >/proc/sys/vm/drop_caches; ${verify}`);
      if (said !== `verified ${item}\n`) lost += `${this.folder}, writer ${writer}: ${said}`;
    }
    return lost;
  }
}

/** Kills the process of a node's machine, behind the back of the daemon. */
function cutPower(mac: string): void {
  const machines = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(mac));
  expect(machines).toHaveLength(1);
  process.kill(Number(machines[0]), 'SIGKILL');
}
function commandOf(pid: string): string {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return /^\S*qemu-system/.test(command) ? command : '';
  } catch {
    return '';
  }
}

describe.runIf(isLong)('a power cut', () => {
  test(`at ${CUTS} moments of writes to /persist: all that was said to be done is there and whole`, async () => {
    const { mac } = await lab.node('n1');
    for (let cut = 0; cut < CUTS; cut++) {
      const writers = new Writers(`cut-${cut}`, 1_000_000);
      await writers.progress(40);
      await delay(random(3000));
      cutPower(mac);
      await writers.ended;
      await until(
        'the end of the machine is seen',
        () => lab.node('n1'),
        ({ state }) => state === 'failed' || state === 'off',
      );
      await lab.bootyard('node', 'boot', 'n1');
      await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
      expect(await writers.lost()).toBe('');
      await lab.inNode('n1', `rm -rf /persist/cut-${cut}`);
    }
  }, 2_400_000);
});

describe.runIf(isLong)('kill -9 of the daemon', () => {
  test('while a guest writes: it goes on by itself, and all that was said to be done is there', async () => {
    const writers = new Writers('killed', ITEMS);
    for (let kill = 0; kill < KILLS; kill++) {
      await writers.progress(40);
      await delay(random(1000));
      const before = (await lab.status()).daemon?.pid ?? 0;
      process.kill(before, 'SIGKILL');
      await until(
        'a new daemon',
        async () => (await lab.status().catch(() => undefined))?.daemon?.pid ?? before,
        (pid) => pid !== before,
      );
      expect(writers.done).toBeLessThan(WRITERS * ITEMS);
    }
    expect(await writers.ended).toEqual([0, null]);
    expect(writers.done).toBe(WRITERS * ITEMS);
    expect(await writers.lost()).toBe('');
    await lab.bootyard('node', 'reboot', '--hard', 'n1');
    await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
    expect(await writers.lost()).toBe('');
  }, 600_000);

  test('leaves a store without contradictions', async () => {
    await lab.bootyard('node', 'stop', 'n1');
    const { mac } = await lab.node('n1');
    await until(
      'the share at rest',
      () => expectConsistent(`${lab.paths.nodes}/${mac.replaceAll(':', '-')}/persist`),
      (objects) => objects > 100,
    );
  });
});
