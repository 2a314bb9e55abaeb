import { expect, test } from 'vitest';
import type { BootStep, Timeline } from '../../backend/api/boots.ts';
import { consoleLine, packetLine } from '../../extension/timeline/step-line.ts';
import { imagePath, leadsTo, timelineView } from '../../extension/timeline/timeline-view.ts';
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

test.each<[Partial<BootStep>, string | undefined]>([
  [{ path: '/boot/kernel' }, 'file'],
  [{ path: '/boot/../../etc/shadow' }, 'packet'],
  [{ kind: 'console' }, 'console'],
  [{ kind: 'walt-init' }, 'console'],
  [{ kind: 'dhcp' }, 'packet'],
  [{ kind: 'mount', path: '/x' }, 'packet'],
  [{ kind: 'nfs' }, 'packet'],
  [{ kind: 'service' }, undefined],
])('a step of %j leads to a %s', (more, place) => expect(leadsTo(step(more))).toBe(place));

const startedAt = '2026-01-02T03:04:05.000Z';
const CONSOLE = [
  '2026-01-02T03:04:00.000Z Mounting root...',
  '2026-01-02T03:04:06.000Z *** Mounting root... ***',
  '2026-01-02T03:04:07.000Z Linux version 6',
  'no time: Mounting root',
  '2026-01-02T03:09:07.000Z *** Mounting root... ***',
  '',
];
test.each<[Partial<BootStep>, number | undefined]>([
  [{ kind: 'walt-init', name: 'Mounting root', startMs: 1000 }, 1],
  [{ kind: 'walt-init', name: 'Mounting root', startMs: 300_000 }, 4],
  [{ kind: 'console', name: 'Linux version 6', startMs: 1000 }, 2],
  [{ kind: 'console', name: 'never said', startMs: 1000 }, undefined],
  [{ kind: 'console', name: '', startMs: 1000 }, undefined],
])('the console says %j in line %s', (more, line) =>
  expect(consoleLine(CONSOLE, step(more), { startedAt })).toBe(line),
);

const PACKETS = [
  '     1    0.900000  0.0.0.0:68 > 255.255.255.255:67               DHCP    DISCOVER 52:54:00:01:02:03 xid 0x1',
  '     2    0.910000  192.0.2.1:67 > 192.0.2.2:68                   DHCP    OFFER 52:54:00:01:02:03 xid 0x1',
  '     3    1.500000  192.0.2.2:3000 > 192.0.2.1:69                 TFTP    read start.ipxe (octet)',
  '     4    2.000000  192.0.2.2:4000 > 192.0.2.1:80                 HTTP    GET /boot/kernel HTTP/1.1',
  '     5    3.000000  192.0.2.2:700 > 192.0.2.1:2049                MOUNT   MNT call /images/x',
  '     6    3.100000  192.0.2.2:701 > 192.0.2.1:2049                NFS     GETATTR call',
  '     7    9.000000  0.0.0.0:68 > 255.255.255.255:67               DHCP    DISCOVER 52:54:00:01:02:03 xid 0x2',
  '[the first 50000 packets]',
  '',
];
test.each<[Partial<BootStep>, number | undefined]>([
  [{ kind: 'dhcp', name: 'DISCOVER: OFFER 192.0.2.2', startMs: 905 }, 0],
  [{ kind: 'dhcp', name: 'DISCOVER: no answer', startMs: 9010 }, 6],
  [{ kind: 'dhcp', name: 'RELEASE: no answer', startMs: 9010 }, undefined],
  [{ kind: 'file', path: '/boot/kernel', startMs: 1400 }, 3],
  [{ kind: 'mount', name: '/images/x', startMs: 3000 }, 4],
  [{ kind: 'nfs', name: 'nfs', startMs: 0 }, 5],
])('the packet of %j is in line %s', (more, line) => expect(packetLine(PACKETS, step(more))).toBe(line));

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
