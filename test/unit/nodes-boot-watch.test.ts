import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BusEvent, EventBody } from '../../backend/events/bus.ts';
import { BootTimeline } from '../../backend/events/timeline.ts';
import { BootWatch } from '../../backend/nodes/boot-watch.ts';

let seq = 0;
const event = (body: EventBody): BusEvent => ({ ...body, seq: ++seq, time: 0, mono: performance.now() });
const nfs = (operations: number, bytesRead: number) =>
  event({ kind: 'nfs', operations, bytesRead, connection: 'c', since: 0 });
const line = (text: string) => event({ kind: 'console', line: text });

let stalled: string[];
let timeout: number | 'none';
let watch: BootWatch;
beforeEach(() => {
  vi.useFakeTimers();
  stalled = [];
  timeout = 60;
  const timeline = new BootTimeline({ origin: performance.now() });
  timeline.powerOn('QEMU');
  watch = new BootWatch({
    timeline,
    timeoutSeconds: () => timeout,
    onStalled: (reason) => stalled.push(reason),
  });
});
afterEach(() => {
  watch.close();
  vi.useRealTimers();
});

test('silence for too long is told once, with the stage', () => {
  watch.take(line('Linux version 6.1'));
  vi.advanceTimersByTime(59_000);
  watch.output();
  vi.advanceTimersByTime(59_000);
  expect(stalled).toEqual([]);
  vi.advanceTimersByTime(300_000);
  expect(stalled).toEqual(['no progress for 60 s; last: kernel (Linux version 6.1)']);
});

test('a node that only looks at its root stands still; one that reads goes on', () => {
  const reads = (bytesRead: number) => {
    vi.advanceTimersByTime(20_000);
    watch.take(nfs(1, bytesRead));
  };
  for (const bytes of [1, 2, 3, 4, 5]) reads(bytes);
  expect(stalled).toEqual([]);
  for (let times = 0; times < 4; times++) reads(5);
  expect(stalled).toHaveLength(1);
});

test('endless chatter is given up in the end; without a timeout nothing is', () => {
  for (let second = 0; second < 299; second++) {
    vi.advanceTimersByTime(1_000);
    watch.output();
  }
  expect(stalled).toEqual([]);
  timeout = 'none';
  vi.advanceTimersByTime(10_000_000);
  expect(stalled).toEqual([]);
  timeout = 100;
  watch.output();
  vi.advanceTimersByTime(1_000);
  expect(stalled).toEqual(['not booted after 500 s, though it is not silent; last: firmware (QEMU)']);
});

test('a firmware without anything to boot need not be waited for', () => {
  watch.take(line('No bootable device.'));
  expect(stalled).toEqual(['the firmware found nothing to boot; last: firmware (QEMU)']);
});

test('a reason names the last three complaints of the stage, each once', () => {
  const refused = (path: string) =>
    event({ kind: 'http', phase: 'refused', path, bytes: 0, cause: 'image x has none' });
  for (const path of ['/boot/boot-params.ipxe', '/boot/kernel', '/boot/kernel']) watch.take(refused(path));
  watch.take(line('Could not boot: No such file or directory (http://ipxe.org/2d0c618e)'));
  watch.take(line('>>> Boot failed: no kernel.'));
  expect(watch.whereabouts()).toBe(
    'boot files (/boot/kernel refused: image x has none; ' +
      'Could not boot: No such file or directory (http://ipxe.org/2d0c618e); Boot failed: no kernel)',
  );
  watch.take(line('Linux version 6.1'));
  expect(watch.whereabouts()).toBe('kernel (Linux version 6.1)');
  watch.take(line('/bin/walt-init: exec: line 38: /sbin/init: not found'));
  watch.take(line('>>> Issue detected!               <<<'));
  expect(watch.whereabouts()).toBe('kernel (/bin/walt-init: exec: line 38: /sbin/init: not found)');
});

test('events are handed over once; log lines are none of them, and of NFS totals the last', () => {
  watch.take(line('Linux version 6.1'));
  watch.take(event({ kind: 'log', stream: 's', line: 'x', timestamp: 0 }));
  watch.take(nfs(1, 10));
  watch.take(nfs(7, 70));
  expect(watch.takeEvents()).toMatchObject([{ kind: 'nfs', operations: 7 }, { kind: 'console' }]);
  expect(watch.takeEvents()).toEqual([]);
});

test('a kernel that reports its own stall again and again stands still, and the reason says so', () => {
  watch.take(line('[    0.000000] Linux version 6.1'));
  for (let seconds = 22; seconds < 122; seconds += 26) {
    watch.take(
      line(`[  ${seconds}.752486] watchdog: BUG: soft lockup - CPU#0 stuck for ${seconds}s! [x:49]`),
    );
    watch.output();
    watch.take(event({ kind: 'log', stream: 'virtualconsole', line: 'Call Trace:', timestamp: 0 }));
    vi.advanceTimersByTime(26_000);
  }
  expect(stalled).toEqual([
    'no progress for 60 s; last: kernel (the kernel reports that a processor stands still)',
  ]);
});

const REFUSAL = 'mount: mounting 192.168.152.1:/x on /root failed: Permission denied';
/** A guest that tries to mount its root each second, so many times; the server may be another one. */
function triesToMount(times: number, hasServer: boolean): void {
  for (let tries = 0; tries < times; tries++) {
    if (hasServer) watch.take(event({ kind: 'mount', path: '/x', ok: false, cause: '/x is not exported' }));
    watch.take(line(REFUSAL));
    watch.take(event({ kind: 'log', stream: 'virtualconsole', line: REFUSAL, timestamp: 0 }));
    watch.output();
    vi.advanceTimersByTime(1_000);
  }
}

test.each([
  ['by the server', true, `/x refused: /x is not exported; ${REFUSAL}`],
  ['by another machine', false, REFUSAL],
])('a mount that is refused %s again and again is no progress', (_whom, hasServer, complaints) => {
  watch.take(line('Linux version 6.1'));
  triesToMount(70, hasServer);
  expect(stalled).toEqual([`no progress for 60 s; last: kernel (${complaints})`]);
});

test('a mount that is refused for a while, and then not, costs a boot none of its time', () => {
  watch.take(line('Linux version 6.1'));
  triesToMount(50, true);
  watch.take(event({ kind: 'mount', path: '/x', ok: true }));
  vi.advanceTimersByTime(59_000);
  watch.output();
  vi.advanceTimersByTime(59_000);
  expect(stalled).toEqual([]);
});
