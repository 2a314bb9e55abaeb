import { execFile } from 'node:child_process';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DnsServer } from '../../backend/protocols/dns/server.ts';
import { hosts, mutated } from '../fixtures/dns/packets.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

const run = promisify(execFile);
const SERVER = '127.53.0.1';
const UPSTREAM = '127.53.0.2';
/** A client that may not ask for other names. */
const LAN = '127.53.0.9';

type Reply = (query: Buffer, from: RemoteInfo | undefined) => Buffer | undefined;
let reply: Reply;
let asked: Buffer[] = [];
let udp: Socket;
let tcp: Server;
const server = new DnsServer({
  ...hosts,
  address: SERVER,
  log: () => undefined,
  forward: { upstream: UPSTREAM, mayAsk: (client) => client !== LAN, tryMs: 300 },
});

/** An answer with an address for whatever was asked; `count` of them. */
const answered = (query: Buffer, count = 1): Buffer => {
  const end = 12 + query.subarray(12).indexOf(0) + 5;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(count, 6);
  head.fill(0, 8, 12);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
  return Buffer.concat([head, ...Array.from({ length: count }, () => record)]);
};

beforeAll(async () => {
  udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    asked.push(query);
    const found = reply(query, from);
    if (found) udp.send(found, from.port, from.address);
  });
  udp.bind(53, UPSTREAM);
  tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const found = reply(data.subarray(2), undefined);
      if (found) socket.write(Buffer.concat([Buffer.from([found.length >> 8, found.length & 255]), found]));
    });
  });
  tcp.listen(53, UPSTREAM);
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  await server.start();
});
afterAll(async () => {
  await server.close();
  udp.close();
  tcp.close();
});
beforeEach(() => {
  asked = [];
  reply = (query) => answered(query);
});

const dig = async (...args: string[]): Promise<string> =>
  (
    await run('dig', [`@${SERVER}`, '+tries=1', '+time=9', '+nocookie', ...args]).catch((error: unknown) => ({
      stdout: String(error),
    }))
  ).stdout;

describe('names of others', () => {
  test.each(['+notcp', '+tcp', '+noedns'])('%s: are asked of the other server', async (how) => {
    expect(await dig(how, 'www.example.test')).toMatch(/status: NOERROR[^]*203\.0\.113\.7/);
    expect(await dig(how, 'vnode1.walt', '+short')).toBe('192.168.152.2\n');
    expect(await dig(how, 'nobody.walt')).toContain('status: NXDOMAIN');
    expect(asked.every((query) => query.includes('example'))).toBe(true);
  });

  test('but not for clients that may not, and not zone transfers', async () => {
    expect(await dig('-b', LAN, 'www.example.test')).toContain('status: REFUSED');
    expect(await dig('-b', LAN, '+tcp', 'www.example.test')).toContain('status: REFUSED');
    expect(await dig('-c', 'CH', '-t', 'TXT', 'version.bind')).toContain('status: REFUSED');
    expect(asked).toEqual([]);
  });

  test('ids and ports are not those of the client, and differ', async () => {
    const ports = new Set<number>();
    const ids = new Set<number>();
    reply = (query, from) => {
      ports.add(from?.port ?? 0);
      ids.add(query.readUInt16BE(0));
      return answered(query);
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => dig(`n${i}.example.test`)));
    expect(ports.size).toBe(12);
    expect(ids.size).toBeGreaterThan(9);
  });

  test('an answer to another question, or with another id, is none', async () => {
    reply = (query) => {
      const wrong = answered(query);
      wrong.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
      return wrong;
    };
    expect(await dig('a.example.test')).toContain('status: SERVFAIL');
    expect(asked).toHaveLength(2);
    reply = (query) => {
      const wrong = answered(query);
      wrong[13] = 'x'.charCodeAt(0);
      return wrong;
    };
    expect(await dig('a.example.test')).toContain('status: SERVFAIL');
    expect(await dig('+tcp', 'a.example.test')).toContain('status: SERVFAIL');
    // Letters may come back in another case.
    reply = (query) => {
      const other = answered(query);
      other[13] = 'A'.charCodeAt(0);
      return other;
    };
    expect(await dig('a.example.test', '+short')).toBe('203.0.113.7\n');
  });

  test('a question that is lost is asked once more', async () => {
    reply = (query) => (asked.length > 1 ? answered(query) : undefined);
    expect(await dig('a.example.test', '+short')).toBe('203.0.113.7\n');
    expect(asked).toHaveLength(2);
  });

  test('a long answer comes by TCP', async () => {
    reply = (query) => answered(query, 100);
    const said = await dig('long.example.test', '+noedns');
    expect(said.match(/203\.0\.113\.7/g)).toHaveLength(100);
    expect(said).toContain('Truncated, retrying in TCP mode');
  });

  test('a client that asks without end has some questions asked, and is refused the rest at once', async () => {
    reply = () => undefined;
    const client = createSocket('udp4');
    client.bind(0, '127.53.0.5');
    await once(client, 'listening');
    const codes: number[] = [];
    client.on('message', (message) => codes.push(message.readUInt16BE(2) & 15));
    const query = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1]);
    for (let i = 0; i < 100; i++) client.send(query, 53, SERVER);
    while (codes.length < 68) await once(client, 'message');
    expect(new Set(asked.map((one) => one.readUInt16BE(0))).size).toBeLessThanOrEqual(32);
    // Others are still served.
    reply = (other) => answered(other);
    expect(await dig('a.example.test', '+short')).toBe('203.0.113.7\n');
    while (codes.length < 100) await once(client, 'message');
    expect(codes.filter((code) => code !== 2 && code !== 0)).toEqual([]);
    client.close();
  });

  test('whatever the other server says, this one goes on', async () => {
    const next = randomNumbers(5);
    reply = (query) => mutated(answered(query, 3), next);
    await Promise.all(Array.from({ length: 40 }, (_, i) => dig('+time=2', `m${i}.example.test`)));
    reply = (query) => mutated(answered(query, 3), next);
    await Promise.all(Array.from({ length: 20 }, (_, i) => dig('+tcp', '+time=2', `m${i}.example.test`)));
    reply = (query) => answered(query);
    expect(await dig('a.example.test', '+short')).toBe('203.0.113.7\n');
  }, 60_000);
});
