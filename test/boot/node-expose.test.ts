import { connect, createServer, type Socket } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PortInfo } from '../../backend/api/port.ts';
import { TestLab, until } from '../support/lab.ts';

const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'pc-x86-64-tiny');
  // Reads all of a connection, then answers with what it has read: half-closed connections must work for that.
  await serve(`dd bs=64k of=/tmp/got.$$ 2>/dev/null; echo "sum $(sha256sum </tmp/got.$$)"`);
});
afterAll(() => lab.remove());

const PORT = 7000;
const serve = (script: string) =>
  lab.inNode(
    'vnode1',
    `printf '#!/bin/sh\\n%s\\n' '${script}' >/tmp/serve; chmod +x /tmp/serve; setsid busybox nc -ll -p ${PORT} -e /tmp/serve </dev/null >/dev/null 2>&1 &`,
  );
const ports = async () => JSON.parse(await lab.bootyard('node', 'ports', '--json')) as PortInfo[];

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  return socket;
}
/** Sends bytes, ends its side, and gives what comes back. */
async function ask(port: number, bytes: Uint8Array): Promise<string> {
  const socket = dial(port);
  socket.end(bytes);
  return await text(socket).catch(() => 'reset');
}
/** The code of the error that a connection ends with, or what it got. */
async function outcome(port: number): Promise<string> {
  const socket = dial(port);
  socket.write('hello');
  return await buffer(socket).then(
    (bytes) => `${bytes.length} bytes`,
    (error: unknown) => (error as NodeJS.ErrnoException).code ?? 'error',
  );
}
/** What a server says first. */
async function banner(port: number): Promise<string> {
  const socket = dial(port);
  try {
    return await new Promise((resolve, reject) => {
      socket.once('data', (data) => resolve(String(data)));
      socket.once('error', reject);
      socket.once('end', () => reject(new Error('no banner')));
    });
  } finally {
    socket.destroy();
  }
}
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
const sumOf = (bytes: Uint8Array) => `sum ${createHash('sha256').update(bytes).digest('hex')}  -\n`;

describe('node expose', () => {
  test('a free port leads to the node until ctrl-C: half-closed connections, every byte', async () => {
    const exposing = lab.spawn('node', 'expose', 'vnode1', String(PORT), '0');
    const ended = new Promise((resolve) => exposing.once('close', resolve));
    const said = await new Promise<string>((resolve) =>
      exposing.stdout?.once('data', (data) => resolve(String(data))),
    );
    const port = Number(/at 127\.0\.0\.1:(\d+)\./.exec(said)?.[1]);
    expect(port).toBeGreaterThan(0);
    const contents = [randomBytes(3_000_000), ...Array.from({ length: 1 }, () => randomBytes(20_000))];
    const answers = await Promise.all(contents.map((bytes) => ask(port, bytes)));
    expect(answers).toEqual(contents.map(sumOf));
    expect(await ports()).toEqual([
      {
        node: 'vnode1',
        nodePort: PORT,
        hostPort: port,
        address: '127.0.0.1',
        permanent: false,
        state: 'open',
        reason: null,
      },
    ]);
    const taken = await lab.run('node', 'expose', 'vnode1', String(PORT), String(port));
    expect([taken.status, taken.stderr]).toEqual([1, `Port ${port} of this host is already in use.\n`]);
    exposing.kill('SIGINT');
    expect(await ended).toBe(0);
    await until('unlisted', ports, (list) => list.length === 0);
    expect(await outcome(port)).toBe('ECONNREFUSED');
  });
});

describe('the setting expose', () => {
  test('opens a port for good, chosen if not given; conflicts are refused', async () => {
    const port = await freePort();
    await lab.bootyard('node', 'config', 'vnode1', `expose=${PORT}:${port},22`);
    const settings = (await lab.node('vnode1')).settings;
    expect(settings.expose).toMatch(new RegExp(`^${PORT}:${port},22:\\d+$`));
    const all = await until('open ports', ports, (list) => list.every((entry) => entry.state === 'open'));
    expect(all.map(({ nodePort, permanent }) => [nodePort, permanent])).toEqual([
      [22, true],
      [PORT, true],
    ]);
    expect(await ask(port, Buffer.from('x'))).toBe(sumOf(Buffer.from('x')));
    const banners = await Promise.all(Array.from({ length: 4 }, () => banner(all[0]?.hostPort ?? 0)));
    for (const said of banners) expect(said).toMatch(/^SSH-2/);

    await lab.bootyard('node', 'create', 'vnode2', '--image', 'pc-x86-64-tiny');
    const refusal = async (...args: string[]) => (await lab.run('node', 'config', ...args)).stderr;
    expect(await refusal('vnode2', `expose=80:${port}`)).toMatch(
      `host port ${port} already leads to node vnode1`,
    );
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const address = blocker.address();
    const blocked = typeof address === 'object' ? address?.port : 0;
    expect(await refusal('vnode2', `expose=80:${blocked}`)).toMatch(
      'is in use by another program of this host',
    );
    expect(await refusal('vnode1,vnode2', 'expose=80:8081')).toMatch('belongs to one node');
    blocker.close();
    await lab.bootyard('node', 'remove', '--force', 'vnode2');
  });

  test('survives the daemon; a node that is off resets at once, and is back when it is', async () => {
    const port = Number(/:(\d+)/.exec((await lab.node('vnode1')).settings.expose ?? '')?.[1]);
    const { daemon } = await lab.status();
    process.kill(daemon?.pid ?? 0, 'SIGKILL');
    await until(
      'the port again',
      () => ask(port, Buffer.from('y')),
      (answer) => answer === sumOf(Buffer.from('y')),
    );
    await until(
      'listed again',
      ports,
      (list) => list.length === 2 && list.every(({ state }) => state === 'open'),
    );

    const open = dial(port);
    open.write('half');
    await until(
      'in the node',
      () => lab.inNode('vnode1', 'cat /tmp/got.* | tail -c 4'),
      (got) => got === 'half',
    );
    const broken = new Promise<unknown>((resolve) => open.resume().once('close', () => resolve('closed')));
    open.once('end', () => open.end());
    await lab.bootyard('node', 'stop', 'vnode1');
    expect(await broken).toBe('closed');
    expect(await outcome(port)).toBe('ECONNRESET');
    await lab.bootyard('node', 'boot', '--wait', 'vnode1');
    // Nothing listens in the fresh boot yet.
    expect(await outcome(port)).toBe('ECONNRESET');
    await serve('cat');
    await until(
      'an answer',
      () => ask(port, Buffer.from('back')),
      (answer) => answer === 'back',
    );
  });

  test('ends with the setting, and with the lab; comes back with it', async () => {
    const port = Number(/:(\d+)/.exec((await lab.node('vnode1')).settings.expose ?? '')?.[1]);
    await lab.bootyard('lab', 'stop');
    await until(
      'closed',
      () => outcome(port),
      (end) => end === 'ECONNREFUSED',
    );
    await lab.bootyard('lab', 'start');
    await until(
      'open',
      () => outcome(port),
      (end) => end === 'ECONNRESET',
    );
    await lab.bootyard('node', 'config', 'vnode1', 'expose=none');
    await until(
      'closed',
      () => outcome(port),
      (end) => end === 'ECONNREFUSED',
    );
    await until('none', ports, (list) => list.length === 0);
  });
});
