import { describe, expect, test } from 'vitest';
import type { Change } from '../../backend/api/change.ts';
import { ChangeFeed, type ChangeSink } from '../../backend/api/change-feed.ts';
import { ChangeFollower, type StateSnapshot } from '../../backend/api/change-follower.ts';
import type { Result } from '../../backend/api/contract.ts';
import { MessageFramer } from '../../backend/api/transport.ts';
import { LAB } from '../support/api-lab.ts';

const removed = (seq: number): Change => ({ seq, type: 'nodeRemoved', mac: 'm', name: `n${seq}` });
const seqs = (events: (StateSnapshot | Change)[]): (number | string)[] =>
  events.map((event) => (event.type === 'snapshot' ? 'snapshot' : event.seq));

/** A follower whose requests the test answers. */
function follower() {
  const requests: PromiseWithResolvers<Result<'change.subscribe'>>[] = [];
  const follow = new ChangeFollower(() => {
    const request = Promise.withResolvers<Result<'change.subscribe'>>();
    requests.push(request);
    return request.promise;
  });
  const answer = (seq: number) => requests.at(-1)?.resolve({ seq, nodes: [], images: [], lab: LAB });
  return { follow, requests, answer };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the change follower', () => {
  test('joins changes that came before the answer by their number', async () => {
    const { follow, answer } = follower();
    const heard: (StateSnapshot | Change)[] = [];
    const subscribed = follow.subscribe((event) => heard.push(event));
    await settled();
    for (const seq of [4, 5, 6]) follow.receive(removed(seq));
    answer(5);
    await subscribed;
    follow.receive(removed(7));
    expect(seqs(heard)).toEqual(['snapshot', 6, 7]);
  });

  test('asks again at a gap, once, and goes on from there', async () => {
    const { follow, requests, answer } = follower();
    const heard: (StateSnapshot | Change)[] = [];
    const subscribed = follow.subscribe((event) => heard.push(event));
    await settled();
    answer(1);
    await subscribed;
    for (const seq of [2, 9, 10]) follow.receive(removed(seq));
    expect(requests).toHaveLength(2);
    answer(9);
    await settled();
    follow.receive(removed(11));
    expect(seqs(heard)).toEqual(['snapshot', 2, 'snapshot', 10, 11]);
  });

  test('a failed request is not repeated before the next change', async () => {
    const { follow, requests, answer } = follower();
    const heard: (StateSnapshot | Change)[] = [];
    const subscribed = follow.subscribe((event) => heard.push(event));
    await settled();
    answer(1);
    await subscribed;
    follow.receive(removed(5));
    requests.at(-1)?.reject(new Error('gone'));
    await settled();
    expect(requests).toHaveLength(2);
    follow.receive(removed(6));
    answer(6);
    await settled();
    expect(seqs(heard)).toEqual(['snapshot', 'snapshot']);
  });

  test('a second listener hears a snapshot of its own, and ends alone', async () => {
    const { follow, answer } = follower();
    const first: (StateSnapshot | Change)[] = [];
    const second: (StateSnapshot | Change)[] = [];
    const one = follow.subscribe((event) => first.push(event));
    await settled();
    answer(1);
    const endFirst = await one;
    const two = follow.subscribe((event) => second.push(event));
    await settled();
    answer(1);
    await two;
    endFirst();
    follow.receive(removed(2));
    expect(seqs(second)).toEqual(['snapshot', 2]);
    expect(seqs(first)).not.toContain(2);
  });
});

function sink(): ChangeSink & { ready: boolean; sent: number[] } {
  const sent: number[] = [];
  return { ready: true, sent, send: (change) => void sent.push(change.seq) };
}

describe('the change feed', () => {
  const body = { type: 'nodeRemoved', mac: 'm', name: 'n' } as const;

  test('holds changes until the first flush', () => {
    const feed = new ChangeFeed();
    const to = sink();
    feed.publish(body);
    const subscription = feed.subscribe(to);
    feed.publish(body);
    expect(to.sent).toEqual([]);
    subscription.flush();
    feed.publish(body);
    expect(to.sent).toEqual([2, 3]);
  });

  test('keeps only the newest for a subscriber that stands still, so that it sees the gap', () => {
    const feed = new ChangeFeed();
    const to = sink();
    const subscription = feed.subscribe(to);
    subscription.flush();
    to.ready = false;
    for (let count = 0; count < 1000; count++) feed.publish(body);
    to.ready = true;
    subscription.flush();
    expect(to.sent.length).toBeLessThan(300);
    expect(to.sent[0]).toBeGreaterThan(1);
    expect(to.sent.at(-1)).toBe(1000);
  });
});

const message = (text: string): Buffer => Buffer.from(`Content-Length: ${text.length}\r\n\r\n${text}`);
const all = (framer: MessageFramer): string[] => {
  const found: string[] = [];
  for (let body = framer.take(); body !== undefined; body = framer.take()) found.push(body.toString());
  return found;
};

describe('the framer', () => {
  test('finds the same messages however the bytes are cut', () => {
    const bytes = Buffer.concat(['{}', '', 'x'.repeat(9000), '[1]'].map(message));
    for (const size of [1, 2, 3, 7, 4096, bytes.length]) {
      const framer = new MessageFramer();
      const found: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        framer.push(bytes.subarray(at, at + size));
        found.push(...all(framer));
      }
      expect(found.map((body) => body.length)).toEqual([2, 0, 9000, 3]);
      expect(framer.waiting).toBe(0);
    }
  });

  test('takes other headers and any case', () => {
    const framer = new MessageFramer();
    framer.push(Buffer.from('Content-Type: a\r\ncontent-length:2\r\n\r\nok'));
    expect(all(framer)).toEqual(['ok']);
  });

  test.each([
    'Content-Length: -1\r\n\r\n',
    'Content-Length: 1e9\r\n\r\n',
    'X: 1\r\n\r\n',
    'Content-Length: 99999999\r\n\r\n',
  ])('refuses %j', (bytes) => {
    const framer = new MessageFramer();
    framer.push(Buffer.from(bytes));
    expect(() => framer.take()).toThrow(/header|message/);
  });
});
