import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { QmpClient, type QmpEvent } from '../../backend/nodes/qmp.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n';
let folder: string;
let path: string;
let server: Server | undefined;
const clients: QmpClient[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qmp-'));
  path = join(folder, 'q');
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function connect(options: Parameters<typeof QmpClient.connect>[1] = {}): Promise<QmpClient> {
  const client = await QmpClient.connect(path, options);
  clients.push(client);
  return client;
}

/** A peer that greets, accepts the negotiation, and then leaves each command to the test. */
async function peer(
  onCommand: (command: { execute: string; id: number }, socket: Socket) => void,
  greeting = GREETING,
) {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(greeting);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const command = JSON.parse(line) as { execute: string; id: number };
        if (command.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${command.id}}\n`);
        else onCommand(command, socket);
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
}

describe('with QEMU itself', () => {
  test('waits for the socket, queries, hears events, and sees the end', async () => {
    const events: QmpEvent[] = [];
    const closed = Promise.withResolvers<void>();
    const connecting = connect({ onEvent: (event) => events.push(event), onClose: () => closed.resolve() });
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ['-nodefaults', '-S'],
        ['-display', 'none', '-m', '16', '-accel', 'tcg'],
        ['-qmp', `unix:${path},server=on,wait=off`],
      ].flat(),
    );
    const exited = once(qemu, 'exit');
    const client = await connecting;
    expect(await client.execute('query-status')).toMatchObject({ status: 'prelaunch', running: false });
    await expect(client.execute('no-such-thing')).rejects.toThrow(/no-such-thing has not been found/);
    await client.execute('cont');
    await client.execute('quit');
    await closed.promise;
    await client.closed;
    expect(events.map((event) => event.event)).toEqual(expect.arrayContaining(['RESUME', 'SHUTDOWN']));
    await expect(client.execute('query-status')).rejects.toThrow(/connection to QEMU is closed/);
    await exited;
  });
});

describe('with a peer that misbehaves', () => {
  test('answers out of order, in pieces, between garbage', async () => {
    const waiting: { id: number; execute: string }[] = [];
    await peer((command, socket) => {
      waiting.push(command);
      if (waiting.length < 2) return;
      socket.write(
        '\u0000\u0001 garbage {\n[1,2]\nnull\n"x"\n{"return": 1, "id": "one"}\n{"return": 0, "id": 12345}\n',
      );
      for (const { id, execute } of waiting.toReversed()) {
        for (const letter of JSON.stringify({ return: execute, id })) socket.write(letter);
        socket.write('\r\n');
      }
    });
    const client = await connect();
    expect(await Promise.all([client.execute('a'), client.execute('b')])).toEqual(['a', 'b']);
  });

  test('no greeting, no answer: a sentence when time is up', async () => {
    await peer(() => undefined, '');
    await expect(connect({ timeoutMs: 50 })).rejects.toThrow('QEMU did not greet');
    server?.close();
    rmSync(path, { force: true });
    await peer(() => undefined);
    const client = await connect({ timeoutMs: 300 });
    await expect(client.execute('query-status')).rejects.toThrow('QEMU did not answer query-status in time');
  });

  test('a line without end closes the connection; what was asked fails', async () => {
    await peer((_command, socket) => socket.write('x'.repeat(3 * 1024 * 1024)));
    const client = await connect();
    await expect(client.execute('query-status')).rejects.toThrow('the connection to QEMU ended');
  });

  test('nobody there, or given up', async () => {
    await expect(connect({ timeoutMs: 60 })).rejects.toThrow(/QEMU does not answer on .* \(ENOENT\)/);
    const abort = new AbortController();
    const connecting = connect({ signal: abort.signal });
    abort.abort(new Error('given up'));
    await expect(connecting).rejects.toThrow('given up');
  });

  test('given up while it negotiates: the connection is closed', async () => {
    await peer(() => undefined);
    const givenUp = new AbortController();
    const closed = Promise.withResolvers<void>();
    server?.on('connection', (socket) => {
      socket.once('data', () => givenUp.abort());
      socket.once('close', () => closed.resolve());
    });
    await expect(connect({ signal: givenUp.signal })).rejects.toThrow('aborted');
    await closed.promise;
  });

  test('a second client is served when the first has gone', async () => {
    await peer((command, socket) => socket.write(`{"return": true, "id": ${command.id}}\n`));
    (await connect()).close();
    expect(await (await connect()).execute('x')).toBe(true);
  });
});
