import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DnsServer } from '../../backend/protocols/dns/server.ts';
import { hosts, mutated, queryPacket, samples, words } from '../fixtures/dns/packets.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';
import { sendFromPortZero } from '../fixtures/port-zero.ts';
import { Capture } from '../support/capture.ts';
import { until } from '../support/lab.ts';

const run = promisify(execFile);
const host = '192.168.152.1';
const folder = mkdtempSync(join(tmpdir(), 'by-dns-'));
const logged: string[] = [];
const server = new DnsServer({
  ...hosts,
  addressOf: (name) => {
    if (name === 'broken') throw new Error('no such table');
    return hosts.addressOf(name);
  },
  log: (line) => logged.push(line),
});

beforeAll(async () => {
  await run('ip', ['address', 'replace', `${host}/32`, 'dev', 'lo']);
  await server.start();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const dig = async (...args: string[]): Promise<string> =>
  (await run('dig', [`@${host}`, '+tries=1', '+time=5', '+nocookie', ...args])).stdout;
const short = async (...args: string[]): Promise<string> => (await dig('+short', ...args)).trim();
const status = (said: string): string | undefined => /status: (\w+)/.exec(said)?.[1];

describe('dig', () => {
  test.each(['+notcp', '+tcp', '+noedns', '+bufsize=512', '+dnssec'])(
    '%s: addresses and names',
    async (how) => {
      expect(await short(how, 'vnode1.walt')).toBe('192.168.152.2');
      expect(await short(how, 'VNODE1.WALT')).toBe('192.168.152.2');
      expect(await short(how, 'server.walt')).toBe('192.168.152.1');
      expect(await short(how, '-x', '192.168.152.3')).toBe('Second.walt.');
      expect(await short(how, '-x', host)).toBe('server.walt.');
    },
  );

  test('the zone: SOA, NS, authoritative, a short life', async () => {
    expect(await short('walt', 'SOA')).toBe('server.walt. hostmaster.walt. 1 3600 600 86400 10');
    expect(await short('walt', 'NS')).toBe('server.walt.');
    expect(await short('152.168.192.in-addr.arpa', 'NS')).toBe('server.walt.');
    const said = await dig('+norecurse', 'vnode1.walt');
    expect(said).toMatch(/flags: qr aa;/);
    expect(said).toMatch(/^vnode1\.walt\.\s+10\s+IN\s+A\s+192\.168\.152\.2$/m);
    expect(said).not.toMatch(/warning|malformed/i);
  });

  test('no such name, no such type: with the SOA record', async () => {
    const unknown = await dig('nobody.walt');
    expect(status(unknown)).toBe('NXDOMAIN');
    expect(unknown).toMatch(/AUTHORITY SECTION:\nwalt\.\s+10\s+IN\s+SOA\s+server\.walt\./);
    const noAddress = await dig('vnode1.walt', 'AAAA');
    expect(status(noAddress)).toBe('NOERROR');
    expect(noAddress).toMatch(/ANSWER: 0, AUTHORITY: 1/);
  });

  test.each([
    [['debian.org'], 'REFUSED'],
    [['.', 'NS'], 'REFUSED'],
    [['version.bind', 'CH', 'TXT'], 'REFUSED'],
    [['+opcode=NOTIFY', 'walt', 'SOA'], 'NOTIMP'],
    [['+opcode=UPDATE', 'walt', 'SOA'], 'NOTIMP'],
    [['+edns=1', '+noednsnegotiation', 'vnode1.walt'], 'BADVERS'],
    [['broken.walt'], 'SERVFAIL'],
  ])('%j: %s, at once', async (args, expected) => {
    expect(status(await dig(...args))).toBe(expected);
  });
  test('a look-up that failed is logged', () => expect(logged).toEqual(['DNS: no such table']));

  test('no zone transfer; one record for ANY', async () => {
    expect(await dig('walt', 'AXFR')).toContain('Transfer failed.');
    expect(await short('+notcp', 'vnode1.walt', 'ANY')).toBe('192.168.152.2');
    expect((await short('+notcp', 'walt', 'ANY')).split('\n')).toHaveLength(1);
  });

  test('several queries on one connection', async () => {
    expect(
      (await short('+tcp', '+keepopen', 'vnode1.walt', 'second.walt', 'server.walt')).split('\n'),
    ).toEqual(['192.168.152.2', '192.168.152.3', '192.168.152.1']);
  });
});

test("busybox's nslookup", async () => {
  expect((await run('busybox', ['nslookup', 'vnode1.walt', host])).stdout).toContain(
    'Address: 192.168.152.2',
  );
  expect((await run('busybox', ['nslookup', '192.168.152.2', host])).stdout).toContain('vnode1.walt');
});

test("nothing is malformed in Wireshark's reading", async () => {
  const capture = await Capture.start({ file: join(folder, 'dns.pcap'), interface: 'lo', marker: host });
  const questions = [['vnode1.walt'], ['no.walt'], ['walt', 'ANY'], ['walt', 'NS'], ['-x', host], ['x.org']];
  for (const how of ['+notcp', '+tcp', '+noedns']) for (const args of questions) await dig(how, ...args);
  await capture.stop();
  expect(await capture.count('dns.flags.response == 1')).toBe(3 * questions.length);
  expect(await capture.count('_ws.malformed')).toBe(0);
});

/** What comes back on a connection until it ends or has `bytes` bytes. */
async function exchange(packet: Buffer, bytes = Infinity): Promise<Buffer> {
  const socket = connect(53, host);
  let got = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length >= bytes) resolve();
    });
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.write(packet);
  });
  socket.destroy();
  return got;
}
const framed = (packet: Buffer): Buffer => Buffer.concat([words(packet.length), packet]);

