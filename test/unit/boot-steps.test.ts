import { describe, expect, test } from 'vitest';
import { bootSpread } from '../../backend/events/boots.ts';
import type { EventBody } from '../../backend/events/bus.ts';
import { bootSteps } from '../../backend/events/steps.ts';

const STARTED = 1_700_000_000_000;
const stage = (name: string, startMs: number, durationMs: number) => ({
  name,
  startMs,
  durationMs,
  detail: '',
});
const STAGES = [
  stage('firmware', 0, 900),
  stage('dhcp', 900, 100),
  stage('boot files', 1000, 1000),
  stage('kernel', 2000, 3000),
  stage('walt-init', 5000, 1000),
  stage('init', 6000, 2000),
];
const at = (ms: number, body: EventBody) => ({
  client: '192.168.152.2',
  seq: 1,
  ...body,
  time: STARTED + ms,
});
const steps = (...events: unknown[]) =>
  bootSteps(events, { startedAt: STARTED, totalMs: 8000, stages: STAGES });
const http = (ms: number, phase: 'start' | 'end' | 'refused', path: string, more = {}) =>
  at(ms, { kind: 'http', phase, path, bytes: 0, ...more });

describe('steps of a boot', () => {
  test('a message of DHCP, with its answer and why', () => {
    const body = { kind: 'dhcp', message: 'DISCOVER', cause: 'reserved' } as const;
    expect(
      steps(
        at(900, { ...body, answer: 'OFFER', address: '192.168.152.2', bootFile: 'start.ipxe' }),
        at(950, { ...body, cause: 'no address is free' }),
      ),
    ).toEqual([
      {
        kind: 'dhcp',
        stage: 'dhcp',
        name: 'DISCOVER: OFFER 192.168.152.2',
        startMs: 900,
        durationMs: 0,
        detail: 'reserved; boot file start.ipxe',
      },
      expect.objectContaining({ name: 'DISCOVER: no answer', detail: 'no address is free', isFault: true }),
    ]);
  });

  test('what begins a stage is a step of it, though the two clocks differ; what comes just before is not', () => {
    const body = { kind: 'dhcp', message: 'REQUEST', answer: 'ACK', cause: 'reserved' } as const;
    const found = steps(
      at(898, body),
      at(998, body),
      http(998, 'start', '/start.ipxe'),
      http(997, 'start', '/early'),
      at(1999, { kind: 'console', line: '[ 0.000000] Linux version 6.1' }),
      at(4998, { kind: 'console', line: '*** Initializing... ***' }),
    );
    expect(found.map(({ name, stage: of }) => [name.split(':')[0], of])).toEqual([
      ['REQUEST', 'dhcp'],
      ['http /early', 'dhcp'],
      ['REQUEST', 'dhcp'],
      ['http /start.ipxe', 'boot files'],
      ['[ 0.000000] Linux version 6.1', 'kernel'],
      ['Initializing', 'walt-init'],
    ]);
  });

  test('files last from their request to their end, also when two clients fetch one at once', () => {
    const two = { client: '192.168.152.3' };
    const found = steps(
      http(1100, 'start', '/kernel'),
      http(1150, 'start', '/kernel', two),
      http(1300, 'end', '/kernel', { ...two, bytes: 7, durationMs: 150 }),
      http(1500, 'end', '/kernel', { bytes: 7_000_000, durationMs: 400 }),
    );
    expect(found.map(({ startMs, durationMs, bytes }) => [startMs, durationMs, bytes])).toEqual([
      [1100, 400, 7_000_000],
      [1150, 150, 7],
    ]);
    expect(found[0]).toMatchObject({
      kind: 'file',
      stage: 'boot files',
      name: 'http /kernel',
      path: '/kernel',
    });
  });

  test('a file that was refused, broke off or has not ended says so', () => {
    expect(
      steps(
        http(1000, 'refused', '/none', { cause: 'no such file', status: 404 }),
        at(1100, { kind: 'tftp', phase: 'start', path: 'a', bytes: 9 }),
        at(1200, { kind: 'tftp', phase: 'end', path: 'a', bytes: 5, resent: 3, cause: 'no answer' }),
        http(1300, 'start', '/late'),
      ),
    ).toMatchObject([
      { name: 'http /none', detail: 'no such file', isFault: true, durationMs: 0 },
      { name: 'tftp a', detail: 'broke off: no answer', isFault: true, bytes: 5, resent: 3, durationMs: 100 },
      { name: 'http /late', detail: 'not ended', durationMs: 6700 },
    ]);
  });

  test('the end of a file whose begin is not on record counts back', () => {
    expect(steps(http(1500, 'end', '/x', { bytes: 1, durationMs: 300 }))).toMatchObject([
      { startMs: 1200, durationMs: 300 },
    ]);
  });

  test('a step of walt-init lasts until the next; with the last one the image’s init begins', () => {
    const line = (ms: number, text: string) => at(ms, { kind: 'console', line: text });
    expect(
      steps(
        line(5000, '*** Initializing...            ***'),
        line(5100, '>>> a note <<<'),
        line(5400, '*** Switching to rootfs... ***'),
        line(6000, '*** Starting walt image init... ***'),
      ).map(({ kind, name, durationMs, stage: where }) => [kind, name, durationMs, where]),
    ).toEqual([
      ['walt-init', 'Initializing', 400, 'walt-init'],
      ['console', '>>> a note <<<', 0, 'walt-init'],
      ['walt-init', 'Switching to rootfs', 600, 'walt-init'],
      ['walt-init', 'Starting walt image init', 0, 'init'],
    ]);
  });

  test('what is no event, or one of another version, is passed over; text is made printable', () => {
    expect(
      steps(
        null,
        'x',
        { kind: 'dhcp' },
        { kind: 'new', time: 1 },
        at(1, { kind: 'warning', sentence: 'a\u001b[31m' }),
      ),
    ).toMatchObject([{ kind: 'warning', name: 'a [31m' }]);
  });
});

