import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askNode } from '../../backend/agent/node-service.ts';
import { LinePace } from '../../backend/agent/line-pace.ts';
import { RpcServer } from '../../backend/agent/rpc-server.ts';
import { splitTimestamp, StreamServer } from '../../backend/agent/stream-server.ts';
import type { EventBody } from '../../backend/events/bus.ts';

const ADDRESS = '127.0.47.1';
const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});

let logged: string[] = [];
beforeEach(() => {
  logged = [];
});

function recorder(): {
  events: EventBody[];
  publish: (event: EventBody) => void;
  next: (n: number) => Promise<void>;
} {
  const events: EventBody[] = [];
  const waiting: { n: number; resolve: () => void }[] = [];
  return {
    events,
    publish: (event) => {
      events.push(event);
      for (const waiter of waiting) if (events.length >= waiter.n) waiter.resolve();
    },
    next: (n) =>
      events.length >= n ? Promise.resolve() : new Promise((resolve) => waiting.push({ n, resolve })),
  };
}

async function streams(): Promise<ReturnType<typeof recorder>> {
  const record = recorder();
  const server = new StreamServer({
    address: ADDRESS,
    publish: record.publish,
    log: (line) => logged.push(line),
    nodeConfig: (client) => `export walt_boot_mode=network-volatile # ${client}\n`,
  });
  await server.start();
  cleanup.push(() => server.close());
  return record;
}

async function echoServer(): Promise<{ port: number }> {
  const server = createServer();
  server.listen(0, ADDRESS);
  await once(server, 'listening');
  cleanup.push(() => void server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0 };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, ADDRESS);
  cleanup.push(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}
const textOf = async (socket: Socket): Promise<string> => {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
};

describe('logs (12347)', () => {
  test('lines reach the bus in order, with the time of their arrival', async () => {
    const { events, next } = await streams();
    const socket = await dial(12347);
    const closed = once(socket, 'close');
    socket.write('REQ_NEW_INCOMING_LOGS\nwalt-init\nNO_TIMESTAMPS\nStarting');
    socket.write(' up.\nsecond\nCLOSE\n');
    await next(2);
    expect(events).toMatchObject([
      { kind: 'log', client: '127.0.0.1', stream: 'walt-init', line: 'Starting up.' },
      { kind: 'log', stream: 'walt-init', line: 'second' },
    ]);
    await closed;
    expect(events).toHaveLength(2);
  });

  test('the request may be a number; a broken connection is said', async () => {
    const { events, next } = await streams();
    const socket = await dial(12347);
    socket.write('0\nuser\nTIMESTAMPS_INSIDE\n1751000000.25 hello\n');
    await next(1);
    socket.resetAndDestroy();
    await next(2);
    expect(events).toMatchObject([{ line: 'hello', timestamp: 1751000000250 }, { line: '<disconnected!>' }]);
  });

  test('bytes that are no UTF-8 and lines without an end do not stop the stream', async () => {
    const { events, next } = await streams();
    const socket = await dial(12347);
    socket.write('0\nbin\nNO_TIMESTAMPS\n');
    socket.write(Buffer.from([0xff, 0xfe, 0x0a]));
    socket.write('caf\u00e9\n');
    socket.write(Buffer.alloc(200_000, 'x'));
    socket.write('\nCLOSE\n');
    await next(6);
    expect(events[0]).toMatchObject({ line: '\u00ff\u00fe', bytes: Buffer.from([0xff, 0xfe]) });
    expect(events[1]).not.toHaveProperty('bytes');
    expect(events[1]).toMatchObject({ line: 'caf\u00e9' });
    expect(events.slice(2).map((event) => ('line' in event ? event.line.length : 0))).toEqual([
      65536, 65536, 65536, 3392,
    ]);
  });

  test('a flood of lines is made to wait, and goes on by itself', async () => {
    const socket = await dial((await echoServer()).port);
    let now = 0;
    const pace = new LinePace(socket, () => now);
    for (let i = 0; i < 20_000; i++) pace.count();
    expect(socket.isPaused()).toBe(false);
    pace.count();
    expect(socket.isPaused()).toBe(true);
    // What is in memory is handed over all the same, and makes it wait longer.
    for (let i = 0; i < 9_999; i++) pace.count();
    await once(socket, 'resume');
    now = 400;
    pace.count();
    expect(socket.isPaused()).toBe(true);
    await once(socket, 'resume');
    now = 600;
    pace.count();
    expect(socket.isPaused()).toBe(false);
  });

  test('a time of long ago or of the future is replaced by now', () => {
    const now = 1_760_000_000_000;
    expect(splitTimestamp('1759999999 a b', now)).toEqual({ text: 'a b', timestamp: 1_759_999_999_000 });
    expect(splitTimestamp('12 old', now)).toEqual({ text: 'old', timestamp: now });
    expect(splitTimestamp('1760000002 ahead', now)).toEqual({ text: 'ahead', timestamp: now });
    expect(splitTimestamp('nonsense', now)).toEqual({ text: 'nonsense', timestamp: now });
  });
});

