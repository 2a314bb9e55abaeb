import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { STREAM_WINDOW } from '../../backend/api/stream.ts';
import { LAB } from '../support/api-lab.ts';
import { consoleHandler, serve, client } from '../support/api-server.ts';

describe('byte streams', () => {
  test('50 MB arrive whole, and the writer never runs ahead of the reader by more than the window', async () => {
    const { handler, opened } = consoleHandler();
    await serve({ 'node.console': handler });
    const reader = await client();
    const stream = await reader.openConsole('a', { history: true });
    const sender = await opened;
    const chunk = randomBytes(100_000);
    const CHUNKS = 500;
    let sent = 0;
    let received = 0;
    let ahead = 0;
    const send = () => {
      while (sent < CHUNKS) {
        sent++;
        if (!sender.write(chunk)) break;
      }
      if (sent === CHUNKS) sender.end('that was all');
    };
    sender.onDrain(send);
    const pieces: Uint8Array[] = [];
    stream.onData(async (data) => {
      ahead = Math.max(ahead, sent * chunk.length - received);
      received += data.length;
      if (received <= chunk.length) pieces.push(data);
      // another call is answered while the stream flows
      if (received % 50 === 0) await reader.call('lab.status', {});
    });
    const ended = new Promise((resolve) => stream.onEnd(resolve));
    send();
    expect(await ended).toBe('that was all');
    expect(received).toBe(chunk.length * CHUNKS);
    expect(ahead).toBeLessThanOrEqual(STREAM_WINDOW + 2 * chunk.length);
    const begin = Buffer.concat(pieces);
    expect(begin.equals(chunk.subarray(0, begin.length))).toBe(true);
  });

  test('a reader that stands still stops its stream and no other call', async () => {
    const { handler, opened } = consoleHandler();
    await serve({ 'node.console': handler });
    const reader = await client();
    const stream = await reader.openConsole('a', { history: false });
    const sender = await opened;
    const release = Promise.withResolvers<void>();
    let received = 0;
    stream.onData(async (data) => {
      await release.promise;
      received += data.length;
    });
    let writes = 0;
    const drained = new Promise<void>((resolve) => sender.onDrain(resolve));
    do writes++;
    while (sender.write(Buffer.alloc(10_000)));
    expect(writes * 10_000).toBeLessThanOrEqual(STREAM_WINDOW + 10_000);
    expect(await reader.call('lab.status', {})).toEqual(LAB);
    expect(received).toBe(0);
    release.resolve();
    await drained;
    expect(sender.write(Buffer.from('x'))).toBe(true);
  });

  test('a writer that does not listen is cut off', async () => {
    const { handler, opened } = consoleHandler();
    await serve({ 'node.console': handler });
    const stream = await (await client()).openConsole('a', { history: false });
    const sender = await opened;
    for (let count = 0; count < 40; count++) sender.write(Buffer.alloc(1024 * 1024));
    const message = await new Promise((resolve) => {
      stream.onData(() => {});
      stream.onEnd(resolve);
    });
    expect(message).toContain('too slow');
  });

  test('what is written before the answer, and an end before it, is not lost', async () => {
    await serve({
      'node.console': (_, context) => {
        const stream = context.openStream();
        stream.write(Buffer.from('history'));
        stream.end('off');
        return { stream: stream.id };
      },
    });
    const stream = await (await client()).openConsole('a', { history: true });
    const heard: string[] = [];
    stream.onData((data) => void heard.push(Buffer.from(data).toString()));
    expect(await new Promise((resolve) => stream.onEnd(resolve))).toBe('off');
    expect(heard).toEqual(['history']);
  });

  test('carry what the client writes, and its close', async () => {
    const { handler, opened } = consoleHandler();
    await serve({ 'node.console': handler });
    const stream = await (await client()).openConsole('a', { history: false });
    const sender = await opened;
    const typed = Promise.withResolvers<string>();
    sender.onData((data) => typed.resolve(Buffer.from(data).toString()));
    stream.write(Buffer.from('root\n'));
    expect(await typed.promise).toBe('root\n');
    const closed = new Promise<void>((resolve) => sender.onClose(resolve));
    stream.close();
    await closed;
    expect(sender.write(Buffer.from('late'))).toBe(true);
  });

  test('end on both sides when the connection ends', async () => {
    const { handler, opened } = consoleHandler();
    const { server } = await serve({ 'node.console': handler });
    const stream = await (await client()).openConsole('a', { history: false });
    const closed = new Promise<void>((resolve) => void opened.then((sender) => sender.onClose(resolve)));
    stream.onData(() => {});
    const ended = new Promise((resolve) => stream.onEnd(resolve));
    await Promise.all([opened, server.close()]);
    await closed;
    expect(await ended).toContain('ended');
  });
});
