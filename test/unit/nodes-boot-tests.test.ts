import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BootTests } from '../../backend/nodes/boot-tests.ts';
import { TemporaryNodes } from '../../backend/nodes/temporary-node.ts';
import { home, lab, never, until } from '../support/manager-nodes.ts';

class Holder {
  readonly #listeners: (() => void)[] = [];
  onClose(listener: () => void): void {
    this.#listeners.push(listener);
  }
  close(): void {
    for (const listener of this.#listeners) listener();
  }
}
const WISH = { image: 'tiny', settings: { ram: '128M' } };
const cuts: string[] = [];

function bootTests(): BootTests {
  const { manager } = lab;
  const log = (line: string) => void lab.logged.push(line);
  const cutOff = async (node: string, isCut: boolean) => {
    cuts.push(`${node} ${isCut}`);
    return await manager.cutOff(node, isCut);
  };
  const temporary = new TemporaryNodes({ nodes: manager, argv: () => ['true'], log });
  return new BootTests({ nodes: { cutOff }, temporary, log });
}
const nothingLeft = () => until('gone', () => readdirSync(join(home, 'nodes')).length === 0);

test('a node has the settings of its case alone, is there when its boot fails, and goes with its holder', async () => {
  lab.guest = 'panics';
  const holder = new Holder();
  const name = await bootTests().begin(WISH, holder, never);
  expect(lab.manager.one(name)).toMatchObject({
    state: 'booting',
    settings: { ram: '128M', 'boot.mode': 'auto' },
  });
  expect(lab.manager.list()).toEqual([]);
  await until('failed', () => lab.manager.one(name).state === 'failed');
  holder.close();
  await nothingLeft();
});

test('one whose machine does not start, or whose holder leaves meanwhile, leaves nothing', async () => {
  const tests = bootTests();
  await expect(tests.begin({ ...WISH, image: 'no' }, new Holder(), never)).rejects.toThrow(
    "No such image 'no'",
  );
  const holder = new Holder();
  const begun = tests.begin(WISH, holder, never);
  holder.close();
  await expect(begun).rejects.toThrow();
  await nothingLeft();
});

test('a cut has an end, a new one takes its place, and none outlives its node', async () => {
  const tests = bootTests();
  const holder = new Holder();
  const name = await tests.begin(WISH, holder, never);
  cuts.length = 0;
  await tests.cutOff(name, 3600);
  await tests.cutOff(name, 0.05);
  await until('connected', () => cuts.length === 3);
  expect(cuts).toEqual([`${name} true`, `${name} true`, `${name} false`]);
  await tests.cutOff(name, 0.2);
  // A timer that is set later, for as long, fires later.
  const after = delay(200);
  holder.close();
  await nothingLeft();
  await expect(tests.cutOff(name, 1)).rejects.toThrow(name);
  await after;
  expect(cuts.filter((cut) => cut.endsWith('false'))).toHaveLength(1);
});