describe('boot notification (12347)', () => {
  test('booted comes with the first byte after OK, lost with the end of that connection', async () => {
    const { events, next } = await streams();
    const socket = await dial(12347);
    socket.write('REQ_NOTIFY_BOOTUP_STATUS\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toBe('OK\n');
    expect(events).toHaveLength(0);
    socket.write('\n');
    await next(1);
    socket.write('\n');
    socket.end();
    await next(2);
    expect(events).toMatchObject([
      { kind: 'agent', phase: 'booted', client: '127.0.0.1' },
      { kind: 'agent', phase: 'lost', client: '127.0.0.1' },
    ]);
  });

  test('a stale connection that ends after a newer one began says nothing', async () => {
    const { events, next } = await streams();
    const first = await dial(12347);
    first.write('REQ_NOTIFY_BOOTUP_STATUS\n\n');
    await next(1);
    const second = await dial(12347);
    second.write('14\n\n');
    await next(2);
    first.destroy();
    const probe = await dial(12347);
    probe.write('REQ_FETCH_NODE_CONFIG\n');
    expect(await textOf(probe)).toBe('export walt_boot_mode=network-volatile # 127.0.0.1\n');
    second.destroy();
    await next(3);
    expect(events.map((event) => ('phase' in event ? event.phase : ''))).toEqual([
      'booted',
      'booted',
      'lost',
    ]);
  });

  test('an unknown request is hung up on', async () => {
    const { events } = await streams();
    const socket = await dial(12347);
    socket.write('REQ_SQL_PROMPT\n');
    expect(await textOf(socket)).toBe('');
    expect(events).toHaveLength(0);
  });
});

test('what goes wrong at a port while it serves is logged, and the port serves on', async () => {
  const { next } = await streams();
  const accepted: unknown[] = [];
  const onSocket = (message: unknown): void => void accepted.push(message);
  subscribe('net.server.socket', onSocket);
  const first = await dial(12347);
  first.write('REQ_NEW_INCOMING_LOGS\nx\nNO_TIMESTAMPS\none\n');
  await next(1);
  unsubscribe('net.server.socket', onSocket);
  // Node's own handle of the server, which the kernel's refusal would be reported on.
  const { socket } = accepted[0] as { socket: Socket & { server: Server } };
  socket.server.emit('error', new Error('accept ENOBUFS'));
  expect(logged).toEqual(['TCP port 12347: accept ENOBUFS']);
  const second = await dial(12347);
  second.write('REQ_NEW_INCOMING_LOGS\nx\nNO_TIMESTAMPS\ntwo\n');
  await next(2);
});

describe('RPC (12345)', () => {
  test('sync_clock answers the second that has just begun', async () => {
    const record = recorder();
    const server = new RpcServer({
      address: ADDRESS,
      publish: record.publish,
      log: (line) => logged.push(line),
    });
    await server.start();
    cleanup.push(() => server.close());
    const socket = await dial(12345);
    socket.write(
      "REQ_API_SESSION\nNSAPI\n('API_CALL', 'sync_clock', (), {})\n('API_CALL', 'open', ('x',), {})\n",
    );
    let text = '';
    while (!text.includes('RESULT')) text += String((await once(socket, 'data'))[0]);
    const second = Number(/\('RESULT', (\d+)\)/.exec(text)?.[1]);
    expect(second).toBe(Math.floor(Date.now() / 1000));
    expect(text).toContain("('EXCEPTION', 'unknown method')");
    expect(record.events).toMatchObject([{ detail: 'sync_clock' }, { detail: 'open' }]);
  });
});

describe('node service (12346 on the node)', () => {
  async function node(answer: string | undefined): Promise<{ asked: () => string; port: number }> {
    let asked = '';
    const server: Server = createServer((socket) => {
      socket.on('data', (chunk) => {
        asked += String(chunk);
        if (answer !== undefined && asked.endsWith('REBOOT\n')) socket.end(answer);
      });
    });
    server.listen(0, ADDRESS);
    await once(server, 'listening');
    cleanup.push(() => void server.close());
    const address = server.address();
    return { asked: () => asked, port: typeof address === 'object' && address ? address.port : 0 };
  }

  test('OK resolves, KO gives the reason, anything else is said', async () => {
    const good = await node('OK\n');
    await askNode(ADDRESS, 'REBOOT', { port: good.port });
    expect(good.asked()).toBe('MODE single\nREBOOT\n');
    const bad = await node('KO no such script\n');
    await expect(askNode(ADDRESS, 'REBOOT', { port: bad.port })).rejects.toThrow('no such script');
    const odd = await node('what?\n');
    await expect(askNode(ADDRESS, 'REBOOT', { port: odd.port })).rejects.toThrow(
      'Node did not respond properly',
    );
  });

  test('a closed port and a silent node are two sentences', async () => {
    await expect(askNode(ADDRESS, 'REBOOT', { port: 1 })).rejects.toThrow('Connection refused');
    const silent = await node(undefined);
    await expect(askNode(ADDRESS, 'REBOOT', { port: silent.port, limitMs: 200 })).rejects.toThrow(
      'Timed out waiting for reply',
    );
  });
});
