import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { connect } from '../../backend/api/client.ts';
import { LAB, node } from '../support/api-lab.ts';
import { socketPath, cleanup, serve, client, frame, raw, greeting, errorOf } from '../support/api-server.ts';

describe('socket', () => {
  test('belongs to its owner alone, and is gone after close', async () => {
    const { server } = await serve();
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await server.close();
    expect(() => statSync(socketPath)).toThrow('ENOENT');
  });

  test('of a dead daemon is replaced, of a live one not', async () => {
    // A socket file whose listener is gone: what a killed daemon leaves behind.
    const script = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    expect(statSync(socketPath).isSocket()).toBe(true);
    await serve();
    expect((await client()).serverVersion).toBe('1.2.3');
    expect((await errorOf(serve())).code).toBe('api.running');
    expect(await (await client()).call('lab.status', {})).toEqual(LAB);
  });

  test('is not put in the place of a file', async () => {
    writeFileSync(socketPath, 'precious');
    expect((await errorOf(serve())).code).toBe('api.socket');
  });

  test('without a daemon is said so', async () => {
    expect((await errorOf(client())).code).toBe('api.unreachable');
  });
});

describe('hostile bytes', () => {
  test.each([
    ['junk', randomBytes(100_000)],
    ['a header without an end', 'x'.repeat(5000)],
    ['no length', 'Content-Type: a\r\n\r\n{}'],
    ['a huge length', 'Content-Length: 999999999\r\n\r\n'],
    ['no JSON', 'Content-Length: 3\r\n\r\n{{{'],
    ['null', frame(null)],
    ['an array', frame([1, 2])],
    ['a cancel without an id', frame({ jsonrpc: '2.0', method: '$/cancelRequest' })],
  ])('%s drops that client alone', async (_, bytes) => {
    await serve();
    const good = await client();
    const socket = await raw();
    socket.resume();
    const closed = once(socket, 'close');
    socket.write(bytes);
    await closed;
    expect(await good.call('lab.status', {})).toEqual(LAB);
  });

  test.each([
    ['an answer to nothing', { jsonrpc: '2.0', id: 77, result: {} }],
    ['an unknown notification', { jsonrpc: '2.0', method: 'x', params: [1] }],
    ['an acknowledgement of a wrong kind', { jsonrpc: '2.0', method: 'stream.ack', params: { stream: 'a' } }],
    [
      'an acknowledgement of nothing',
      { jsonrpc: '2.0', method: 'stream.ack', params: { stream: 5, bytes: -1e300 } },
    ],
    ['positional parameters', { jsonrpc: '2.0', id: 3, method: 'node.list', params: [1, 2, 3] }],
  ])('%s harms nobody', async (_, message) => {
    await serve();
    const socket = await raw();
    socket.write(frame(greeting()) + frame(message) + frame({ jsonrpc: '2.0', id: 4, method: 'lab.status' }));
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.includes('"id":4')) break;
    }
    expect(text).toContain('walt-net');
  });

  test('messages may come in any pieces', async () => {
    await serve();
    const socket = await raw();
    for (const byte of frame(greeting())) socket.write(byte);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('1.2.3');
  });

  test('a client that asks without reading the answers is not read from', async () => {
    let calls = 0;
    await serve({
      'node.list': () => {
        calls++;
        return [node('a', 'x'.repeat(1_000_000))];
      },
    });
    const socket = await raw();
    socket.write(frame(greeting()));
    await once(socket, 'data');
    socket.pause();
    for (let id = 2; id < 502; id++) socket.write(frame({ jsonrpc: '2.0', id, method: 'node.list' }));
    const other = await client();
    for (let round = 0; round < 200; round++) await other.call('lab.status', {});
    expect(calls).toBeLessThan(100);
  });
});

test('a daemon that accepts and says nothing is given up', async () => {
  const mute = createServer(() => {}).listen(socketPath);
  cleanup.push(() => mute.close());
  await once(mute, 'listening');
  const caller = new AbortController();
  const attempt = errorOf(connect(socketPath, { version: '1', signal: caller.signal }));
  caller.abort();
  expect((await attempt).code).toBe('call.cancelled');
});
