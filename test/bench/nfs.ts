import { execFile, execFileSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compared, compileC, inTurn, startServer, stopServer } from './compare.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const FILE_BYTES = 256 * 1024 * 1024;
const SECONDS = 1.5;
const ROUNDS = 5;
const MB = 1e6;

/** Where one of the two servers is. */
interface Target {
  nfsPort: number;
  mountPort: number;
  path: string;
}
/** What the load generator printed. */
interface Load {
  operationsPerSecond: number;
  megabytesPerSecond: number;
  medianMicroseconds: number;
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
    servers.push(...(await startGanesha(folder, root)));
    const script = join(import.meta.dirname, 'nfs-server.ts');
    const args = [script, join(folder, 'root.tar'), '/export', '2049', '1111'];
    servers.push(await startServer(2049, process.execPath, ...args));
    const ours: Target = { nfsPort: 2049, mountPort: 2049, path: '/export' };
    const ganesha: Target = { nfsPort: 12049, mountPort: 12048, path: root };
    return await measure(generator, ours, ganesha);
  } finally {
    for (const server of servers) await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Operation {
  name: string;
  operation: string;
  depth: number;
  unit: string;
  figure: (load: Load) => number;
  target: number | null;
  less?: boolean;
}
const perSecond = { unit: 'op/s', figure: (load: Load) => load.operationsPerSecond };
const throughput = { unit: 'MB/s', figure: (load: Load) => load.megabytesPerSecond };
const latency = { unit: 'µs', figure: (load: Load) => load.medianMicroseconds, less: true };

const operations: Operation[] = [
  { name: 'NFS GETATTR, 16 outstanding', operation: 'getattr', depth: 16, ...perSecond, target: 10 },
  { name: 'NFS LOOKUP, 16 outstanding', operation: 'lookup', depth: 16, ...perSecond, target: 10 },
  { name: 'NFS READ 4 KiB random, 16 outstanding', operation: 'read4k', depth: 16, ...perSecond, target: 10 },
  { name: 'NFS READ 64 KiB, 16 outstanding', operation: 'read64k', depth: 16, ...throughput, target: null },
  { name: 'NFS READ 1 MiB, 16 outstanding', operation: 'read1m', depth: 16, ...throughput, target: 1.4 },
  { name: 'NFS GETATTR, one at a time, median', operation: 'getattr', depth: 1, ...latency, target: null },
  { name: 'NFS READ 4 KiB, one at a time, median', operation: 'read4k', depth: 1, ...latency, target: null },
  { name: 'NFS READ 1 MiB, one at a time, median', operation: 'read1m', depth: 1, ...latency, target: null },
];

async function measure(generator: string, ours: Target, ganesha: Target): Promise<BenchRow[]> {
  const load = async (target: Target, operation: Operation, seconds = SECONDS): Promise<number> => {
    const { nfsPort, mountPort, path } = target;
    const ports = [String(nfsPort), String(mountPort)];
    const what = [operation.operation, String(operation.depth), String(seconds)];
    const { stdout } = await run(generator, ['127.0.0.1', ...ports, path, 'folder', 'file', ...what]);
    const [count = 0, bytes = 0, took = 1, median = 0] = stdout.split(' ').map(Number);
    return operation.figure({
      operationsPerSecond: count / took,
      megabytesPerSecond: bytes / took / MB,
      medianMicroseconds: median,
    });
  };
  const rows: BenchRow[] = [];
  for (const operation of operations) {
    await load(ganesha, operation, 0.5);
    await load(ours, operation, 0.5);
    const figures = await inTurn(
      ROUNDS,
      () => load(ours, operation),
      () => load(ganesha, operation),
    );
    rows.push(compared({ ...operation, peerName: 'nfs-ganesha' }, figures));
  }
  return rows;
}

function makeRoot(folder: string): string {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'folder'), { recursive: true });
  writeFileSync(join(root, 'folder/file'), randomBytes(FILE_BYTES));
  for (let file = 0; file < 300; file++) writeFileSync(join(root, `folder/other-${file}`), '');
  execFileSync('tar', ['-cf', join(folder, 'root.tar'), '-C', root, '.']);
  return root;
}

/** Ganesha needs an rpcbind, and both keep their sockets in /run, which the namespace has for itself. */
async function startGanesha(folder: string, root: string): Promise<ChildProcess[]> {
  for (const needed of ['/run/ganesha', '/run/rpcbind', '/var/lib/nfs/ganesha'])
    mkdirSync(needed, { recursive: true });
  const configuration = join(folder, 'ganesha.conf');
  writeFileSync(
    configuration,
    `NFS_CORE_PARAM { NFS_Port = 12049; MNT_Port = 12048; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT { Export_Id = 1; Path = ${root}; Pseudo = /export; Access_Type = RO; Squash = None; Protocols = 3;
  SecType = sys; FSAL { Name = VFS; } }
`,
  );
  const rpcbind = await startServer(111, 'rpcbind', '-f', '-w');
  try {
    const files = ['-f', configuration, '-L', join(folder, 'ganesha.log'), '-p', '/run/ganesha.pid'];
    return [rpcbind, await startServer(12049, 'ganesha.nfsd', '-F', ...files)];
  } catch (error) {
    await stopServer(rpcbind);
    throw error;
  }
}
