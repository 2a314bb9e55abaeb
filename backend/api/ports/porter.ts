import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../../errors.ts';
import { parseExpose } from '../../nodes/expose.ts';
import { labPaths, type Paths } from '../../state/paths.ts';
import type { ApiClient, ClientStream } from '../client.ts';
import { connectToLab } from '../lab-control.ts';
import type { LabStatus } from '../lab.ts';
import type { NodeInfo } from '../node.ts';
import type { PortInfo } from '../port.ts';
import { type HostPort, openHostPort } from './host-port.ts';

const RETRY_MS = 3_000;

type Wanted = Pick<PortInfo, 'node' | 'nodePort' | 'hostPort'>;

/** A port of a setting: open, or to be tried again. */
class PermanentPort {
  readonly wanted: Wanted;
  readonly #paths: Paths;
  readonly #log: (line: string) => void;
  #client: ApiClient | undefined;
  #entry: ClientStream | undefined;
  #port: HostPort | undefined;
  #reason: string | null = null;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(wanted: Wanted, paths: Paths, log: (line: string) => void) {
    this.wanted = wanted;
    this.#paths = paths;
    this.#log = log;
    void this.#open();
  }

  /** The daemon (a new one, maybe) is to know of it. */
  async tell(client: ApiClient | undefined): Promise<void> {
    this.#client = client;
    this.#entry?.close();
    this.#entry = undefined;
    if (client === undefined || (this.#port === undefined && this.#reason === null)) return;
    const entry = { ...this.wanted, address: '127.0.0.1', permanent: true, reason: this.#reason };
    try {
      this.#entry = await client.holdPort(entry);
      if (this.#closed) this.#entry.close();
    } catch {
      // The daemon went away; the next one is told.
    }
  }

  async #open(): Promise<void> {
    const said = this.#reason;
    try {
      const port = await openHostPort({ socketPath: this.#paths.portsSocket, ...this.wanted });
      if (this.#closed) return await port.close();
      this.#port = port;
      this.#reason = null;
    } catch (error) {
      this.#reason = messageOf(error);
      if (!this.#closed) this.#retry = setTimeout(() => void this.#open(), RETRY_MS);
      if (said === this.#reason) return;
      this.#log(this.#reason);
    }
    if (!this.#closed) await this.tell(this.#client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#entry?.close();
    await this.#port?.close();
  }
}

/**
 * Opens the ports of this host that the settings `expose` of nodes ask for, and keeps them as the settings change, while
 * daemons come and go. Resolves when no setting asks for a port any more, when another process does this already, or when
 * the lab has ended.
 */
export async function servePorts(log: (line: string) => void, paths = labPaths()): Promise<void> {
  const ports = new Map<string, PermanentPort>();
  try {
    for (let goesOn = true; goesOn;) goesOn = await serveOneDaemon(ports, paths, log);
  } finally {
    await Promise.all([...ports.values()].map((port) => port.close()));
  }
}

/** Answers false when there is nothing left to do. */
async function serveOneDaemon(
  ports: Map<string, PermanentPort>,
  paths: Paths,
  log: (line: string) => void,
): Promise<boolean> {
  let client: ApiClient;
  try {
    client = await connectToLab({ start: false, paths });
  } catch (error) {
    // A daemon that does not come back for long may still come back, as long as there is a lab.
    if (error instanceof BootyardError && error.code === 'lab.daemon') return true;
    return false;
  }
  const gone = new Promise<boolean>((resolve) => client.onClose(() => resolve(true)));
  try {
    await client.call('port.serve', {});
    for (const port of ports.values()) void port.tell(client);
    const done = follow(client, ports, (wanted) => {
      const port = new PermanentPort(wanted, paths, log);
      void port.tell(client);
      return port;
    });
    return await Promise.race([gone, done]);
  } catch (error) {
    if (error instanceof BootyardError && error.code === 'port.served') return false;
    await delay(RETRY_MS);
    return true;
  } finally {
    for (const port of ports.values()) void port.tell(undefined);
    client.dispose();
  }
}

/** Opens and closes ports as settings change; resolves with false when none is asked for. */
async function follow(
  client: ApiClient,
  ports: Map<string, PermanentPort>,
  open: (wanted: Wanted) => PermanentPort,
): Promise<false> {
  const nodes = new Map<string, NodeInfo>();
  let registry: Wanted[] = [];
  return await new Promise((resolve, reject) => {
    const apply = async (): Promise<void> => {
      const wanted = new Map(
        [...[...nodes.values()].flatMap(portsOf), ...registry].map((port) => [JSON.stringify(port), port]),
      );
      const old = [...ports].filter(([key]) => !wanted.has(key));
      for (const [key] of old) ports.delete(key);
      await Promise.all(old.map(([, port]) => port.close()));
      for (const [key, port] of wanted) if (!ports.has(key)) ports.set(key, open(port));
      if (wanted.size === 0) resolve(false);
    };
    const subscribed = client.subscribe((event) => {
      if (event.type === 'snapshot') {
        nodes.clear();
        for (const node of event.nodes) nodes.set(node.mac, node);
        registry = registryPort(event.lab);
      } else if (event.type === 'lab') registry = registryPort(event.status);
      else if (event.type === 'node') nodes.set(event.node.mac, event.node);
      else if (event.type === 'nodeRemoved') nodes.delete(event.mac);
      else return;
      void apply();
    });
    subscribed.catch(reject);
  });
}

/** `<name>:<port>` in the lab, `<address>:<port>` on the host. */
function registryPort({ registry }: LabStatus): Wanted[] {
  if (!registry?.host) return [];
  const [node = '', nodePort] = registry.address.split(':');
  return [{ node, nodePort: Number(nodePort), hostPort: Number(registry.host.address.split(':')[1]) }];
}

function portsOf(node: NodeInfo): Wanted[] {
  return parseExpose(node.settings.expose ?? 'none').map(({ nodePort, hostPort = 0 }) => ({
    node: node.name,
    nodePort,
    hostPort,
  }));
}
