import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SERVERS = join(import.meta.dirname, 'internet.mjs');
const ip = (line: string): void => void execFileSync('ip', line.split(' '));

/** Addresses of a test's internet and of the host that is in it. */
export const ADDRESSES = {
  web: '203.0.113.10',
  resolver: '203.0.113.53',
  name: 'www.example.test',
  /** the host's own, on its local network, and its gateway's there */
  host: '10.99.0.2',
  neighbour: '10.99.0.1',
} as const;

/**
 * A host's network namespace in which a lab can be started, and behind it another one that is the internet: a web server
 * and a name server. There are web servers on the host as well (port 8080 of all addresses) and on its network. Nothing
 * leaves the machine. Root only.
 */
export class TestInternet {
  readonly #id = process.pid;
  readonly #servers: ChildProcess[] = [];
  readonly host = `by-host-${this.#id}`;
  /** the namespace behind it, for further servers */
  readonly internet = `by-inet-${this.#id}`;

  /** words before a command that make it run on the host */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.host];
  }

  async start(): Promise<void> {
    const { host, neighbour, web, resolver, name } = ADDRESSES;
    const [near, far] = [this.host, this.internet];
    // `ip netns exec` puts this file in the place of the host's.
    mkdirSync(`/etc/netns/${near}`, { recursive: true });
    writeFileSync(`/etc/netns/${near}/resolv.conf`, `nameserver ${resolver}\n`);
    for (const space of [near, far]) ip(`netns add ${space}`);
    ip(`-n ${near} link add up0 type veth peer name down0 netns ${far}`);
    ip(`-n ${near} address add ${host}/24 dev up0`);
    ip(`-n ${far} address add ${neighbour}/24 dev down0`);
    for (const address of [web, resolver]) ip(`-n ${far} address add ${address}/32 dev lo`);
    for (const link of ['lo', 'up0']) ip(`-n ${near} link set ${link} up`);
    for (const link of ['lo', 'down0']) ip(`-n ${far} link set ${link} up`);
    ip(`-n ${near} route add default via ${neighbour}`);
    await Promise.all([
      this.#serve(far, 'web', web, '80', 'internet'),
      this.#serve(far, 'dns', resolver, name, web),
      this.#serve(far, 'web', neighbour, '8080', 'neighbour'),
      this.#serve(near, 'web', '0.0.0.0', '8080', 'host'),
    ]);
  }

  /** Gives the host one more address and network. */
  addHostAddress(cidr: string): void {
    ip(`-n ${this.host} address add ${cidr} dev up0`);
  }

  stop(): void {
    for (const server of this.#servers) server.kill();
    for (const space of [this.host, this.internet]) ip(`netns delete ${space}`);
    rmSync(`/etc/netns/${this.host}`, { recursive: true, force: true });
  }

  async #serve(space: string, ...args: string[]): Promise<void> {
    const server = spawn('ip', ['netns', 'exec', space, process.execPath, SERVERS, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#servers.push(server);
    await once(server.stdout, 'data');
  }
}
