import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { bufferSource } from '../../backend/protocols/file-source.ts';
import { TftpServer } from '../../backend/protocols/tftp/server.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';
import { LossyRelay } from '../fixtures/tftp/lossy-relay.ts';
import { ack, fetchWindowed, RawClient, read } from '../fixtures/tftp/raw-client.ts';
import { sendFromPortZero } from '../fixtures/port-zero.ts';
import { Capture } from '../support/capture.ts';

const run = promisify(execFile);
const host = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'by-tftp-'));
const random = randomNumbers(3);
const noise = (size: number): Buffer => {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = random(256);
  return bytes;
};
const files = new Map<string, Buffer>([
  ['/empty', Buffer.alloc(0)],
  ['/one', Buffer.from('x')],
  ['/whole', noise(512 * 4)],
  ['/text', Buffer.from('one\ntwo\r\nthree\rfour')],
  ['/boot/pc-x86-64/kernel', noise(3_000_001)],
  ['/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe', Buffer.from('#!ipxe\n')],
  ['/plain', Buffer.alloc(300_000, 'Each line is like the last one.\n')],
  // more than 65535 blocks of 512 bytes
  ['/large', Buffer.alloc(40_000_000, noise(999_983))],
]);
const kernel = '/boot/pc-x86-64/kernel';
const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const content = (path: string): Buffer => files.get(path) ?? Buffer.from('no such test file');

let server: TftpServer;
let events: EventBody[] = [];
const tftpEvents = () => events.filter((event) => event.kind === 'tftp');

async function serve(limits = {}): Promise<void> {
  server = new TftpServer({
    address: host,
    publish: (event) => events.push(event),
    limits,
    resolve: async (_client, path) => {
      if (path === '/forbidden') return { refused: 'denied', cause: 'not for you' };
      if (path === '/broken') throw new Error('disk error');
      if (path === '/short') return { size: 5000, read: (target) => Math.max(0, 4000 - target.length) };
      const bytes = files.get(path);
      return bytes ? bufferSource(bytes) : { refused: 'missing', cause: 'no such file' };
    },
  });
  await server.start();
}

