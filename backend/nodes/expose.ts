import { BootyardError } from '../errors.ts';

/** One port of a node that a port of the host leads to; without `hostPort` one is to be chosen. */
export interface Exposed {
  nodePort: number;
  hostPort?: number;
}

const GRAMMAR = /^\d{1,5}(:\d{1,5})?(,\d{1,5}(:\d{1,5})?)*$/;

/** Reads the setting `expose`: `none`, or `<node port>[:<host port>],…`. Throws a sentence. */
export function parseExpose(text: string): Exposed[] {
  if (text === 'none') return [];
  const wrong = (why: string): BootyardError =>
    new BootyardError('node.setting', `Failed: expose value '${text}' is wrong: ${why}.`, {
      setting: 'expose',
    });
  if (!GRAMMAR.test(text)) {
    throw wrong('expected is none, or <node port>:<host port> pairs such as 80:8080,22:2222');
  }
  const pairs = text.split(',').map((pair) => pair.split(':').map(Number));
  for (const port of pairs.flat()) {
    if (port < 1 || port > 65_535) throw wrong(`${port} is no port, these are 1 to 65535`);
  }
  const exposed = pairs.map(([nodePort = 0, hostPort]) => ({ nodePort, hostPort }));
  const hostPorts = exposed.flatMap(({ hostPort }) => hostPort ?? []);
  const twice = hostPorts.find((port, at) => hostPorts.indexOf(port) !== at);
  if (twice !== undefined) throw wrong(`host port ${twice} is there twice`);
  return exposed;
}

export interface HostPorts {
  /** ports that other nodes expose, with the names of these */
  others: ReadonlyMap<number, string>;
  /** ports that other programs of the host listen on */
  taken: ReadonlySet<number>;
}

/**
 * The setting with a host port for every node port: those that are not given are chosen once, so that they stay the same.
 * Throws when a host port belongs to somebody else.
 */
export function settleExpose(text: string, { others, taken }: HostPorts): string {
  const exposed = parseExpose(text);
  const used = new Set<number>();
  for (const { hostPort } of exposed) {
    if (hostPort === undefined) continue;
    const owner = others.get(hostPort);
    if (owner !== undefined) throw conflict(hostPort, `already leads to node ${owner}`);
    if (taken.has(hostPort)) throw conflict(hostPort, 'is in use by another program of this host');
    used.add(hostPort);
  }
  const isFree = (port: number): boolean => !others.has(port) && !taken.has(port) && !used.has(port);
  const pairs = exposed.map(({ nodePort, hostPort = freePort(nodePort, isFree) }) => {
    used.add(hostPort);
    return `${nodePort}:${hostPort}`;
  });
  return pairs.join(',') || 'none';
}

/** Like the node's, out of the range that needs rights: 80 gives 8080, 22 gives 8022. */
function freePort(nodePort: number, isFree: (port: number) => boolean): number {
  const first = nodePort < 1024 ? 8000 + nodePort : nodePort;
  for (let port = first; port <= 65_535; port++) if (isFree(port)) return port;
  for (let port = 1024; port < first; port++) if (isFree(port)) return port;
  throw new BootyardError('node.setting', 'Failed: no port of this host is free.', { setting: 'expose' });
}

function conflict(port: number, why: string): BootyardError {
  return new BootyardError('node.setting', `Failed: host port ${port} ${why}: take another one.`, {
    setting: 'expose',
    port,
  });
}
