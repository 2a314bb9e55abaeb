import { execFile, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compared, compileC, inTurn, startServer, stopServer } from './compare.ts';
import { latency, perSecond, throughput, type Operation } from './load.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const MB = 1e6;
const GIB = 1024 ** 3;
/** Bytes of the export that are used. */
const RANGE = GIB / 4;
const SECONDS = 1;
const ROUNDS = 5;

/** One of the two servers. */
interface Target {
  port: number;
  name: string;
}

const operations: Operation[] = [
  { name: 'NBD WRITE 1 MiB, 8 outstanding', operation: 'write1m', depth: 8, ...throughput, target: null },
  { name: 'NBD READ 1 MiB, 8 outstanding', operation: 'read1m', depth: 8, ...throughput, target: null },
  {
    name: 'NBD WRITE 4 KiB random, 16 outstanding',
    operation: 'write4k',
    depth: 16,
    ...perSecond,
    target: null,
  },
  {
    name: 'NBD READ 4 KiB random, 16 outstanding',
    operation: 'read4k',
    depth: 16,
    ...perSecond,
    target: null,
  },
  { name: 'NBD READ 4 KiB, one at a time, median', operation: 'read4k', depth: 1, ...latency, target: null },
];

/**
 * NBD against nbdkit with its file plugin, both on the same disk, warm. The load generator is a C program (nbd-load.c)
 * that takes simple replies, as the kernel's client does.
 */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-nbd-'));
  const servers: ChildProcess[] = [];
  try {
    const generator = compileC('nbd-load.c', folder);
    const file = join(folder, 'disk');
    writeFileSync(file, '');
    truncateSync(file, 16 * GIB);
    const nbdkit = ['-f', '-p', '10810', '-i', '127.0.0.1', 'file', file];
    servers.push(await startServer(10810, 'nbdkit', ...nbdkit));
    const script = join(import.meta.dirname, 'nbd-server.ts');
    servers.push(await startServer(10809, process.execPath, script, folder, '10809'));
    return await measure(generator, { port: 10809, name: 'swap-16G' }, { port: 10810, name: '' });
  } finally {
    for (const server of servers) await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(generator: string, ours: Target, nbdkit: Target): Promise<BenchRow[]> {
  const load = async (target: Target, what: Operation, seconds = SECONDS): Promise<number> => {
    const args = ['127.0.0.1', String(target.port), target.name, what.operation, String(what.depth)];
    const { stdout } = await run(generator, [...args, String(RANGE), String(seconds)]);
    const [count = 0, bytes = 0, took = 1, median = 0] = stdout.split(' ').map(Number);
    return what.figure({
      operationsPerSecond: count / took,
      megabytesPerSecond: bytes / took / MB,
      medianMicroseconds: median,
    });
  };
  const rows: BenchRow[] = [];
  for (const operation of operations) {
    // Once over all, so that both files have their bytes and these are in memory.
    for (const target of [nbdkit, ours]) await load(target, operation, operation.unit === 'MB/s' ? 0 : 0.3);
    const figures = await inTurn(
      ROUNDS,
      () => load(ours, operation),
      () => load(nbdkit, operation),
    );
    rows.push(compared({ ...operation, peerName: 'nbdkit' }, figures));
  }
  return rows;
}
