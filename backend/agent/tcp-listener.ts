import { createServer, type Server, type Socket } from 'node:net';

/** Most connections that one address may hold open at a listener; more are refused at once. */
const CONNECTIONS_PER_CLIENT = 64;

/** A TCP listener for nodes: IPv4 text addresses, a bounded number of connections per node, keepalive, no crash. */
export class TcpListener {
  readonly #server: Server;
  readonly #open = new Map<string, Set<Socket>>();
  readonly #address: string;
  readonly #port: number;

  constructor(address: string, port: number, serve: (socket: Socket, client: string) => void) {
    this.#address = address;
    this.#port = port;
    this.#server = createServer((socket) => this.#accept(socket, serve));
  }

  #accept(socket: Socket, serve: (socket: Socket, client: string) => void): void {
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
    serve(socket, client);
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, this.#address, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
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
