import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { INSPECTOR_BRIDGE } from '../../extension/debug/inspector-bridge.ts';
import { InspectorClient } from '../support/inspector.ts';
import { testFolder } from './images/support.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

/** Starts a Node.js that waits for a debugger; answers its inspector's address. */
async function inspected(): Promise<URL> {
  const child = started(['--inspect-wait=127.0.0.1:0', '-e', 'setInterval(() => {}, 1000)']);
  let said = '';
  for await (const data of child.stderr ?? []) {
    said += String(data);
    const [address] = /ws:\S+/.exec(said) ?? [];
    if (address) return new URL(address);
  }
  throw new Error(`it does not wait: ${said}`);
}

function started(args: string[]): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  endings.push(() => child.kill('SIGKILL'));
  return child;
}

/** Writes a part after the other, with time between them to be read by itself, as a serial line hands them on. */
async function inPieces(data: Buffer, write: (piece: Buffer) => void): Promise<void> {
  const length = Math.ceil(data.length / 50);
  for (let at = 0; at < data.length; at += length) {
    write(data.subarray(at, at + length));
    await delay(2);
  }
}

test('what comes in pieces reaches an inspector in whole frames', async () => {
  const inspector = await inspected();
  const script = join(testFolder(), 'bridge.js');
  writeFileSync(script, INSPECTOR_BRIDGE.replaceAll('\n', ' '));
  const ends: Promise<unknown>[] = [];
  const server = createServer((socket: Socket) => {
    const bridge = started([script, inspector.port]);
    ends.push(once(bridge, 'exit'));
    bridge.stdout?.on('data', (data: Buffer) => void socket.write(data));
    let before = Promise.resolve();
    socket.on('data', (data: Buffer) => {
      before = before.then(() => inPieces(data, (piece) => void bridge.stdin?.write(piece)));
    });
    socket.on('close', () => bridge.stdin?.end());
  });
  endings.push(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new InspectorClient(`ws://127.0.0.1:${port}${inspector.pathname}`);
  for (const length of [1, 50, 300, 3_000, 30_000]) {
    const expression = `1 + ${length} // ${'x'.repeat(length)}`;
    const answer = await client.ask('Runtime.evaluate', { expression });
    expect(answer).toMatchObject({ result: { value: 1 + length } });
  }
  client.close();
  await Promise.all(ends);
}, 60_000);
