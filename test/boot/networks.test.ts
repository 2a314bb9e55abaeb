import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterArgv } from '../../backend/lab/launch.ts';
import { bridgeOf } from '../../backend/lab/network.ts';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const LATENCY_MS = 50;
const MBPS = 10;
const setting = `walt-net,far-net[lat=${LATENCY_MS}ms],slow-net[bw=${MBPS}Mbps],lossy-net[loss=30%]`;
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await Promise.all([
    lab.bootyard('node', 'create', '--wait', 'n1', `networks=${setting}`),
    lab.bootyard('node', 'create', '--wait', 'n2', 'networks=far-net,slow-net,walt-net,lossy-net'),
  ]);
  for (const name of ['n1', 'n2']) {
    const host = name.slice(1);
    const cards = [1, 2, 3].map(
      (card) => `ifconfig eth${card} 10.${card}.0.${host} netmask 255.255.255.0 up`,
    );
    await lab.inNode(name, [...cards, 'mkfifo /tmp/open'].join(' && '));
  }
}, 400_000);
afterAll(() => lab.remove());

const inLab = (...command: string[]): string => {
  const [program = '', ...args] = enterArgv(lab.paths, command);
  return execFileSync(program, args, { encoding: 'utf8' });
};
const interfaces = (): string[] =>
  inLab('ip', '-o', 'link', 'show')
    .split('\n')
    .flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);

