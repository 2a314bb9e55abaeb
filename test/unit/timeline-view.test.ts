import { expect, test } from 'vitest';
import type { BootStep, Timeline } from '../../backend/api/boots.ts';
import { canOpen, imagePath, timelineView } from '../../extension/timeline/timeline-view.ts';
import { marks, seconds } from '../../media/timeline/scale.ts';

const step = (more: Partial<BootStep>): BootStep => ({
  kind: 'file',
  stage: 'boot files',
  name: 'http /boot/kernel',
  startMs: 10,
  durationMs: 500,
  detail: '',
  ...more,
});
const timeline = (number: number, steps: BootStep[] = []): Timeline => ({
  node: 'n1',
  number,
  image: 'tiny',
  startedAt: '2026-01-02T03:04:05.678Z',
  outcome: 'failed',
  reason: 'no kernel',
  totalMs: 1234,
  stages: [{ name: 'dhcp', startMs: 0, durationMs: 5, detail: 'x' }],
  steps,
});

test('a boot that failed is shown with its reason, its steps with sizes, rates and causes', () => {
  const steps = [
    step({ bytes: 1e6, resent: 2, detail: 'broke off: lost', isFault: true }),
    step({ kind: 'dhcp', name: 'DISCOVER: OFFER', durationMs: 0, detail: 'reserved' }),
  ];
  const view = timelineView('aa', timeline(2, steps), [timeline(2), timeline(1)], timeline(1));
  expect(view).toMatchObject({
    mac: 'aa',
    title: 'Boot 2 of n1 on tiny: failed, 1.2 s',
    notice: 'no kernel',
    isFault: true,
    number: 2,
    other: { number: 1 },
  });
  expect(view.boots[1]).toEqual({ number: 1, label: '1: failed, 1.2 s, tiny, 2026-01-02 03:04:05' });
  expect(view.steps.map(({ detail, isFault }) => [detail, isFault])).toEqual([
    ['1.0 MB at 2.0 MB/s, 2 blocks sent again, broke off: lost', true],
    ['reserved', false],
  ]);
  expect(timelineView('aa', timeline(1), [timeline(1)], undefined)).not.toHaveProperty('other');
});

test.each([
  ['/boot/kernel', '/boot/pc/kernel'],
  ['/start.ipxe', '/boot/pc/start.ipxe'],
  ['start.ipxe', '/boot/pc/start.ipxe'],
  ['/boot/QEMU/a b/x', '/boot/pc/QEMU/a b/x'],
  ['/boot/../../etc/shadow', undefined],
  ['/', undefined],
  [undefined, undefined],
])('%s is in the image at %s', (path, place) => expect(imagePath('pc', path)).toBe(place));

test('steps that lead somewhere: files of the image, lines of the console', () => {
  const leading = (more: Partial<BootStep>): boolean => canOpen(step(more));
  expect([
    leading({ path: '/boot/kernel' }),
    leading({}),
    leading({ kind: 'console' }),
    leading({ kind: 'dhcp', path: '/x' }),
  ]).toEqual([true, false, true, false]);
});

test('a scale has about ten marks at round times, whatever the zoom', () => {
  expect(marks(7000, 1)).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000, 7000]);
  for (const [whole, zoom] of [
    [1, 1],
    [60_000, 1],
    [60_000, 7],
    [90_000, 200],
  ] as const)
    expect(marks(whole, zoom).length).toBeLessThanOrEqual(11 * zoom);
  expect([seconds(12), seconds(1234), seconds(12_345)]).toEqual(['12 ms', '1.23 s', '12.3 s']);
});
