import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Link } from '../fixtures/dhcp/link.ts';
import { until } from '../support/lab.ts';
import { beforeOthers } from './quiet.ts';
import type { BenchRow } from './row.ts';

const address = '10.0.0.1';
const clients = 10_000;
/** in a hundred: above this a rate counts as too high */
const mostDropped = 1;
const secondsPerRate = 3;

/**
 * What our answers carry besides the lease, for the peers to send too: perfdhcp is the first at its end, and an option more
 * to read costs it more than it costs a server to write.
 */
const answerOptions = [
  { name: 'domain-name-servers', code: 6, data: address },
  { name: 'domain-name', code: 15, data: 'walt' },
  { name: 'broadcast-address', code: 28, data: '10.255.255.255' },
  { name: 'ntp-servers', code: 42, data: address },
  { name: 'tftp-server-name', code: 66, data: address },
  { name: 'domain-search', code: 119, data: 'walt' },
];
const leaseSeconds = 6_000_000;

interface Contender {
  name: string;
  /** exchanges per second to begin with */
  start: number;
  /** how our rate shall compare with its; null where perfdhcp is at its end first */
  rateTarget: number | null;
  argv(folder: string): string[];
}

const ours: Contender = {
  name: 'bootyard',
  start: 1000,
  rateTarget: null,
  argv: (folder) => [
    process.execPath,
    join(import.meta.dirname, 'dhcp-server.ts'),
    address,
    join(folder, 'leases.db'),
  ],
};
const peers: Contender[] = [
  {
    name: 'dnsmasq',
    start: 100,
    rateTarget: 1,
    argv: (folder) =>
      [
        'dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --port=0 --interface=srv',
        '--dhcp-range=10.1.0.0,10.250.255.254,255.0.0.0,12h --dhcp-lease-max=1000000 --no-ping',
        `--dhcp-authoritative --quiet-dhcp --log-facility=/dev/null --dhcp-leasefile=${folder}/dnsmasq.leases`,
        ...answerOptions.map(({ code, data }) => `--dhcp-option-force=${code},${data}`),
      ].flatMap((line) => line.split(' ')),
  },
  { name: 'Kea', start: 1000, rateTarget: 1, argv: keaArgv },
];

/** Leases are kept on disk by all three. */
function keaArgv(folder: string): string[] {
  const file = join(folder, 'kea.json');
  const config = {
    Dhcp4: {
      'interfaces-config': { interfaces: ['srv'] },
      'lease-database': {
        type: 'memfile',
        persist: true,
        name: join(folder, 'kea.leases'),
        'lfc-interval': 0,
      },
      'valid-lifetime': leaseSeconds,
      'renew-timer': leaseSeconds / 2,
      'rebind-timer': (leaseSeconds * 7) / 8,
      'option-data': answerOptions.map(({ name, data }) => ({ name, data, 'always-send': true })),
      subnet4: [{ subnet: '10.0.0.0/8', pools: [{ pool: '10.1.0.0 - 10.250.255.254' }] }],
      loggers: [{ name: 'kea-dhcp4', severity: 'ERROR', output_options: [{ output: '/dev/null' }] }],
    },
  };
  writeFileSync(file, JSON.stringify(config));
  return ['env', `KEA_PIDFILE_DIR=${folder}`, `KEA_LOCKFILE_DIR=${folder}`, 'kea-dhcp4', '-c', file];
}

interface Figure {
  /** exchanges per second that it keeps up with */
  rate: number;
  /** exchanges per second of processor time at that rate, all threads counted */
  perProcessorSecond: number;
}

/**
 * DHCP exchanges (DISCOVER to ACK) per second that a server keeps up with, by perfdhcp over a veth pair. On fast machines
 * perfdhcp loses answers before ours or Kea is at its end; the exchanges per processor second then tell them apart.
 */
