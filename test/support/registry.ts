import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface RegistryOptions {
  port?: number;
  /** asks for this login: `user:password` */
  login?: string;
  tls?: { certificate: string; key: string };
  /** asks for tokens of an issuer */
  token?: { realm: string; service: string; issuer: string; certificates: string };
}

/** Debian's docker-registry on a port of its own, in a folder of its own. */
export class DockerRegistry {
  readonly folder = mkdtempSync('/tmp/bootyard-registry-');
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #log = join(this.folder, 'log');

  private constructor(options: RegistryOptions) {
    this.port = options.port ?? 5000;
    const file = join(this.folder, 'config.json');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(this.#configuration(options)));
    // A file: nobody empties a pipe while a test waits for skopeo.
    const log = openSync(this.#log, 'w');
    this.#child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', log, log] });
    closeSync(log);
    process.once('exit', () => this.#child.kill('SIGKILL'));
  }

  static async start(options: RegistryOptions = {}): Promise<DockerRegistry> {
    const registry = new DockerRegistry(options);
    for (let tries = 0; tries < 200; tries++) {
      const isThere = await answers(registry.port);
      // Another one may answer where this one could not listen.
      if (registry.#hasEnded) break;
      if (isThere) return registry;
      await delay(50);
    }
    throw new Error(`docker-registry does not start: ${readFileSync(registry.#log, 'utf8')}`);
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }
  get data(): string {
    return join(this.folder, 'data');
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** It takes connections from then on, and answers nothing until it is thawed. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (!this.#hasEnded) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true });
  }

  #configuration({ login, tls, token }: RegistryOptions): object {
    mkdirSync(this.data);
    const passwords = join(this.folder, 'htpasswd');
    if (login) {
      const [user = '', ...password] = login.split(':');
      writeFileSync(passwords, execFileSync('htpasswd', ['-Bbn', user, password.join(':')]));
    }
    return {
      version: '0.1',
      log: { accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: this.data }, delete: { enabled: true } },
      http: {
        addr: this.host,
        ...(tls ? { tls: { certificate: tls.certificate, key: tls.key } } : {}),
      },
      ...(login ? { auth: { htpasswd: { realm: 'test', path: passwords } } } : {}),
      ...(token
        ? {
            auth: {
              token: {
                realm: token.realm,
                service: token.service,
                issuer: token.issuer,
                rootcertbundle: token.certificates,
              },
            },
          }
        : {}),
    };
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}

export function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], { encoding: 'utf8' });
}

/** For a registry that is served by this process. Rejects with what skopeo wrote to its standard error. */
export async function skopeoRun(...args: string[]): Promise<string> {
  const run = promisify(execFile)('skopeo', ['--insecure-policy', ...args], { timeout: 60_000 });
  return (await run).stdout;
}
