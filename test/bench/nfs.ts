import { execFile, execFileSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compared, compileC, inTurn, startServer, stopServer } from './compare.ts';
import { GANESHA, startGanesha } from './ganesha.ts';
import { latency, perSecond, throughput, type Operation } from './load.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const FILE_BYTES = 256 * 1024 * 1024;
const SECONDS = 0.7;
const ROUNDS = 5;
const MB = 1e6;

/** Where one of the two servers is. */
interface Target {
  server: ChildProcess;
  nfsPort: number;
  mountPort: number;
  path: string;
}

/**
 * NFS against nfs-ganesha with its VFS back end and default settings: the same file, from a tar and from a folder. The load
 * generator is a C program (nfs-load.c), because one in JavaScript would be slower than the server.
 */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-nfs-'));
  const servers: ChildProcess[] = [];
  try {
    const generator = compileC('nfs-load.c', folder);
    const root = makeRoot(folder);
    const start = async (port: number, program: string, ...args: string[]): Promise<ChildProcess> => {
      const server = await startServer(port, program, ...args);
      servers.push(server);
      return server;
    };
    const script = join(import.meta.dirname, 'nfs-server.ts');
    const tar = join(folder, 'root.tar');
    const ourServer = await start(2049, process.execPath, script, tar, '/export', '2049', '1111');
    const peer = await startGanesha(start, folder, { path: root, access: 'RO' });
    const ours: Target = { server: ourServer, nfsPort: 2049, mountPort: 2049, path: '/export' };
    const ganesha: Target = { server: peer, ...GANESHA, path: root };
    return await measure(generator, ours, ganesha);
  } finally {
    for (const server of servers) await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

const operations: Operation[] = [
  { name: 'GETATTR, 16 outstanding', operation: 'getattr', depth: 16, ...perSecond, target: 10 },
  { name: 'LOOKUP, 16 outstanding', operation: 'lookup', depth: 16, ...perSecond, target: 10 },
  { name: 'READ 4 KiB random, 16 outstanding', operation: 'read4k', depth: 16, ...perSecond, target: 10 },
  { name: 'READ 64 KiB, 16 outstanding', operation: 'read64k', depth: 16, ...throughput, target: null },
  { name: 'READ 1 MiB, 16 outstanding', operation: 'read1m', depth: 16, ...throughput, target: 1.4 },
  { name: 'GETATTR, one at a time, median', operation: 'getattr', depth: 1, ...latency, target: null },
  { name: 'READ 1 MiB, one at a time, median', operation: 'read1m', depth: 1, ...latency, target: null },
];

/**
 * Where server and generator run. On one processor the figures tell what an operation costs both ends. With two the
 * scheduler decides, anew in each run, whether an answer must first wake another processor; in a virtual machine that
 * takes longer than ten of our operations.
 */
const placements = [
  { name: 'one processor', processors: '0' },
  { name: 'all processors', processors: `0-${availableParallelism() - 1}` },
];

async function measure(generator: string, ours: Target, ganesha: Target): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, processors } of placements) {
    for (const { server } of [ours, ganesha]) moveTo(processors, server);
    const program = ['taskset', '-c', processors, generator];
    for (const operation of operations) {
      await load(program, ganesha, operation, 0.3);
      await load(program, ours, operation, 0.3);
      const figures = await inTurn(
        ROUNDS,
        () => load(program, ours, operation),
        () => load(program, ganesha, operation),
      );
      const what = { ...operation, name: `NFS ${operation.name}, ${name}`, peerName: 'nfs-ganesha' };
      rows.push(compared(what, figures));
    }
  }
  return rows;
}

/** All threads of a server; those that it makes later stay with the others. */
function moveTo(processors: string, server: ChildProcess): void {
  execFileSync('taskset', ['-a', '-p', '-c', processors, String(server.pid)]);
}

/** One figure of one server. */
async function load(
  [program = '', ...prefix]: string[],
  { nfsPort, mountPort, path }: Target,
  operation: Operation,
  seconds = SECONDS,
): Promise<number> {
  const ports = [String(nfsPort), String(mountPort)];
  const what = [operation.operation, String(operation.depth), String(seconds)];
  const { stdout } = await run(program, [...prefix, '127.0.0.1', ...ports, path, 'folder', 'file', ...what]);
  const [count = 0, bytes = 0, took = 1, median = 0] = stdout.split(' ').map(Number);
  return operation.figure({
    operationsPerSecond: count / took,
    megabytesPerSecond: bytes / took / MB,
    medianMicroseconds: median,
  });
}

function makeRoot(folder: string): string {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'folder'), { recursive: true });
  writeFileSync(join(root, 'folder/file'), randomBytes(FILE_BYTES));
  for (let file = 0; file < 300; file++) writeFileSync(join(root, `folder/other-${file}`), '');
  execFileSync('tar', ['-cf', join(folder, 'root.tar'), '-C', root, '.']);
  return root;
}