test('the spread of boots: median and 95 %, by stage, without those from snapshots', () => {
  const boots = [1, 2, 3, 4, 100].map((seconds) => ({
    totalMs: seconds * 1000,
    stages: [stage('firmware', 0, seconds * 500), stage('booted', seconds * 1000, 0)],
  }));
  expect(bootSpread([...boots, { totalMs: 5, stages: [stage('restore', 0, 5)] }])).toEqual([
    { name: 'total', boots: 5, medianMs: 3000, p95Ms: 100_000 },
    { name: 'firmware', boots: 5, medianMs: 1500, p95Ms: 50_000 },
  ]);
  expect(bootSpread([])).toEqual([]);
});

test('NFS is a step for each connection, with its last totals', () => {
  const nfs = (ms: number, connection: string, operations: number, bytesRead: number) =>
    at(ms, { kind: 'nfs', connection, since: STARTED + 5000, operations, bytesRead });
  const found = steps(nfs(5500, 'a', 10, 100), nfs(5600, 'b', 1, 0), nfs(7000, 'a', 40, 4000));
  expect(found).toMatchObject([
    {
      kind: 'nfs',
      stage: 'walt-init',
      startMs: 5000,
      durationMs: 2000,
      detail: '40 calls',
      calls: 40,
      bytes: 4000,
    },
    { kind: 'nfs', startMs: 5000, durationMs: 600, detail: '1 call', calls: 1, bytes: 0 },
  ]);
});

test('services of the system are steps, once each, also when two daemons asked', () => {
  const service = (name: string, startMs: number, durationMs: number, failed = false) =>
    at(8000, { kind: 'service', name, startedAt: STARTED + startMs, durationMs, failed });
  const found = steps(
    service('a.service', 6500, 100),
    service('b.service', 6600, 0, true),
    service('a.service', 6501, 101),
  );
  expect(found).toMatchObject([
    { kind: 'service', stage: 'init', name: 'a.service', startMs: 6500, durationMs: 100, detail: '' },
    { kind: 'service', name: 'b.service', detail: 'failed', isFault: true },
  ]);
});

test('a file says where it comes from, and that it broke off', () => {
  const from = { origin: '/boot/vmlinuz of tiny, layer 2' };
  const found = steps(http(1100, 'start', '/kernel', from), http(1500, 'end', '/kernel', { cause: 'gone' }));
  expect(found[0]?.detail).toBe('/boot/vmlinuz of tiny, layer 2; broke off: gone');
  expect(steps(http(1100, 'start', '/kernel', from))[0]?.detail).toBe(`${from.origin}; not ended`);
});
