import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as dial, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ApiClient, connect, type StateSnapshot } from '../../backend/api/client.ts';
import type { Change } from '../../backend/api/change.ts';
import type { ByteStream, Progress } from '../../backend/api/contract.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { ApiServer, type ServedHandlers } from '../../backend/api/server.ts';
import { STREAM_WINDOW } from '../../backend/api/stream.ts';
import { BootyardError } from '../../backend/errors.ts';
import { basicHandlers, LAB, node } from '../support/api-lab.ts';

const stageOf = (event: StateSnapshot | Change): string =>
  event.type === 'stage' ? event.stage : event.type;

/** A handler that hands its stream to the test. */
function consoleHandler(): { handler: ServedHandlers['node.console']; opened: Promise<ByteStream> } {
  const opened = Promise.withResolvers<ByteStream>();
  return {
    handler: (_, context) => {
      const stream = context.openStream();
      opened.resolve(stream);
      return { stream: stream.id };
    },
    opened: opened.promise,
  };
}
/** A handler that reports progress. */
const create: ServedHandlers['node.create'] = (_, context) => {
  context.progress({ message: 'half', fraction: 0.5 });
  context.progress({ message: 'whole', fraction: 1 });
  return node('a');
};

let folder: string;
let socketPath: string;
const cleanup: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync('/tmp/bootyard-api-');
  socketPath = join(folder, 'daemon.sock');
  cleanup.push(() => rmSync(folder, { recursive: true }));
});
afterEach(async () => {
  for (const end of cleanup.splice(0).toReversed()) await end();
});

interface Lab {
  server: ApiServer;
  log: string[];
}
async function serve(handlers: Partial<ServedHandlers> = {}): Promise<Lab> {
  const log: string[] = [];
  const server = new ApiServer({
    socketPath,
    handlers: { ...basicHandlers, ...handlers },
    snapshot: () => ({ nodes: [node('vnode1')], images: [], lab: LAB }),
    version: '1.2.3',
    log: (line) => void log.push(line),
  });
  await server.start();
  cleanup.push(() => server.close());
  return { server, log };
}
async function client(): Promise<ApiClient> {
  const connected = await connect(socketPath, { version: '0.0.1' });
  cleanup.push(() => connected.dispose());
  return connected;
}
const frame = (message: unknown): string => {
  const body = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
async function raw(): Promise<Socket> {
  const socket = dial(socketPath);
  socket.on('error', () => {});
  cleanup.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}
const greeting = (protocol = 1): unknown => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'lab.handshake',
  params: { protocol, version: '9' },
});
async function errorOf(promise: Promise<unknown>): Promise<BootyardError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BootyardError)) throw new Error(`no BootyardError but ${String(error)}`);
  return error;
}

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

describe('handshake', () => {
  test('refuses another protocol with what to do', async () => {
    await serve();
    const socket = await raw();
    socket.write(frame(greeting(99)));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('bootyard lab stop && bootyard lab start');
    expect(String(answer)).toContain('api.protocol');
  });

  test('must come first', async () => {
    await serve();
    const socket = await raw();
    socket.write(frame({ jsonrpc: '2.0', id: 1, method: 'lab.status' }));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('api.handshake');
  });
});