export async function bench(): Promise<BenchRow[]> {
  beforeOthers();
  const folder = mkdtempSync('/var/tmp/by-dhcp-bench-');
  const link = await Link.make(address, 8);
  try {
    await link.inside('ip', ['addr', 'add', '10.0.0.2/8', 'dev', 'eth']);
    const mine = await ceiling(link, ours, folder);
    const rows: BenchRow[] = [row('DHCP exchanges', '/s', mine.rate, 1000, 'target', 1)];
    for (const peer of peers) {
      const other = await ceiling(link, peer, folder);
      rows.push(row('DHCP exchanges', '/s', mine.rate, other.rate, peer.name, peer.rateTarget));
      const [ourCost, otherCost] = [mine.perProcessorSecond, other.perProcessorSecond];
      rows.push(row('DHCP exchanges per processor second', '', ourCost, otherCost, peer.name, 1));
    }
    return rows;
  } finally {
    await link.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(
  name: string,
  unit: string,
  mine: number,
  peer: number,
  peerName: string,
  target: number | null,
): BenchRow {
  const ratio = mine / peer;
  return {
    name,
    unit,
    ours: mine,
    peer,
    peerName,
    ratio,
    target,
    met: target === null ? null : ratio >= target,
  };
}

/** Raises the rate by half until the server drops too much, then looks between the last two rates. */
async function ceiling(link: Link, contender: Contender, folder: string): Promise<Figure> {
  const [program = '', ...args] = contender.argv(folder);
  const server = spawn(program, args, { stdio: 'ignore' });
  try {
    await answers(link, server, contender.name);
    let best: Figure = { rate: 0, perProcessorSecond: 0 };
    let step = 1.5;
    let rate = contender.start;
    while (step > 1.1 && rate > 10) {
      // Twice, since a moment's load of the machine must not end the search.
      const asked = Math.round(rate);
      const reached = (await keptUp(link, server, asked)) ?? (await keptUp(link, server, asked));
      if (reached) {
        best = reached;
        rate *= step;
      } else {
        step = Math.sqrt(step);
        rate = best.rate > 0 ? best.rate * step : rate / 2;
      }
    }
    return best;
  } finally {
    server.kill('SIGKILL');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'close');
  }
}

async function answers(link: Link, server: ChildProcess, name: string): Promise<void> {
  const ask = async (): Promise<number> => {
    if (server.exitCode !== null) throw new Error(`${name} ended with ${server.exitCode}`);
    return (await measure(link, 20, 1)).rate;
  };
  await until(`${name} answers`, ask, (rate) => rate > 0);
}

async function keptUp(link: Link, server: ChildProcess, rate: number): Promise<Figure | undefined> {
  const before = processorSeconds(server);
  const { rate: reached, dropped } = await measure(link, rate, secondsPerRate);
  const perProcessorSecond = (reached * secondsPerRate) / (processorSeconds(server) - before);
  console.error(`  asked ${rate}/s, got ${Math.round(reached)}/s, dropped ${dropped.toFixed(2)} %`);
  return dropped <= mostDropped ? { rate: reached, perProcessorSecond } : undefined;
}

/** Time that all threads of a process have used, from /proc in ticks of 10 ms. */
function processorSeconds(server: ChildProcess): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(
  link: Link,
  rate: number,
  seconds: number,
): Promise<{ rate: number; dropped: number }> {
  const args = [
    '-4',
    '-l',
    'eth',
    '-r',
    String(rate),
    '-R',
    String(clients),
    '-p',
    String(seconds),
    '-W',
    '300000',
  ];
  const said = await link.inside('perfdhcp', args).catch((error: { stdout?: string }) => error.stdout ?? '');
  // Of the two halves the second one counts: a REQUEST follows each OFFER.
  const acknowledged =
    [...said.matchAll(/^received packets: (\d+)$/gm)].map((match) => Number(match[1])).at(-1) ?? 0;
  const ratios = [...said.matchAll(/^drops ratio: ([\d.]+) %/gm)].map((match) => Number(match[1]));
  return { rate: acknowledged / seconds, dropped: ratios.length === 2 ? Math.max(...ratios) : 100 };
}
