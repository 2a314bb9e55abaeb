import { describe, expect, test } from 'vitest';
import { Transfer } from '../../backend/protocols/tftp/transfer.ts';
import type { Step, TransferOptions } from '../../backend/protocols/tftp/transfer.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

function transfer(options: Partial<TransferOptions> = {}): Transfer {
  return new Transfer({
    size: 100 * 512 + 10,
    blockSize: 512,
    windowSize: 1,
    hasOptionAck: false,
    giveUpMs: 30_000,
    ...options,
  });
}

/** Steps are reused: what a test compares must be copied. */
const what = (step: Step): string =>
  step.end ? `end ${step.end.isComplete}` : step.send === 'data' ? `${step.first}-${step.last}` : step.send;

describe('lock-step', () => {
  test('sends the next block for each ACK, to the short last one', () => {
    const steps = transfer({ size: 1030 });
    expect(what(steps.start(0))).toBe('1-1');
    expect(what(steps.onAck(1, 1))).toBe('2-2');
    expect(what(steps.onAck(2, 2))).toBe('3-3');
    expect(what(steps.onAck(3, 3))).toBe('end true');
    expect(steps.bytes).toBe(1030);
  });

  test('ends a file of whole blocks, and an empty one, with an empty block', () => {
    const whole = transfer({ size: 512 });
    whole.start(0);
    expect(what(whole.onAck(1, 0))).toBe('2-2');
    expect(what(whole.onAck(2, 0))).toBe('end true');
    const empty = transfer({ size: 0 });
    expect(what(empty.start(0))).toBe('1-1');
    expect(what(empty.onAck(1, 0))).toBe('end true');
  });

  test('never answers a repeated, late or impossible ACK with data', () => {
    const steps = transfer();
    steps.start(0);
    steps.onAck(1, 1);
    steps.onAck(2, 2);
    for (const block of [2, 1, 0, 4, 65535]) expect(what(steps.onAck(block, 3))).toBe('nothing');
    expect(what(steps.onAck(3, 4))).toBe('4-4');
  });

  test('block numbers roll over to 0', () => {
    const steps = transfer({ size: 70_000 * 8, blockSize: 8 });
    steps.start(0);
    for (let block = 1; block <= 70_000; block++) {
      expect(what(steps.onAck(block & 0xffff, block))).toBe(`${block + 1}-${block + 1}`);
    }
    expect(what(steps.onAck(70_001 & 0xffff, 1))).toBe('end true');
  });

  test('sends again after pauses that double, and gives up', () => {
    const steps = transfer();
    let step = steps.start(0);
    const pauses: number[] = [];
    let now = 0;
    while (!step.end) {
      pauses.push(step.deadline - now);
      now = step.deadline;
      step = steps.onTimeout(now);
      if (!step.end) expect(what(step)).toBe('1-1');
    }
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 8000, 8000]);
    expect(step.end).toMatchObject({ cause: 'the client did not acknowledge block 1', error: 'Timed out' });
    expect(steps.resent).toBe(5);
  });

  test("keeps to the client's own timeout", () => {
    const steps = transfer({ hasOptionAck: true, timeoutMs: 20_000 });
    expect(steps.start(0).deadline).toBe(20_000);
    expect(what(steps.onTimeout(20_000))).toBe('oack');
    expect(what(steps.onTimeout(40_000))).toBe('oack');
    expect(what(steps.onTimeout(60_000))).toBe('end false');
  });

  test('learns the round trip', () => {
    const steps = transfer();
    steps.start(0);
    expect(steps.onAck(1, 10).deadline).toBe(10 + 100);
    const slow = transfer();
    slow.start(0);
    expect(slow.onAck(1, 200).deadline).toBe(200 + 800);
  });

  test('does not wait long for the ACK of the last block', () => {
    const steps = transfer({ size: 5 });
    let step = steps.start(0);
    for (let attempt = 0; attempt < 3; attempt++) step = steps.onTimeout(step.deadline);
    expect(what(step)).toBe('1-1');
    expect(steps.onTimeout(step.deadline).end).toEqual({
      isComplete: false,
      cause: 'the client did not acknowledge the last block',
    });
  });
});

describe('option acknowledgement', () => {
  test('goes first and waits for ACK 0', () => {
    const steps = transfer({ hasOptionAck: true });
    expect(what(steps.start(0))).toBe('oack');
    expect(what(steps.onAck(1, 1))).toBe('nothing');
    expect(what(steps.onAck(0, 1))).toBe('1-1');
    expect(what(steps.onAck(0, 1))).toBe('nothing');
  });

  test('a client that stops then is no failure', () => {
    const steps = transfer({ hasOptionAck: true });
    steps.start(0);
    expect(steps.onError(8, 'User aborted the transfer').end?.cause).toBe(
      'the client stopped after it learned the options',
    );
  });

  test('a client that stops later says why', () => {
    const steps = transfer();
    steps.start(0);
    steps.onAck(1, 0);
    expect(steps.onError(3, 'disk full').end?.cause).toBe('the client stopped: disk full');
  });
});

