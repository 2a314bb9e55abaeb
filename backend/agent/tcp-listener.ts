import { createServer, type Server, type Socket } from 'node:net';

/** Most connections that one address may hold open at a listener; more are refused at once. */
const CONNECTIONS_PER_CLIENT = 64;

export interface TcpListenerOptions {
  address: string;
  port: number;
  /** takes a connection of the node with address `client` */
  serve: (socket: Socket, client: string) => void;
  log: (line: string) => void;
}

/** A TCP listener for nodes: IPv4 text addresses, a bounded number of connections per node, keepalive, no crash. */
export class TcpListener {
  readonly #server: Server;
  readonly #open = new Map<string, Set<Socket>>();
  readonly #options: TcpListenerOptions;

  constructor(options: TcpListenerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Rejects with the system's error when the port cannot be had. */
  start(): Promise<void> {
    const { address, port, log } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.off('error', reject);
        // Such as a connection that cannot be accepted for want of memory: the others go on.
        this.#server.on('error', (error) => log(`TCP port ${port}: ${error.message}`));
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    // A peer that resets a connection is no event for us; `close` follows and says all.
    socket.on('error', () => socket.destroy());
    const client = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const sockets = this.#open.get(client) ?? new Set<Socket>();
    if (client === '' || sockets.size >= CONNECTIONS_PER_CLIENT) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    this.#open.set(client, sockets);
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#open.delete(client);
    });
    // Idle 15 s, then a probe each second: a node that is gone shows within 25 s.
    socket.setKeepAlive(true, 15_000);
    socket.setNoDelay(true);
    this.#options.serve(socket, client);
  }

  /** Resets every connection of a node that was switched off. */
  dropClient(client: string): void {
    for (const socket of this.#open.get(client) ?? []) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    for (const client of this.#open.keys()) this.dropClient(client);
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
