import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Link } from '../fixtures/dhcp/link.ts';
import { until } from '../support/lab.ts';
import { beforeOthers, onProcessor } from './quiet.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const address = '10.0.0.1';
const file = 'kernel';
const bytes = 64 << 20;
const rounds = 5;
const ourPort = 69;
const peerPort = 1069;
const cache = join(import.meta.dirname, '../../.cache/bench');

interface Transfer {
  blockSize: number;
  window: number;
}
interface Peer {
  name: string;
  package: string;
  argv(root: string, folder: string): string[];
  transfers: Transfer[];
  /** null: the figure is only reported */
  target: number | null;
}

const lockStep: Transfer[] = [512, 1428, 8192].map((blockSize) => ({ blockSize, window: 1 }));
const windows: Transfer[] = [4, 16, 64].map((window) => ({ blockSize: 1428, window }));
const peers: Peer[] = [
  {
    name: 'atftpd',
    package: 'atftpd',
    argv: (root, folder) => {
      const options = `--daemon --no-fork --user root --group root --bind-address ${address} --port ${peerPort} --verbose=0`;
      return [join(root, 'usr/sbin/atftpd'), ...options.split(' '), '--logfile', '/dev/null', folder];
    },
    transfers: [...lockStep, ...windows],
    target: 1,
  },
  {
    name: 'tftpd-hpa',
    package: 'tftpd-hpa',
    argv: (root, folder) => [
      join(root, 'usr/sbin/in.tftpd'),
      '-L',
      '-u',
      'root',
      '-a',
      `${address}:${peerPort}`,
      '-s',
      folder,
    ],
    transfers: lockStep,
    target: null,
  },
];

/** Bytes per second of one client, over a veth pair, by block size and window; server and client have a processor each. */
export async function bench(): Promise<BenchRow[]> {
  beforeOthers();
  const folder = mkdtempSync('/var/tmp/by-tftp-bench-');
  const link = await Link.make(address, 8);
  try {
    await link.inside('ip', ['addr', 'add', '10.0.0.2/8', 'dev', 'eth']);
    writeFileSync(join(folder, file), randomBytes(bytes));
    const client = join(folder, 'tftp-load');
    await run('gcc', ['-O2', '-o', client, join(import.meta.dirname, 'tftp-load.c')]);
    const rows: BenchRow[] = [];
    for (const peer of peers) rows.push(...(await against(peer, { link, folder, client })));
    return rows;
  } finally {
    await link.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Site {
  link: Link;
  folder: string;
  client: string;
}

/** Both servers run, and are asked in turn: what disturbs the machine disturbs both. Of each the best round counts. */
async function against(peer: Peer, site: Site): Promise<BenchRow[]> {
  const root = unpacked(peer.package);
  const ours = start([
    process.execPath,
    join(import.meta.dirname, 'tftp-server.ts'),
    address,
    String(ourPort),
    site.folder,
  ]);
  const theirs = start(peer.argv(root, site.folder));
  try {
    await untilServed(ourPort, site);
    await untilServed(peerPort, site);
    const rows: BenchRow[] = [];
    for (const transfer of peer.transfers) rows.push(await compare(transfer, peer, site));
    return rows;
  } finally {
    await Promise.all([end(ours), end(theirs)]);
  }
}

async function compare(transfer: Transfer, peer: Peer, site: Site): Promise<BenchRow> {
  let ours = 0;
  let theirs = 0;
  for (let round = 0; round < rounds; round++) {
    ours = Math.max(ours, await rate(transfer, ourPort, site));
    theirs = Math.max(theirs, await rate(transfer, peerPort, site));
  }
  const ratio = ours / theirs;
  return {
    name: `TFTP, blocks of ${transfer.blockSize}, window ${transfer.window}`,
    unit: 'MB/s',
    ours,
    peer: theirs,
    peerName: peer.name,
    ratio,
    target: peer.target,
    met: peer.target === null ? null : ratio >= peer.target,
  };
}

function start(argv: string[]): ChildProcess {
  const [program = '', ...args] = onProcessor(0, argv);
  return spawn(program, args, { stdio: 'ignore' });
}

async function end(server: ChildProcess): Promise<void> {
  server.kill('SIGKILL');
  if (server.exitCode === null && server.signalCode === null) await once(server, 'close');
}

async function untilServed(port: number, site: Site): Promise<void> {
  const ask = (): Promise<number> => rate({ blockSize: 8192, window: 1 }, port, site).catch(() => 0);
  await until(`a TFTP server on port ${port} answers`, ask, (served) => served > 0);
}

async function rate({ blockSize, window }: Transfer, port: number, site: Site): Promise<number> {
  const command = [site.client, address, String(port), file, String(blockSize), String(window)];
  const [program = '', ...args] = onProcessor(1, command);
  const [got = 0, seconds = 1] = (await site.link.inside(program, args)).split(' ').map(Number);
  if (got !== bytes) throw new Error(`got ${got} of ${bytes} bytes`);
  return got / seconds / 1e6;
}

/** Where `fetch-peers` has put a server. */
function unpacked(name: string): string {
  const root = join(cache, name);
  if (!existsSync(join(root, 'usr')))
    throw new Error(`${name} is not there: run test/bench/fetch-peers first`);
  return root;
}