beforeEach(async () => {
  events = [];
  await serve();
});
afterEach(async () => server.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a client that writes to a file; returns what it wrote. */
async function fetched(program: string, args: (target: string) => string[]): Promise<Buffer> {
  const target = join(folder, 'out');
  rmSync(target, { force: true });
  await run(program, args(target), { cwd: folder });
  return readFileSync(target);
}

const curl = (path: string, blockSize?: number, port = 69): Promise<Buffer> =>
  fetched('curl', (target) => [
    '-sS',
    ...(blockSize ? ['--tftp-blksize', String(blockSize)] : ['--tftp-no-options']),
    ...['-o', target, `tftp://${host}:${port}/${encodeURI(path)}`],
  ]);
const atftp = (path: string, port: number, ...options: string[]): Promise<Buffer> =>
  fetched('atftp', (target) => [
    ...options.flatMap((option) => ['--option', option]),
    ...['--get', '-r', path, '-l', target, host, String(port)],
  ]);

describe('independent clients get the bytes of the file', () => {
  test.each(['/one', '/whole', kernel, '/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe'])(
    'curl without options: %s',
    async (path) => {
      expect(sum(await curl(path))).toBe(sum(content(path)));
    },
  );
  test.each([8, 512, 1428, 8192, 65464])('curl, blksize %i', async (size) => {
    const path = size === 8 ? '/whole' : kernel;
    expect(sum(await curl(path, size))).toBe(sum(content(path)));
  });
  test.each(['/empty', kernel])('atftp, windowsize 16: %s', async (path) => {
    expect(sum(await atftp(path, 69, 'blksize 1428', 'windowsize 16', 'tsize'))).toBe(sum(content(path)));
  });
  test('busybox', async () => {
    const bytes = await fetched('busybox', (target) => [
      'tftp',
      '-g',
      '-b',
      '1468',
      '-r',
      kernel,
      '-l',
      target,
      host,
    ]);
    expect(sum(bytes)).toBe(sum(content(kernel)));
  });
  test("npm's tftp with windows", async () => {
    const script = join(import.meta.dirname, '../fixtures/tftp/npm-client.mjs');
    const bytes = await fetched(process.execPath, (target) => [script, host, kernel, target, '1428', '4']);
    expect(sum(bytes)).toBe(sum(content(kernel)));
  });
  test.each(['octet', 'netascii'])('tftp-hpa, %s', async (mode) => {
    // The client turns netascii back into its own line ends.
    const path = mode === 'octet' ? kernel : '/text';
    const bytes = await fetched('tftp', (target) => ['-m', mode, host, '-c', 'get', path, target]);
    expect(sum(bytes)).toBe(sum(content(path)));
  });
  test('a file of more than 65535 blocks, in lock-step and in windows', async () => {
    expect(sum(await curl('/large', 512))).toBe(sum(content('/large')));
    expect(sum(await atftp('/large', 69, 'windowsize 8'))).toBe(sum(content('/large')));
  });
  test('twenty at a time', async () => {
    await server.close();
    await serve({ perClient: 20 });
    const clients = Array.from({ length: 20 }, async () => {
      const client = await RawClient.open();
      const bytes = await fetchWindowed(client, kernel, 1428, 8);
      client.close();
      return sum(bytes);
    });
    expect(new Set(await Promise.all(clients))).toEqual(new Set([sum(content(kernel))]));
    await expect.poll(() => server.transfers).toBe(0);
  });
});

describe('over a bad network', () => {
  let relay: LossyRelay;
  afterEach(() => relay.close());
  const bad = async (faults: { lost?: number; doubled?: number; late?: number }): Promise<void> => {
    relay = await LossyRelay.open({ address: host, port: 69 }, faults, 7);
  };

  test('curl, with lost and doubled packets', async () => {
    await bad({ lost: 1, doubled: 5 });
    const short = content(kernel).subarray(0, 200_000);
    files.set('/short-kernel', short);
    // Without options: curl would ask for a pause of 6 s before anything is sent again, and get it.
    expect(sum(await curl('/short-kernel', undefined, relay.port))).toBe(sum(short));
  });
  test.each([4, 32])('window %i, with lost, late and doubled packets', async (windowSize) => {
    await bad({ lost: 1, doubled: 1, late: 2 });
    const client = await RawClient.open();
    // The raw client asks port 69 by default: send the request through the relay.
    const ask = client.send.bind(client);
    client.send = (text, port = relay.port) => ask(text, port);
    expect(sum(await fetchWindowed(client, kernel, 1428, windowSize))).toBe(sum(content(kernel)));
    client.close();
    // The last ACK may be lost too: then the server asks for it three times.
    await expect.poll(() => server.transfers, { timeout: 20_000 }).toBe(0);
    expect(tftpEvents().find((event) => event.phase === 'end')?.resent).toBeGreaterThan(0);
  });
});

describe('the protocol', () => {
  let client: RawClient;
  beforeEach(async () => {
    client = await RawClient.open();
  });
  afterEach(() => client.close());
  const text = async (): Promise<string> => (await client.next()).packet.toString('latin1');

  test('answers options it knows, and no others', async () => {
    client.send(read('one', 'BLKSIZE', '9', 'nonsense', '1', 'tsize', '0', 'timeout', '300'));
    expect(await text()).toBe('\0\x06BLKSIZE\x009\0tsize\x001\0');
  });
  test('sends data at once when nothing was accepted', async () => {
    client.send(read('one', 'nonsense', '1'));
    expect(await text()).toBe('\0\x03\0\x01x');
  });
  test.each([
    ['a missing file', read('nothing'), '\0\x05\0\x01no such file\0'],
    ['a file it may not have', read('forbidden'), '\0\x05\0\x02not for you\0'],
    ['a fault', read('broken'), '\0\x05\0\x00disk error\0'],
    ['a write', '\0\x02one\0octet\0', '\0\x05\0\x02this server takes no files\0'],
    ['an unknown mode', '\0\x01one\0mail\0', '\0\x05\0\x04mode mail is not served\0'],
    ['junk', '\0\x09junk', '\0\x05\0\x04the packet is not a TFTP request\0'],
    ['a stray ACK', '\0\x04\0\x01', '\0\x05\0\x05Unknown transfer ID\0'],
  ])('%s is refused', async (_what, request, answer) => {
    client.send(request);
    expect(await text()).toBe(answer);
  });
  test('a file that ends early is an error, not silence', async () => {
    client.send(read('short'));
    const answer = await text();
    expect(answer).toContain('the file ends at byte');
  });
  test('a refusal is an event with its cause', async () => {
    client.send(read('boot\\nothing'));
    await client.next();
    expect(tftpEvents()).toMatchObject([
      { client: host, phase: 'refused', path: '/boot/nothing', cause: 'no such file' },
    ]);
  });
  test('somebody else in the transfer is told ERROR 5, and does it no harm', async () => {
    client.send(read('whole'));
    const { from } = await client.next();
    const stranger = await RawClient.open();
    stranger.send(ack(1), from.port);
    expect((await stranger.next()).packet.toString('latin1')).toBe('\0\x05\0\x05Unknown transfer ID\0');
    stranger.send('\0\x05\0\x00die\0', from.port);
    stranger.close();
    client.send(ack(1), from.port);
    expect((await client.next()).packet.readUInt16BE(2)).toBe(2);
  });
  test('packets from port 0, to which nobody can answer, are dropped', async () => {
    const client = await RawClient.open();
    client.send(read(kernel));
    const { from } = await client.next();
    for (const packet of [read(kernel), ack(1), read('/missing'), 'junk']) {
      const bytes = typeof packet === 'string' ? Buffer.from(packet, 'latin1') : packet;
      await sendFromPortZero(host, 69, bytes);
      await sendFromPortZero(host, from.port, bytes);
    }
    client.close();
    expect(sum(await curl(kernel))).toBe(sum(content(kernel)));
  });

  test('firmware that stops after the OACK and asks again gets the file', async () => {
    client.send(read('one', 'tsize', '0'));
    const { from } = await client.next();
    client.send('\0\x05\0\x08User aborted the transfer\0', from.port);
    client.send(read('one'));
    const data = await client.next();
    client.send(ack(1), data.from.port);
    await expect.poll(() => server.transfers).toBe(0);
    expect(tftpEvents().map((event) => [event.phase, event.cause])).toEqual([
      ['start', undefined],
      ['end', 'the client stopped after it learned the options'],
      ['start', undefined],
      ['end', undefined],
    ]);
  });
  test('a repeated request starts no second transfer', async () => {
    client.send(read('whole'));
    client.send(read('whole'));
    const { from } = await client.next();
    expect(server.transfers).toBe(1);
    client.send(ack(1), from.port);
    const second = await client.next();
    expect([second.from.port, second.packet.readUInt16BE(2)]).toEqual([from.port, 2]);
  });
  test('blocks come again until the client answers', async () => {
    client.send(read('whole', 'timeout', '1'));
    const oack = await client.next();
    client.send(ack(0), oack.from.port);
    const first = await client.next();
    expect((await client.next()).packet).toEqual(first.packet);
  });
  test('a client has a limited number of transfers', async () => {
    await server.close();
    await serve({ perClient: 2 });
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.open()));
    for (const one of clients.slice(0, 2)) {
      one.send(read('whole'));
      await one.next();
    }
    clients[2]?.send(read('whole'));
    expect((await clients[2]?.next())?.packet.toString('latin1', 4)).toBe('too many transfers at a time\0');
    server.dropClient(host);
    expect(server.transfers).toBe(0);
    for (const one of clients) one.close();
  });
  test('a port that is taken is said in a sentence', async () => {
    const second = new TftpServer({
      address: host,
      publish: () => {},
      resolve: () => bufferSource(Buffer.alloc(0)),
    });
    await expect(second.start()).rejects.toMatchObject({
      code: 'tftp.port',
      message: expect.stringContaining('another program has it'),
    });
  });
});