/** Times of the answers to a ping, ms. */
async function roundTrips(node: string, target: string, count: number, interval = 0.2): Promise<number[]> {
  const said = await lab.inNode(node, `ping -i ${interval} -W 2 -c ${count} ${target}; true`);
  return [...said.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
}

/** Two nodes know the addresses of each other's card in lossy-net for good. */
async function knowCards(...names: [string, string]): Promise<void> {
  for (const [node, other] of [names, names.toReversed()] as [string, string][]) {
    const mac = (await lab.inNode(other, 'cat /sys/class/net/eth3/address')).trim();
    await lab.inNode(node, `arp -i eth3 -s 10.3.0.${other.slice(1)} ${mac}`);
  }
}

/** Mbit/s of a TCP transfer by the receiver's clock, from the first byte on. */
async function rate(from: string, to: string, target: string, bytes: number): Promise<number> {
  // A listener whose own input ends would end the connection.
  const clock = 'read -r at _ </proc/uptime; echo $at';
  const receive = `nc -l -p 5001 <>/tmp/open | { head -c 1 >/dev/null; ${clock}; wc -c; ${clock}; }`;
  const receiving = lab.inNode(to, receive);
  await until(
    'the listener',
    () => lab.inNode(to, 'netstat -tln'),
    (text) => text.includes(':5001 '),
  );
  await lab.inNode(from, `head -c ${bytes} /dev/zero | nc ${target} 5001`);
  const [begin = 0, received = 0, end = 0] = (await receiving).trim().split(/\s+/).map(Number);
  expect(received).toBeGreaterThan(bytes * 0.99);
  return (received * 8) / 1e6 / (end - begin);
}

describe('networks of nodes', () => {
  test('are further cards in the order of the setting, after that of walt-net', async () => {
    for (const name of ['n1', 'n2']) {
      expect(await lab.inNode(name, 'cat /sys/class/net/eth0/address')).toBe(
        `${(await lab.node(name)).mac}\n`,
      );
      expect(await lab.inNode(name, 'ls /sys/class/net')).toBe('eth0\neth1\neth2\neth3\nlo\n');
    }
    expect(await roundTrips('n2', '10.2.0.1', 5)).toHaveLength(5);
  });

  test('lat is what a round trip takes longer', async () => {
    const times = await roundTrips('n1', '10.1.0.2', 40);
    expect(times.length).toBe(40);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(LATENCY_MS);
    expect(Math.min(...times)).toBeLessThanOrEqual(LATENCY_MS * 1.1);
  }, 60_000);

  test.runIf(isLong)(
    'bw limits both directions, and leaves what it says',
    async () => {
      for (const [from, to, target] of [
        ['n1', 'n2', '10.2.0.2'],
        ['n2', 'n1', '10.2.0.1'],
      ] as const) {
        const rates: number[] = [];
        while (rates.length < 5 && Math.max(0, ...rates) < MBPS * 0.9) {
          rates.push(await rate(from, to, target, 3e6));
        }
        // 1448 of a frame's 1514 bytes are data; the clock counts hundredths of a second.
        expect(Math.max(...rates)).toBeLessThanOrEqual(MBPS * 0.97);
        expect(Math.max(...rates)).toBeGreaterThanOrEqual(MBPS * 0.9);
      }
    },
    300_000,
  );

  test.runIf(isLong)(
    'loss takes its part of both directions',
    async () => {
      // An echo comes back with 0.7 * 0.7 = 49 %. Of 300, fewer than 90 or more than 204 come once in 10^10 times. Without
      // ARP: the network loses its answers too, and nothing is sent until one came.
      await knowCards('n1', 'n2');
      const times = await roundTrips('n1', '10.3.0.2', 300, 0.05);
      expect(times.length).toBeGreaterThan(90);
      expect(times.length).toBeLessThan(204);
    },
    120_000,
  );

  test('do not lead to the lab', async () => {
    const { ip } = await lab.node('n1');
    const [, mac] = /link\/ether (\S+)/.exec(inLab('ip', 'link', 'show', bridgeOf('slow-net'))) ?? [];
    // Once with the kernel's own question for the server's address, once with the address of the bridge itself. The
    // node's way to the lab, and to its root, is cut meanwhile: nobody waits for the answer, and what the commands need
    // of the root they have from a round with another address.
    const script = `ask() {
        ip route add $1/32 dev eth2; ping -c 3 -W 1 -I ${ip} $1
        arp -i eth2 -s $1 ${mac}; ping -c 3 -W 1 -I ${ip} $1
        arp -i eth2 -d $1; ip route del $1/32 dev eth2
      }
      ask 192.168.152.99 >/dev/null 2>&1; ask 192.168.152.1; echo done`;
    await lab.inNode(
      'n1',
      `echo '${script}' >/tmp/script; setsid sh /tmp/script >/tmp/said 2>&1 </dev/null &`,
    );
    const said = await until(
      'the answers',
      async () => (await lab.run('node', 'run', 'n1', 'cat /tmp/said')).stdout,
      (text) => text.includes('done'),
      90_000,
    );
    expect(said.match(/ 0 packets received/g)).toHaveLength(2);
    expect(await roundTrips('n1', '192.168.152.1', 2)).toHaveLength(2);
  }, 120_000);

  test.runIf(isLong)(
    'go on when the daemon is killed',
    async () => {
      const { pid } = (await lab.status()).daemon ?? {};
      const times = roundTrips('n1', '10.1.0.2', 30);
      process.kill(pid ?? 0, 'SIGKILL');
      await until(
        'the next daemon',
        async () => (await lab.status()).daemon?.pid,
        (next) => next !== undefined && next !== pid,
      );
      await times.catch(() => undefined);
      const after = await roundTrips('n1', '10.1.0.2', 20);
      expect(after).toHaveLength(20);
      expect(Math.min(...after)).toBeGreaterThanOrEqual(LATENCY_MS);
    },
    120_000,
  );

  test('a node whose shaper is gone has failed, and says why', async () => {
    const folder = `${lab.paths.nodes}/${(await lab.node('n1')).mac.replaceAll(':', '-')}`;
    inLab('sh', '-c', `read -r pid _ <${folder}/shaper.pid && kill -9 $pid`);
    const failed = await until(
      'failed',
      () => lab.node('n1'),
      ({ state }) => state === 'failed',
    );
    expect(failed.reason).toMatch(/[Tt]he process that shapes its links has ended \(SIGKILL\)/);
  });

  test.runIf(isLong)(
    'keep their addresses, and go with their last node',
    async () => {
      const folder = `${lab.paths.nodes}/${(await lab.node('n2')).mac.replaceAll(':', '-')}/networks`;
      const macs = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8').trim());
      expect(new Set(macs).size).toBe(3);
      for (const name of ['far-net', 'slow-net', 'lossy-net']) expect(interfaces()).toContain(bridgeOf(name));
      await lab.bootyard('node', 'config', 'n2', 'networks=walt-net,far-net');
      await lab.bootyard('node', 'reboot', '--hard', 'n2');
      expect(interfaces()).not.toContain(bridgeOf('slow-net'));
      await lab.bootyard('node', 'wait', '--timeout', '280', 'n2');
      expect(macs).toContain((await lab.inNode('n2', 'cat /sys/class/net/eth1/address')).trim());
      expect(await lab.inNode('n2', 'ls /sys/class/net')).toBe('eth0\neth1\nlo\n');
      await lab.bootyard('node', 'stop', 'n2');
      expect(interfaces().sort()).toEqual(['lo', 'walt-net']);
    },
    200_000,
  );
});
