import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { injectedFiles } from '../../backend/guest/injected.ts';

/**
 * A root file system with busybox and the injected files, in which node scripts run as they do in a node: own root,
 * own process numbers, root of a user namespace that has no power over the host.
 */
export class GuestRoot {
  readonly folder = mkdtempSync(join(tmpdir(), 'guest-root-'));

  constructor(values: Record<string, string> = {}) {
    for (const name of ['bin', 'dev', 'etc', 'lib', 'proc/net', 'run/walt', 'sys', 'tmp']) {
      mkdirSync(join(this.folder, name), { recursive: true });
    }
    for (const { path, mode, content } of injectedFiles({ ...DEFAULT_VALUES, ...values }, 'amd64')) {
      this.write(path, content, mode);
    }
    this.#addBusybox();
    this.write('/dev/null', '');
    this.write('/proc/uptime', '12.34 10.00\n');
    this.write('/proc/cmdline', 'console=ttyS0\n');
  }

  write(path: string, content: string | Buffer, mode = 0o644): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }

  /** Runs a shell command inside; `done` resolves with its exit code when all it started has ended. */
  run(command: string, input?: string): GuestRun {
    const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--fork', '--kill-child=SIGKILL'];
    const inside = ['chroot', this.folder, '/bin/busybox', 'sh', '-c', `PATH=/bin; ${command}`];
    const child = spawn('unshare', [...namespaces, ...inside], { stdio: 'pipe' });
    if (input !== undefined) child.stdin.end(input);
    const output = { out: '', err: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.out += chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => (output.err += chunk.toString('latin1')));
    const done = once(child, 'close').then(([code, signal]: (number | string | null)[]) => ({
      ...output,
      code: code ?? signal,
    }));
    return { done, stop: () => child.kill('SIGKILL'), output };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A program of this host with its libraries, at `bin/` of its name. */
  add(program: string): void {
    copyFileSync(program, join(this.folder, 'bin', basename(program)));
    const needed = execFileSync('sh', ['-c', 'ldd "$0" || :', program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for (const [library] of needed.matchAll(/\/\S+/g)) {
      mkdirSync(join(this.folder, dirname(library)), { recursive: true });
      copyFileSync(library, join(this.folder, library));
    }
  }

  #addBusybox(): void {
    this.add('/bin/busybox');
    const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
    for (const name of applets.filter((applet) => applet !== 'busybox')) {
      symlinkSync('busybox', join(this.folder, 'bin', name));
    }
  }
}

export interface GuestRun {
  done: Promise<{ out: string; err: string; code: number | string | null | undefined }>;
  stop: () => void;
  output: { out: string; err: string };
}

const DEFAULT_VALUES = {
  walt_server_ip: '127.0.0.1',
  walt_server_rpc_port: '9',
  walt_server_logs_port: '9',
  walt_server_notify_bootup_port: '9',
  walt_image_id: 'ab'.repeat(32),
  walt_image_size_kib: '1000',
};

/** A TCP server that a test plays by hand: hands out connections and their lines one after the other. */
export class StubServer {
  readonly server: Server;
  readonly #waiting: ((peer: StubPeer) => void)[] = [];
  readonly #peers: StubPeer[] = [];

  private constructor() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const peer = new StubPeer(socket);
      const next = this.#waiting.shift();
      if (next) next(peer);
      else this.#peers.push(peer);
    });
  }

  static async listen(port = 0): Promise<StubServer> {
    const stub = new StubServer();
    stub.server.listen(port, '127.0.0.1');
    await once(stub.server, 'listening');
    return stub;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  connection(): Promise<StubPeer> {
    const peer = this.#peers.shift();
    return peer ? Promise.resolve(peer) : new Promise((resolve) => this.#waiting.push(resolve));
  }
  close(): void {
    this.server.close();
  }
}

export class StubPeer {
  readonly socket: Socket;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #rest = '';
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      const parts = (this.#rest + chunk.toString('latin1')).split('\n');
      this.#rest = parts.pop() ?? '';
      for (const line of parts) this.#give(line);
    });
    socket.on('close', () => this.#end());
    socket.on('end', () => this.#end());
  }

  /** The next line, or undefined at the end of the connection. */
  line(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    return this.#ended ? Promise.resolve(undefined) : new Promise((resolve) => this.#waiting.push(resolve));
  }
  /** All lines until the end. */
  async all(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) lines.push(line);
    return lines;
  }

  #give(line: string): void {
    const next = this.#waiting.shift();
    if (next) next(line);
    else this.#lines.push(line);
  }
  #end(): void {
    this.#ended = true;
    for (const next of this.#waiting.splice(0)) next(undefined);
  }
}
