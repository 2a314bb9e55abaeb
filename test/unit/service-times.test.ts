import { expect, test } from 'vitest';
import { servicesIn } from '../../backend/nodes/service-times.ts';

const NOW = 1_700_000_100_000;
const block = (name: string, times: [number, number, number], state = 'active') =>
  [
    `Id=${name}`,
    `ActiveState=${state}`,
    `InactiveExitTimestampMonotonic=${times[0]}`,
    `ActiveEnterTimestampMonotonic=${times[1]}`,
    `InactiveEnterTimestampMonotonic=${times[2]}`,
  ].join('\n');

test('services come in the order of their starts, with how long each took, by the lab’s clock', () => {
  const text = [
    block('ssh.service', [9_000_000, 9_500_000, 0]),
    block('never.service', [0, 0, 0], 'inactive'),
    block('once.service', [2_000_000, 0, 2_250_000], 'inactive'),
    block('broken.service', [3_000_000, 0, 0], 'failed'),
  ].join('\n\n');
  // The kernel began 40.5 s before the answer came.
  const kernel = NOW - 40_500;
  expect(servicesIn(`40.50\n${text}\n`, NOW)).toEqual([
    { name: 'once.service', startedAt: kernel + 2000, durationMs: 250, failed: false },
    { name: 'broken.service', startedAt: kernel + 3000, durationMs: 0, failed: true },
    { name: 'ssh.service', startedAt: kernel + 9000, durationMs: 500, failed: false },
  ]);
});

test.each([
  '',
  'sh: systemctl: not found',
  'NaN\nId=a\n',
  '1\nId=\nInactiveExitTimestampMonotonic=x\n',
  '1\n=\n\n===\n',
])('a node that says %j has none', (text) => expect(servicesIn(text, NOW)).toEqual([]));

test('a node that has very many has the first ones', () => {
  const many = Array.from({ length: 500 }, (_, at) => block(`s${at}.service`, [at + 1, at + 2, 0]));
  const found = servicesIn(`1\n${many.join('\n\n')}`, NOW);
  expect(found).toHaveLength(200);
  expect(found[0]?.name).toBe('s0.service');
});
