import { execFile, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compared, compileC, inTurn, startServer, stopServer } from './compare.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const OUR_PORT = 18080;
const NGINX_PORT = 18081;
const ROUNDS = 5;
const SECONDS = 1.5;

/** Boot files over one connection, against nginx with sendfile. The load generator is a C program (http-load.c). */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-http-'));
  const servers: ChildProcess[] = [];
  try {
    const generator = compileC('http-load.c', folder);
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'boot'));
    writeFileSync(join(folder, 'boot/large'), randomBytes(256 * 1024 * 1024));
    writeFileSync(join(folder, 'boot/small'), randomBytes(1024));
    servers.push(await startNginx(folder));
    const script = join(import.meta.dirname, 'http-server.ts');
    const args = [script, join(folder, 'boot'), String(OUR_PORT)];
    servers.push(await startServer(OUR_PORT, process.execPath, ...args));
    return await measure(generator);
  } finally {
    for (const server of servers) await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(generator: string): Promise<BenchRow[]> {
  const load = async (port: number, path: string): Promise<{ requests: number; megabytes: number }> => {
    const { stdout } = await run(generator, ['127.0.0.1', String(port), path, String(SECONDS)]);
    const [requests = 0, bytes = 0, took = 1] = stdout.split(' ').map(Number);
    return { requests: requests / took, megabytes: bytes / took / 1e6 };
  };
  const large = async (port: number): Promise<number> => (await load(port, '/boot/large')).megabytes;
  const small = async (port: number): Promise<number> => (await load(port, '/boot/small')).requests;
  await Promise.all([large(OUR_PORT), large(NGINX_PORT), small(OUR_PORT), small(NGINX_PORT)]);
  const peerName = 'nginx';
  return [
    compared(
      { name: 'HTTP file of 256 MiB', unit: 'MB/s', peerName, target: 0.8 },
      await inTurn(
        ROUNDS,
        () => large(OUR_PORT),
        () => large(NGINX_PORT),
      ),
    ),
    compared(
      { name: 'HTTP file of 1 KiB', unit: 'request/s', peerName, target: null },
      await inTurn(
        ROUNDS,
        () => small(OUR_PORT),
        () => small(NGINX_PORT),
      ),
    ),
  ];
}

async function startNginx(folder: string): Promise<ChildProcess> {
  const configuration = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(
    configuration,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 64; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; ${temporary.join(' ')}
  server { listen 127.0.0.1:${NGINX_PORT}; root ${folder}; }
}
`,
  );
  return startServer(NGINX_PORT, 'nginx', '-c', configuration, '-e', join(folder, 'error.log'));
}
