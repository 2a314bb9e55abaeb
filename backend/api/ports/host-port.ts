import { connect, createServer, type Server, type Socket } from 'node:net';
import { firstLine, joinSockets, reset } from '../../agent/forward-link.ts';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';

/** How long a node may take to accept; the daemon gives up before. */
const ANSWER_MS = 30_000;

export interface HostPortOptions {
  /** the daemon's socket for connections to nodes (`Paths.forwardSocket`) */
  socketPath: string;
  node: string;
  nodePort: number;
  /** 0: a free one is chosen */
  hostPort: number;
  /** `127.0.0.1` by default */
  address?: string;
  /** a connection that could not be led to the node, and why */
  onProblem?: (sentence: string) => void;
}

/** A TCP port of this host that leads to a port of a node, as long as it is open. */
export interface HostPort {
  readonly port: number;
  /** connections that are open */
  readonly connections: number;
  close(): Promise<void>;
}

/** Opens a port; it works on when the daemon or the node starts again. Throws `port.taken`, `port.forbidden`, `port.address`. */
export async function openHostPort(options: HostPortOptions): Promise<HostPort> {
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    client.setNoDelay(true);
    void lead(client, options);
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.hostPort,
    get connections() {
      return clients.size;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of clients) reset(client);
      await closed;
    },
  };
}

/** Throws what `openHostPort` throws. */
export async function listen(
  server: Server,
  options: Pick<HostPortOptions, 'hostPort' | 'address' | 'onProblem'>,
): Promise<void> {
  const { hostPort: port, address: host = '127.0.0.1' } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, port, host)));
    server.listen({ port, host }, resolve);
  });
  server.removeAllListeners('error');
  // Such as a connection that cannot be accepted for want of descriptors: the others go on.
  server.on('error', (error) => options.onProblem?.(`Port ${port}: ${error.message}`));
}

function listenError(error: Error, port: number, address: string): BootyardError {
  const data = { port, address };
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new BootyardError('port.taken', `Port ${port} of this host is already in use.`, data);
    case 'EACCES':
      return new BootyardError(
        'port.forbidden',
        `You may not open port ${port} of this host: take one from 1024 on.`,
        data,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EINVAL':
      return new BootyardError('port.address', `${address} is no address of this host.`, data);
    default:
      return new BootyardError(
        'port.failed',
        `Port ${port} of this host cannot be opened: ${messageOf(error)}.`,
        data,
      );
  }
}

/** A connection that cannot be led to the node is reset: the client sees a failure at once, and no silence. */
async function lead(
  client: Socket,
  { socketPath, node, nodePort, onProblem }: HostPortOptions,
): Promise<void> {
  const daemon = connect({ path: socketPath, allowHalfOpen: true });
  daemon.on('error', () => daemon.destroy());
  client.once('close', () => {
    if (!daemon.readableEnded) daemon.destroy();
  });
  daemon.write(`${node} ${nodePort}\n`);
  const answer = await firstLine(daemon, ANSWER_MS);
  if (answer === 'OK' && !client.destroyed) return joinSockets(client, daemon);
  daemon.destroy();
  if (!client.destroyed) {
    onProblem?.(answer?.replace(/^KO /, '') ?? 'The daemon does not answer: is the lab running?');
  }
  reset(client);
}
