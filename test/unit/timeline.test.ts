import { describe, expect, test, vi } from 'vitest';
import type { BusEvent, EventBody } from '../../backend/events/bus.ts';
import { BootTimeline } from '../../backend/events/timeline.ts';

const NODE = '52:54:00:00:00:01';
// Boots begin at 1000, whenever a test does.
vi.spyOn(performance, 'now').mockReturnValue(1000);
let seq = 0;
const at = (mono: number, body: EventBody): BusEvent => ({ ...body, node: NODE, seq: ++seq, time: 0, mono });
const line = (mono: number, text: string) => at(mono, { kind: 'console', line: text });
const dhcp = (mono: number, message: string, answer?: string) =>
  at(mono, { kind: 'dhcp', message, answer, address: '192.168.152.2', cause: 'reserved' });
const http = (mono: number, phase: 'start' | 'end' | 'refused', path: string, bytes = 0) =>
  at(mono, {
    kind: 'http',
    phase,
    path,
    bytes,
    durationMs: 20,
    cause: phase === 'refused' ? 'no such file' : undefined,
  });

/** A recorded boot of the tiny image, in ms after a power-on at 1000. */
const BOOT: BusEvent[] = [
  line(1300, 'SeaBIOS (version 1.16.2)'),
  line(1600, 'iPXE 1.0.0'),
  dhcp(1900, 'DISCOVER', 'OFFER'),
  dhcp(1950, 'REQUEST', 'ACK'),
  at(2000, { kind: 'tftp', phase: 'start', path: 'start.ipxe', bytes: 300 }),
  at(2010, { kind: 'tftp', phase: 'end', path: 'start.ipxe', bytes: 300, durationMs: 10 }),
  http(2100, 'refused', '/boot/boot-params.ipxe'),
  http(2200, 'start', '/boot/kernel', 7_200_000),
  http(2500, 'end', '/boot/kernel', 7_200_000),
  line(3000, '[    0.000000] Linux version 6.1.0-28-cloud-amd64 (debian)'),
  dhcp(4000, 'REQUEST', 'ACK'),
  at(5000, { kind: 'mount', ok: true, path: '/var/lib/walt/nodes/x/fs' }),
  line(5500, '*** Initializing...            ***'),
  line(5700, '*** Switching to rootfs...     ***'),
  at(5800, { kind: 'mount', ok: false, path: '/persist', cause: 'not served' }),
  line(6000, '*** Starting walt image init... ***'),
  at(6100, { kind: 'http', phase: 'start', path: '/late', bytes: 1 }),
  at(8000, { kind: 'agent', phase: 'booted' }),
  line(9000, '*** Initializing... ***'),
  at(9500, { kind: 'agent', phase: 'booted' }),
];

function play(events: BusEvent[]) {
  const begun: string[] = [];
  const timeline = new BootTimeline({
    origin: 1000,
    onStage: (stage, detail, atMs) => begun.push(`${atMs} ${stage}: ${detail}`),
  });
  timeline.powerOn('QEMU');
  begun.length = 0;
  for (const event of events) timeline.take(event);
  return { timeline, begun, stages: timeline.stages() };
}

describe('a whole boot', () => {
  const { timeline, begun, stages } = play(BOOT);

  test('stages follow one another without gaps, from power-on to booted', () => {
    expect(stages.map(({ name }) => name)).toEqual([
      'firmware',
      'dhcp',
      'boot files',
      'kernel',
      'root',
      'walt-init',
      'init',
      'booted',
    ]);
    expect(stages.slice(1).map(({ startMs }) => startMs)).toEqual([900, 1000, 2000, 4000, 4500, 5000, 7000]);
    for (const [index, stage] of stages.slice(1, -1).entries()) {
      expect(stage.startMs + stage.durationMs).toBe(stages[index + 2]?.startMs);
    }
    expect(timeline.totalMs()).toBe(7000);
    expect(timeline.isOver).toBe(true);
  });

  test('details say what happened', () => {
    const detail = (name: string) => stages.find((stage) => stage.name === name)?.detail;
    expect(detail('dhcp')).toBe('DISCOVER: OFFER 192.168.152.2; REQUEST: ACK 192.168.152.2');
    expect(detail('boot files')).toBe(
      'tftp start.ipxe 300 B in 10 ms; http boot-params.ipxe refused: no such file; http kernel 7.2 MB in 20 ms',
    );
    expect(detail('kernel')).toBe('Linux version 6.1.0-28-cloud-amd64');
    expect(detail('walt-init')).toBe(
      'Initializing 200 ms; /persist refused: not served; Switching to rootfs 300 ms',
    );
    expect(detail('booted')).toBe('7.0 s after power-on');
  });

  test('each stage is announced once, as it begins', () => {
    expect(begun).toEqual([
      '900 dhcp: DISCOVER: OFFER 192.168.152.2',
      '1000 boot files: tftp start.ipxe',
      '2000 kernel: Linux version 6.1.0-28-cloud-amd64',
      '4000 root: /var/lib/walt/nodes/x/fs',
      '4500 walt-init: Initializing...',
      '5000 init: Starting walt image init...',
      '7000 booted: 7.0 s after power-on',
    ]);
  });
});

test('a guest without a console still has stages, by what the servers see', () => {
  const { stages } = play(BOOT.filter((event) => event.kind !== 'console'));
  expect(stages.map(({ name }) => name)).toEqual(['firmware', 'dhcp', 'boot files', 'root', 'booted']);
});

test('a boot that ends early keeps what it has, and complaints', () => {
  const { timeline } = play([...BOOT.slice(0, 10), line(3500, '[ 1.0] Kernel panic - not syncing: no root')]);
  expect(timeline.current).toEqual({ name: 'kernel', detail: '[ 1.0] Kernel panic - not syncing: no root' });
  timeline.end('stopped');
  timeline.take(line(99_000, '*** Initializing... ***'));
  expect(timeline.stages().at(-1)).toMatchObject({ name: 'kernel' });
  expect(timeline.stages().at(-1)?.detail).toMatch(/stopped$/);
});

test('a new daemon goes on with what the earlier one had stored', () => {
  const first = play(BOOT.slice(0, 12));
  const begun: string[] = [];
  const restored = BootTimeline.restore(
    { origin: 1000, onStage: (stage) => begun.push(stage) },
    first.timeline.stages(),
    false,
  );
  for (const event of BOOT.slice(12)) restored.take(event);
  expect(begun).toEqual(['walt-init', 'init', 'booted']);
  expect(restored.stages()).toEqual(play(BOOT).stages);
  expect(BootTimeline.restore({ origin: 0 }, restored.stages(), true).isOver).toBe(true);
});

test('details are bounded', () => {
  const files = Array.from({ length: 2000 }, (_, index) =>
    http(2000 + index, 'end', `/boot/${'f'.repeat(300)}`, 1),
  );
  expect(play(files).stages.at(-1)?.detail.length).toBeLessThanOrEqual(600);
});

test('what a node says cannot steer a terminal', () => {
  const { stages } = play([http(2000, 'refused', '/boot/\x1b[2J\u009b1m\nx')]);
  expect(stages.at(-1)?.detail).toBe('http  [2J 1m x refused: no such file');
});