describe('window', () => {
  const windowed = (): Transfer => {
    const steps = transfer({ windowSize: 8, hasOptionAck: true });
    steps.start(0);
    steps.onAck(0, 10);
    return steps;
  };

  test('is sent whole for each ACK of its last block', () => {
    const steps = windowed();
    expect(what(steps.onAck(8, 20))).toBe('9-16');
    expect(what(steps.onAck(16, 30))).toBe('17-24');
    expect(steps.resent).toBe(0);
  });

  test('goes on from an earlier ACK at once, with a whole window (RFC 7440 §4)', () => {
    const steps = windowed();
    expect(what(steps.onAck(3, 20))).toBe('4-11');
    expect(steps.resent).toBe(5);
    expect(what(steps.onAck(11, 30))).toBe('12-19');
  });

  test('is sent again when its first block was lost', () => {
    const steps = windowed();
    steps.onAck(8, 20);
    expect(what(steps.onAck(8, 40))).toBe('9-16');
    expect(what(steps.onAck(8, 45))).toBe('nothing');
    expect(what(steps.onAck(16, 50))).toBe('17-24');
  });

  test('a client that answers each misplaced block starts no storm', () => {
    const steps = windowed();
    let sent = 0;
    for (const block of [1, 2, 3, 4, 4, 4, 4]) {
      const step = steps.onAck(block, 20);
      if (step.send === 'data') sent += step.last - step.first + 1;
    }
    expect(sent).toBe(8);
    const step = steps.onAck(4, 20.5);
    expect(what(step)).toBe('nothing');
    // What was put off comes two round trips (of 10 ms) after the last resend.
    expect(step.deadline).toBe(40);
    expect(what(steps.onTimeout(40))).toBe('5-12');
  });

  test('its blocks roll over in the middle', () => {
    const steps = transfer({ size: 65_540 * 8, blockSize: 8, windowSize: 10 });
    steps.start(0);
    let acknowledged = 0;
    while (acknowledged < 65_530) {
      acknowledged += 10;
      steps.onAck(acknowledged & 0xffff, acknowledged);
    }
    expect(what(steps.onAck(65_533, 70_000))).toBe('65534-65541');
    expect(what(steps.onAck(65_541 & 0xffff, 70_001))).toBe('end true');
  });
});

test.each([1, 4, 16])(
  'window %i: a network that loses, doubles and delays packets still brings the file',
  (windowSize) => {
    for (let seed = 1; seed <= 20; seed++) {
      const run = simulate(windowSize, seed);
      expect(run.end).toBe('end true');
      // A gap costs a window at most; a storm would cost a window for each block behind the gap.
      expect(run.sent).toBeLessThan(200 * 5);
    }
  },
);

interface Flight {
  at: number;
  block: number;
}

/** A client that acknowledges as RFC 7440 says and repeats its ACK after a silence, behind a bad network. */
function simulate(windowSize: number, seed: number): { end: string; sent: number } {
  const random = randomNumbers(seed);
  const steps = transfer({ size: 200 * 512 - 1, windowSize, hasOptionAck: true, giveUpMs: 1e9 });
  const toClient: Flight[] = [];
  const toServer: Flight[] = [];
  const put = (queue: Flight[], now: number, block: number): void => {
    const copies = random(20) === 0 ? 0 : random(30) === 0 ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) queue.push({ at: now + 2 + (random(50) === 0 ? 3 : 0), block });
  };
  let sent = 0;
  let expected = 0;
  let inWindow = 0;
  let heardAt = 0;
  let step = steps.start(0);
  for (let now = 0; now < 100_000; now++) {
    if (step.send === 'oack') put(toClient, now, 0);
    if (step.send === 'data') {
      for (let block = step.first; block <= step.last; block++, sent++) put(toClient, now, block);
    }
    step.send = 'nothing';
    for (const { block } of arrived(toClient, now)) {
      heardAt = now;
      if (block === expected) {
        expected++;
        inWindow++;
        if (block === 0 || inWindow >= windowSize || block === 200) {
          put(toServer, now, block);
          inWindow = 0;
        }
      } else if (expected > 0) {
        put(toServer, now, expected - 1);
        inWindow = 0;
      }
    }
    if (now - heardAt > 500 && expected > 0) {
      put(toServer, now, expected - 1);
      heardAt = now;
    }
    for (const { block } of arrived(toServer, now)) {
      const next = steps.onAck(block, now);
      if (next.end) return { end: what(next), sent };
      step = next;
      if (next.send !== 'nothing') break;
    }
    if (now >= step.deadline && step.send === 'nothing') step = steps.onTimeout(now);
    if (step.end) return { end: what(step), sent };
  }
  return { end: 'no end', sent };
}

function arrived(queue: Flight[], now: number): Flight[] {
  const here = queue.filter((flight) => flight.at <= now);
  for (const flight of here) queue.splice(queue.indexOf(flight), 1);
  return here;
}
