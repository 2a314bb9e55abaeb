import { execFile, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import type { Lease, LeaseStore } from '../../backend/protocols/dhcp/leases.ts';
import type { BootFile, Reservation } from '../../backend/protocols/dhcp/policy.ts';
import { DhcpServer } from '../../backend/protocols/dhcp/server.ts';
import { encode } from '../../backend/protocols/dhcp/codec.ts';
import { captured, clientMessage } from '../fixtures/dhcp/packets.ts';
import { Link } from '../fixtures/dhcp/link.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';
import { Capture } from '../support/capture.ts';
import { until } from '../support/lab.ts';

const run = promisify(execFile);
const server = '192.168.152.1';
const folder = mkdtempSync(join(tmpdir(), 'by-dhcp-'));
const report = join(folder, 'report');
const script = join(import.meta.dirname, '../fixtures/dhcp/client-script');

let link: Link;
let mac: string;
let capture: Capture;
let dhcp: DhcpServer;
let events: EventBody[];
let stored: Map<number, Lease>;
let reservations: Map<string, Reservation>;
let bootFile: BootFile | undefined;
let boundTo: string[];

const store: LeaseStore = {
  load: () => [...stored.values()],
  save: (leases) => leases.forEach((lease) => stored.set(lease.address, lease)),
  remove: (addresses) => addresses.forEach((address) => stored.delete(address)),
};

async function serve(range = { first: '192.168.152.100', last: '192.168.152.250' }): Promise<void> {
  dhcp = new DhcpServer({
    address: server,
    subnetMask: '255.255.255.0',
    range,
    store,
    publish: (event) => events.push(event),
    policy: {
      reservation: (client) => reservations.get(client.mac),
      isReserved: (address) => [...reservations.values()].some((one) => one.address === address),
      bootFile: () => bootFile,
      onBound: (client, address) => boundTo.push(`${client.mac} ${address}`),
    },
  });
  await dhcp.start();
}

beforeAll(async () => {
  link = await Link.make(server, 24);
  mac = await link.mac();
  process.env.REPORT = report;
  const file = join(folder, 'capture.pcap');
  capture = await Capture.start({ file, interface: 'srv', filter: 'udp', marker: '192.168.152.255' });
});
afterAll(async () => {
  await link.remove();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  events = [];
  stored = new Map();
  reservations = new Map();
  bootFile = undefined;
  boundTo = [];
  rmSync(report, { force: true });
  await link.flush();
  // A client that was killed is gone a moment later; the answer names one that stays.
  const holders = () => link.inside('ss', ['-Hlunp', 'sport = :68']);
  await until("port 68 at the client's end is free", holders, (text) => text === '');
  await serve();
});
afterEach(() => dhcp.close());

/** What the client's script was told last. */
function told(name: string): string | undefined {
  if (!existsSync(report)) return undefined;
  return [...readFileSync(report, 'utf8').matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].at(-1)?.[1];
}
const causes = () =>
  events
    .filter((event) => event.kind === 'dhcp')
    .map((event) => `${event.message} ${event.answer ?? '-'}: ${event.cause}`);
const udhcpc = (...args: string[]) => ['udhcpc', '-i', 'eth', '-f', '-s', script, ...args];
const untilBound = ['-n', '-q', '-t', '5', '-T', '1'];

describe('busybox udhcpc', () => {
  test('is given all options of a registered node', async () => {
    reservations.set(mac, { address: '192.168.152.10', hostname: 'vnode1', router: server });
    bootFile = { file: 'pxe/undionly.kpxe' };
    const wanted = [
      '-O',
      'tftp',
      '-O',
      'bootfile',
      '-O',
      'search',
      '-O',
      'ntpsrv',
      '-O',
      'hostname',
      '-O',
      'router',
    ];
    await link.inside('busybox', udhcpc(...untilBound, ...wanted));
    const names =
      'ip mask siaddr boot_file bootfile tftp dns domain search ntpsrv broadcast hostname router lease serverid';
    expect(Object.fromEntries(names.split(' ').map((name) => [name, told(name)]))).toEqual({
      ip: '192.168.152.10',
      mask: '24',
      siaddr: server,
      boot_file: 'pxe/undionly.kpxe',
      bootfile: 'pxe/undionly.kpxe',
      tftp: server,
      dns: server,
      domain: 'walt',
      search: 'walt',
      ntpsrv: server,
      broadcast: '192.168.152.255',
      hostname: 'vnode1',
      router: server,
      lease: '6000000',
      serverid: server,
    });
    expect(causes()).toEqual(['DISCOVER OFFER: reserved address', 'REQUEST ACK: it took the offer']);
    expect(boundTo).toEqual([`${mac} 192.168.152.10`]);
    expect(stored.size).toBe(0);
  });

  test('renews by unicast and releases when told', async () => {
    const client = link.start('busybox', udhcpc());
    await expect.poll(() => told('event'), { timeout: 10_000 }).toBe('bound');
    expect(stored.size).toBe(1);
    client.kill('SIGUSR1');
    await expect.poll(() => told('event'), { timeout: 10_000 }).toBe('renew');
    expect(causes()).toContain('REQUEST ACK: it renewed its lease');
    client.kill('SIGUSR2');
    await expect.poll(causes).toContain('RELEASE -: it gave its address back');
    await expect.poll(() => stored.size).toBe(0);
    client.kill('SIGKILL');
    await once(client, 'close');
  });

  test('declines an address that is in use and gets another', async () => {
    await run('ip', ['addr', 'add', '192.168.152.100/32', 'dev', 'srv']);
    await link.inside('busybox', udhcpc(...untilBound, '-a', '-A', '1'));
    await run('ip', ['addr', 'del', '192.168.152.100/32', 'dev', 'srv']);
    expect(causes()).toContain('DECLINE -: somebody else uses the address, which rests now');
    expect(told('ip')).toBe('192.168.152.101');
  });

  test('keeps its address when the server comes back with another mind', async () => {
    await link.inside('busybox', udhcpc(...untilBound));
    const first = told('ip');
    await link.flush();
    await dhcp.close();
    await serve();
    await link.inside('busybox', udhcpc(...untilBound));
    expect(told('ip')).toBe(first);
    expect(dhcp.leaseCounts().bound).toBe(1);
  });

  test('gets nothing from a full range', async () => {
    await dhcp.close();
    await serve({ first: server, last: server });
    await expect(link.inside('busybox', udhcpc('-n', '-q', '-t', '1', '-T', '1'))).rejects.toThrow();
    expect(causes()).toEqual(['DISCOVER -: range full']);
  });
});

test('ISC dhclient gets a lease, takes it up after a reboot, and is told NAK when the address has gone', async () => {
  const leases = join(folder, 'dhclient.leases');
  const options = ['-e', `REPORT=${report}`, '-cf', '/dev/null', '-lf', leases, '-pf', '/dev/null'];
  // In the foreground: the number of a daemon is not in its file yet when its parent ends.
  const start = (): ChildProcess => {
    const client = link.start('dhclient', ['-d', '-1', ...options, '-sf', script, 'eth']);
    onTestFinished(() => void client.kill('SIGKILL'));
    return client;
  };
  const stop = async (client: ChildProcess): Promise<void> => {
    client.kill('SIGKILL');
    await once(client, 'close');
    await link.flush();
  };
  // It asks again after up to 10 s, and a lost packet is no failure.
  const soon = { timeout: 30_000 };
  let client = start();
  await expect.poll(() => told('new_ip_address'), soon).toBe('192.168.152.100');
  expect(told('new_domain_search')).toBe('walt.');
  // Its script may run before it has written what it has got.
  await expect.poll(() => readFileSync(leases, 'utf8'), soon).toContain('fixed-address 192.168.152.100');
  await stop(client);
  client = start();
  await expect.poll(() => causes().at(-1), soon).toBe('REQUEST ACK: it asked for its former address');
  await stop(client);
  reservations.set(mac, { address: '192.168.152.20', hostname: 'registered' });
  client = start();
  await expect.poll(() => told('new_ip_address'), soon).toBe('192.168.152.20');
  expect(causes()).toContain('REQUEST NAK: 192.168.152.100 is not its reserved address 192.168.152.20');
  await stop(client);
});

test("npm's dhcp client gets a lease", async () => {
  // Its socket is bound to any address: it needs one, and a route, to send a broadcast at all.
  await link.inside('ip', ['addr', 'add', '192.168.152.99/24', 'dev', 'eth']);
  await link.inside('ip', ['route', 'add', '255.255.255.255', 'dev', 'eth']);
  const client = join(import.meta.dirname, '../fixtures/dhcp/npm-client.mjs');
  const state: unknown = JSON.parse(await link.inside(process.execPath, [client, mac]));
  expect(state).toMatchObject({ address: '192.168.152.100', server });
});

describe('perfdhcp', () => {
  /** Drops of both halves of the exchange; it counts what is under way when it ends, and fails for a single one. */
  async function drops(...args: string[]): Promise<number> {
    const said = await link
      .inside('perfdhcp', ['-4', '-W', '500000', ...args])
      .catch((error: { stdout: string }) => error.stdout);
    const counts = [...said.matchAll(/^drops: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(counts).toHaveLength(2);
    return counts.reduce((sum, count) => sum + count);
  }
  beforeEach(() => link.inside('ip', ['addr', 'add', '192.168.152.99/24', 'dev', 'eth']));

  test('gets 1,000 leases for 200 clients', async () => {
    await dhcp.close();
    await serve({ first: '192.168.152.2', last: '192.168.152.254' });
    expect(await drops('-l', 'eth', '-r', '500', '-R', '200', '-n', '1000')).toBeLessThanOrEqual(2);
    expect(dhcp.leaseCounts().bound).toBe(200);
    expect(stored.size).toBe(200);
  });

  test('is served as a relay', async () => {
    expect(await drops('-r', '100', '-R', '50', '-n', '100', server)).toBeLessThanOrEqual(2);
    expect(dhcp.leaseCounts().bound).toBe(50);
  });
});

test('the answer to firmware reaches it as a broadcast, whatever its flag says', async () => {
  await link.inside('ip', ['addr', 'add', '192.168.152.99/24', 'dev', 'eth']);
  const sender = join(folder, 'sender.mjs');
  writeFileSync(
    sender,
    `import { createSocket } from 'node:dgram';
     const socket = createSocket('udp4');
     socket.on('message', (packet, from) => { console.log(from.address, from.port, packet[242]); process.exit(0); });
     socket.bind(68, '0.0.0.0', () => { socket.setBroadcast(true);
       socket.send(Buffer.from('${captured('ipxe-discover').toString('hex')}', 'hex'), 67, '192.168.152.255'); });`,
  );
  // A directed broadcast is no packet of the server's own address: the socket bound to any address hears it.
  expect((await link.inside(process.execPath, [sender])).trim()).toBe(`${server} 67 2`);
});

test('100,000 random and mutated packets do no harm', async () => {
  const random = randomNumbers(4);
  const originals = ['ipxe-discover', 'ovmf-discover', 'udhcpc-discover'].map(captured);
  originals.push(encode(clientMessage({ type: 'request', requested: '192.168.152.120', server })));
  const socket = createSocket('udp4');
  for (let round = 0; round < 100_000; round++) {
    const packet = Buffer.from(originals[random(4)] ?? '');
    for (let count = random(10); count > 0; count--) packet[random(packet.length)] = random(256);
    socket.send(packet.subarray(0, random(10) === 0 ? random(packet.length) : packet.length), 67, server);
    if (round % 200 === 0) await new Promise(setImmediate);
  }
  socket.close();
  expect(events.length).toBeLessThan(5000);
  const { offered, bound, free, declined } = dhcp.leaseCounts();
  expect(offered + bound + free + declined).toBeLessThanOrEqual(151);
  reservations.set(mac, { address: '192.168.152.10', hostname: 'vnode1' });
  await link.inside('busybox', udhcpc(...untilBound));
  expect(told('ip')).toBe('192.168.152.10');
});

test('a store that fails costs the answer, not the server', async () => {
  const { save } = store;
  store.save = () => {
    throw new Error('disk full');
  };
  const client = link.start('busybox', udhcpc('-n', '-q', '-t', '20', '-T', '1'));
  await expect
    .poll(causes, { timeout: 10_000 })
    .toContain('REQUEST -: its lease could not be stored: disk full');
  store.save = save;
  await once(client, 'close');
  expect(told('ip')).toBe('192.168.152.100');
});

test('a port that is taken is said in a sentence', async () => {
  const second = new DhcpServer({
    address: server,
    subnetMask: '255.255.255.0',
    publish: () => {},
    policy: { reservation: () => undefined, isReserved: () => false, bootFile: () => undefined },
  });
  await expect(second.start()).rejects.toMatchObject({
    code: 'dhcp.port',
    message: expect.stringContaining('another program has it'),
  });
});

test('no packet of the server is malformed', async () => {
  await capture.stop();
  const count = (filter: string) => capture.count(filter);
  const ours = 'udp.srcport == 67';
  expect(await count(`${ours} && dhcp.option.dhcp == 5`)).toBeGreaterThan(1000);
  expect(await count(`${ours} && _ws.malformed`)).toBe(0);
  expect(await count(`${ours} && !dhcp`)).toBe(0);
});
