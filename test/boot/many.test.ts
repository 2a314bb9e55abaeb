import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(() => lab.importDefault('pc-x86-64-tiny'));
afterAll(() => lab.remove());

test.runIf(isLong)('eight nodes boot together, and the daemon stays small', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `m${i + 1}`);
  for (const name of names) await lab.bootyard('node', 'create', name, '--image', 'pc-x86-64-tiny');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'all-nodes');
  const out = await lab.bootyard('node', 'run', names.join(','), 'hostname');
  expect(out.trim().split('\n').sort()).toEqual(names.map((name) => `${name}: ${name}`));
  const { daemon, nodes } = await lab.status();
  expect(nodes).toEqual({ booted: 8, total: 8 });
  expect(daemon?.rssBytes).toBeLessThan(150_000_000);
});
