import { execFile, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compared, compileC, inTurn, startServer, stopServer } from './compare.ts';
import { GANESHA, startGanesha } from './ganesha.ts';
import { perSecond, throughput, type Operation } from './load.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const ROUNDS = 5;
const MB = 1e6;

interface Target {
  nfsPort: number;
  mountPort: number;
  path: string;
}

type Writes = Operation & { count: number };
const operations: Writes[] = [
  {
    name: 'WRITE 1 MiB and COMMIT, 4 outstanding',
    operation: 'write1m',
    depth: 4,
    ...throughput,
    count: 128,
  },
  { name: 'WRITE 4 KiB synced, one at a time', operation: 'sync4k', depth: 1, ...perSecond, count: 400 },
  { name: 'WRITE 4 KiB synced, 16 outstanding', operation: 'sync4k', depth: 16, ...perSecond, count: 2000 },
  {
    name: 'new file of 1 KiB synced, one at a time',
    operation: 'create',
    depth: 1,
    ...perSecond,
    count: 300,
  },
  {
    name: 'new file of 1 KiB synced, 16 outstanding',
    operation: 'create',
    depth: 16,
    ...perSecond,
    count: 1000,
  },
].map((operation) => ({ ...operation, target: null }));

/**
 * /persist against nfs-ganesha with its VFS back end and default settings, on the same disk. Ours has more to do for a new
 * file: its name is on disk before the reply; ganesha's becomes so when the host writes it back.
 */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-persist-'));
  const servers: ChildProcess[] = [];
  try {
    const generator = compileC('nfs-write-load.c', folder);
    const start = async (port: number, program: string, ...args: string[]): Promise<ChildProcess> => {
      const server = await startServer(port, program, ...args);
      servers.push(server);
      return server;
    };
    const script = join(import.meta.dirname, '../support/persist-server.ts');
    await start(2049, process.execPath, script, join(folder, 'share'), '1111');
    const path = join(folder, 'export');
    mkdirSync(path);
    await startGanesha(start, folder, { path, access: 'RW' });
    const ours: Target = { nfsPort: 2049, mountPort: 2049, path: '/persist' };
    return await measure(generator, ours, { ...GANESHA, path });
  } finally {
    for (const server of servers) await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(generator: string, ours: Target, ganesha: Target): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const operation of operations) {
    for (const target of [ganesha, ours]) await load(generator, target, operation);
    const figures = await inTurn(
      ROUNDS,
      () => load(generator, ours, operation),
      () => load(generator, ganesha, operation),
    );
    rows.push(
      compared({ ...operation, name: `/persist ${operation.name}`, peerName: 'nfs-ganesha' }, figures),
    );
  }
  return rows;
}

/** One figure of one server. */
async function load(generator: string, target: Target, what: Writes): Promise<number> {
  const { nfsPort, mountPort, path } = target;
  const work = [what.operation, String(what.depth), String(what.count)];
  const { stdout } = await run(generator, ['127.0.0.1', String(nfsPort), String(mountPort), path, ...work]);
  const [count = 0, bytes = 0, took = 1, median = 0] = stdout.split(' ').map(Number);
  return what.figure({
    operationsPerSecond: count / took,
    megabytesPerSecond: bytes / took / MB,
    medianMicroseconds: median,
  });
}
