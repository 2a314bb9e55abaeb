import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test, vi } from 'vitest';
import type { Progress } from '../../backend/api/contract.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { ServedHandlers } from '../../backend/api/server.ts';
import { node } from '../support/api-lab.ts';
import { stageOf, create, serve, client, frame, raw, greeting, errorOf } from '../support/api-server.ts';

/** Bytes that are not garbage. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

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

/** A handler that ends only when it is cancelled, and what it has seen. */
function waiting() {
  const heard = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const wait: ServedHandlers['node.wait'] = (_, { signal }) =>
    new Promise((_resolve, reject) => {
      started.resolve();
      signal.addEventListener('abort', () => {
        heard.resolve();
        reject(new Error('aborted'));
      });
    });
  return { wait, started, heard };
}

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
    const { wait: handler, started, heard } = waiting();
    await serve({ 'node.wait': handler });
    const caller = new AbortController();
    const wait = (await client()).call('node.wait', { nodes: ['a'] }, { signal: caller.signal });
    await started.promise;
    caller.abort();
    expect((await errorOf(wait)).code).toBe('call.cancelled');
    await heard.promise;
  });

  test('are cancelled when the client goes away', async () => {
    const { wait: handler, started, heard } = waiting();
    const { log } = await serve({ 'node.wait': handler });
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
    const before = memoryInUse();
    for (let count = 0; count < 20_000; count++) {
      server.publishChange({ type: 'node', node: node('vnode1', big) });
      if (count % 100 === 0) await other.call('lab.status', {});
    }
    // 200 MB were published; what was freed is given back by and by.
    await vi.waitFor(() => expect(memoryInUse() - before).toBeLessThan(60_000_000), 10_000);
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