describe('connections', () => {
  test('many queries in one piece, and one in many pieces', async () => {
    const one = framed(queryPacket());
    const answer = await exchange(one, one.length + 16);
    const many = await exchange(Buffer.concat(Array<Buffer>(5000).fill(one)), 5000 * answer.length);
    expect(many.equals(Buffer.concat(Array<Buffer>(5000).fill(answer)))).toBe(true);
    const socket = connect(53, host);
    for (const byte of one) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk).toEqual(answer);
    socket.destroy();
  });

  test('a client that does not read is not read from either, until it does', async () => {
    const one = framed(queryPacket());
    const piece = Buffer.alloc(1000 * one.length, one);
    const pieces = 400;
    const socket = connect(53, host);
    socket.on('error', () => {});
    socket.pause();
    let sent = 0;
    const send = (): void => void socket.write(piece, () => ++sent < pieces && send());
    send();
    let before = -1;
    let unchanged = 0;
    await until(
      'nothing moves any more',
      () => {
        unchanged = sent === before ? unchanged + 1 : 0;
        before = sent;
        return unchanged;
      },
      (times) => times === 10,
    );
    expect(sent).toBeLessThan(pieces);
    let got = 0;
    socket.on('data', (chunk: Buffer) => (got += chunk.length)).resume();
    const expected = pieces * 1000 * (one.length + 16);
    await until(
      'all answers',
      () => got,
      (bytes) => bytes >= expected,
    );
    expect(got).toBe(expected);
    socket.destroy();
  });

  test.each([
    ['a message that is none', framed(Buffer.from('junk'))],
    ['a response', framed(queryPacket({ flags: 0x8000 }))],
    ['a message that is far too long', words(4097)],
  ])('%s ends the connection', async (_what, packet) => {
    expect(await exchange(packet)).toEqual(Buffer.alloc(0));
  });

  test('one client has 16 of them', async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    for (let i = 0; i < 20; i++) {
      const socket = connect(53, host);
      socket.on('error', () => {});
      socket.on('close', () => closed++);
      socket.resume();
      sockets.push(socket);
      await once(socket, 'connect');
    }
    await until(
      'four connections are refused',
      () => closed,
      (count) => count >= 4,
    );
    expect(closed).toBe(4);
    server.dropClient(host);
    await until(
      'all are reset',
      () => closed,
      (count) => count === 20,
    );
    expect(await short('+tcp', 'vnode1.walt')).toBe('192.168.152.2');
  });
});

test('a port that is taken is told in a sentence', async () => {
  await expect(new DnsServer({ ...hosts, log: () => {} }).start()).rejects.toThrow(
    `The DNS server cannot use UDP port 53 of ${host}: another program has it; stop that program first.`,
  );
});

describe('junk', () => {
  test('a query from port 0, to which nobody can answer', async () => {
    await sendFromPortZero(host, 53, queryPacket());
    expect(await short('vnode1.walt')).toBe('192.168.152.2');
  });

  test('100,000 mutated datagrams do no harm', async () => {
    const random = randomNumbers(8);
    const sources = samples();
    const socket = createSocket('udp4');
    socket.on('message', () => {});
    for (let sent = 0; sent < 100_000; sent++) {
      const packet = mutated(sources[random(sources.length)], random);
      if (sent % 50 !== 0) socket.send(packet, 53, host);
      else await new Promise((resolve) => socket.send(packet, 53, host, resolve));
    }
    socket.close();
    expect(await short('vnode1.walt')).toBe('192.168.152.2');
  });

  test('100,000 mutated messages over TCP do no harm', async () => {
    const random = randomNumbers(9);
    const sources = samples();
    for (let sent = 0; sent < 100_000;) {
      const messages: Buffer[] = [];
      do messages.push(framed(mutated(sources[random(sources.length)], random)));
      while (++sent % 10 !== 0);
      await exchange(Buffer.concat([...messages, words(0)]));
    }
    expect(await short('+tcp', 'vnode1.walt')).toBe('192.168.152.2');
  });
});