test('100,000 random and mutated packets do no harm', async () => {
  const client = await RawClient.open();
  const requests = [
    read(kernel, 'blksize', '1428', 'windowsize', '16'),
    read('one'),
    '\0\x04\0\x01',
    '\0\x05\0\0x\0',
  ];
  for (let round = 0; round < 100_000; round++) {
    const packet = round % 3 === 0 ? noise(random(60)) : Buffer.from(requests[random(4)] ?? '', 'latin1');
    if (round % 3 === 1 && packet.length > 0) packet[random(packet.length)] = random(256);
    client.send(packet);
    if (round % 500 === 0) await new Promise(setImmediate);
  }
  client.close();
  expect(server.transfers).toBeLessThanOrEqual(16);
  expect(events.length).toBeLessThan(5000);
  expect(sum(await curl(kernel, 1428))).toBe(sum(content(kernel)));
});

test('on the wire every packet is well formed', async () => {
  const capture = await Capture.start({
    file: join(folder, 'capture.pcap'),
    interface: 'lo',
    filter: 'udp',
    marker: host,
  });
  // Plain text: tshark shows the content of a file to dissectors of other protocols.
  await curl('/plain', 1428);
  await atftp('/plain', 69, 'blksize 512', 'windowsize 4');
  await expect(curl('/nothing')).rejects.toThrow();
  await capture.stop();
  // A transfer's ports may be any: whatever other protocol tshark knows at them, nothing but TFTP is spoken here.
  const count = (filter: string) => capture.count(filter, 'udp.port==1-65535,tftp');
  expect(await count('tftp.opcode == 3')).toBeGreaterThanOrEqual(211 + 586);
  expect(await count('tftp.opcode == 6')).toBe(2);
  expect(await count('tftp.opcode == 5')).toBe(1);
  expect(await count('!tftp || _ws.malformed')).toBe(0);
});