describe('calls', () => {
  test('carry typed parameters and results both ways', async () => {
    await serve();
    const nodes = await (await client()).call('node.list', { nodes: ['a', 'é"\n'] });
    expect(nodes.map((one) => one.name)).toEqual(['a', 'é"\n']);
  });

  test('answer a wrong parameter with one sentence', async () => {
    await serve();
    const wrong = { nodes: 7 } as unknown as { nodes: string[] };
    const error = await errorOf((await client()).call('node.list', wrong));
    expect(error.code).toBe('api.params');
    expect(error.message).toMatch(/^Wrong parameters for node\.list: nodes: .*array.*\.$/);
  });

  test('that do not exist are answered, names of Object included', async () => {
    await serve();
    const socket = await raw();
    socket.write(frame(greeting()));
    await once(socket, 'data');
    for (const method of ['node.fly', 'toString', '__proto__', 'constructor']) {
      socket.write(frame({ jsonrpc: '2.0', id: 2, method, params: {} }));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toContain('api.method');
    }
  });

  test('hand a BootyardError over whole', async () => {
    const thrown = new BootyardError('node.unknown', "No node is named 'x'.", { node: 'x' });
    await serve({
      'node.stop': () => {
        throw thrown;
      },
    });
    const error = await errorOf((await client()).call('node.stop', { nodes: ['x'] }));
    expect({ code: error.code, message: error.message, data: error.data }).toEqual({
      code: 'node.unknown',
      message: "No node is named 'x'.",
      data: { node: 'x' },
    });
  });

  test('hide any other error, which is logged with its stack', async () => {
    const { log } = await serve({
      'node.stop': () => Promise.reject(new TypeError('secret detail')),
    });
    const error = await errorOf((await client()).call('node.stop', { nodes: ['x'] }));
    expect(error.code).toBe('api.internal');
    expect(error.message).toMatch(/^Internal error in node\.stop/);
    expect(error.message).not.toContain('secret');
    expect(log.join('\n')).toMatch(/TypeError: secret detail\n +at /);
  });

  test('whose result breaks the contract fail on the server', async () => {
    const { log } = await serve({
      'node.list': () => [{ ...node('x'), state: 'flying' } as unknown as NodeInfo],
    });
    expect((await errorOf((await client()).call('node.list', {}))).code).toBe('api.internal');
    expect(log.join('\n')).toContain('node.list failed');
  });

  test('can be cancelled: the handler hears it, the caller waits no more', async () => {
    const heard = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    await serve({
      'node.wait': (_, { signal }) =>
        new Promise((_resolve, reject) => {
          started.resolve();
          signal.addEventListener('abort', () => {
            heard.resolve();
            reject(new Error('aborted'));
          });
        }),
    });
    const caller = new AbortController();
    const wait = (await client()).call('node.wait', { nodes: ['a'] }, { signal: caller.signal });
    await started.promise;
    caller.abort();
    expect((await errorOf(wait)).code).toBe('call.cancelled');
    await heard.promise;
  });

  test('are cancelled when the client goes away', async () => {
    const heard = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { log } = await serve({
      'node.wait': (_, { signal }) =>
        new Promise((_resolve, reject) => {
          started.resolve();
          signal.addEventListener('abort', () => {
            heard.resolve();
            reject(new Error('aborted'));
          });
        }),
    });
    const going = await client();
    const wait = errorOf(going.call('node.wait', { nodes: ['a'] }));
    await started.promise;
    going.dispose();
    await heard.promise;
    expect((await wait).code).toBe('api.closed');
    expect(log).toEqual([]);
  });

  test('that wait are rejected when the daemon ends, and onClose says so', async () => {
    const started = Promise.withResolvers<void>();
    const { server } = await serve({
      'node.wait': () => {
        started.resolve();
        return new Promise(() => {});
      },
    });
    const left = await client();
    const closed = new Promise<void>((resolve) => left.onClose(resolve));
    const wait = errorOf(left.call('node.wait', { nodes: ['a'] }));
    await started.promise;
    await server.close();
    expect((await wait).code).toBe('api.closed');
    await closed;
    expect((await errorOf(left.call('lab.status', {}))).code).toBe('api.closed');
  });

  test('tell their progress to who asks for it', async () => {
    await serve({ 'node.create': create });
    const heard: Progress[] = [];
    const asking = await client();
    await asking.call('node.create', { name: 'a' }, { onProgress: (progress) => heard.push(progress) });
    expect(heard).toEqual([
      { message: 'half', fraction: 0.5 },
      { message: 'whole', fraction: 1 },
    ]);
    await asking.call('node.create', { name: 'a' });
    expect(heard).toHaveLength(2);
  });

  test('a thousand at once all find their own answer', async () => {
    await serve();
    const caller = await client();
    const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
    const answers = await Promise.all(names.map((name) => caller.call('node.list', { nodes: [name] })));
    expect(answers.map((nodes) => nodes[0]?.name)).toEqual(names);
  });
});

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

describe('changes', () => {
  test('come after the whole state, in order, to every follower', async () => {
    const { server } = await serve();
    const heard: string[][] = [[], []];
    const done = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const follow = async (index: number) =>
      await (
        await client()
      ).subscribe((event) => {
        heard[index]?.push(stageOf(event));
        if (event.type === 'nodeRemoved') done[index]?.resolve();
      });
    await Promise.all([follow(0), follow(1)]);
    const stage = { type: 'stage' as const, mac: 'm', name: 'n', detail: '', atMs: 1 };
    for (let count = 0; count < 100; count++) server.publishChange({ ...stage, stage: String(count) });
    server.publishChange({ type: 'nodeRemoved', mac: 'm', name: 'n' });
    await Promise.all(done.map((one) => one.promise));
    const expected = ['snapshot', ...Array.from({ length: 100 }, (_, count) => String(count)), 'nodeRemoved'];
    expect(heard).toEqual([expected, expected]);
  });

  test('a subscriber that does not read costs no memory, and is in step again when it reads', async () => {
    const { server } = await serve();
    const socket = await raw();
    socket.write(frame(greeting()));
    await once(socket, 'data');
    socket.pause();
    socket.write(frame({ jsonrpc: '2.0', id: 2, method: 'change.subscribe', params: {} }));
    const other = await client();
    await other.subscribe(() => {});
    const big = 'x'.repeat(10_000);
    const before = process.memoryUsage();
    for (let count = 0; count < 20_000; count++) {
      server.publishChange({ type: 'node', node: node('vnode1', big) });
      if (count % 100 === 0) await other.call('lab.status', {});
    }
    const after = process.memoryUsage();
    // 200 MB were published
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(60_000_000);
    let text = '';
    socket.setEncoding('utf8');
    const last = new Promise<void>((resolve) => {
      socket.on('data', (data: string) => {
        text = (text + data).slice(-20_000);
        if (text.includes('"seq":20000')) resolve();
      });
    });
    socket.resume();
    await last;
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
