import { createServer, type Server, type Socket } from 'node:net';
import { listenOn } from '../bind.ts';

const MOST_PER_CLIENT = 32;
const MOST = 512;

/**
 * One TCP port. Knows which connections each client has, so that they can be reset when the client's machine is cut
 * off: a dead machine never closes them, and its next boot may come from the same port.
 */
export class TcpService {
  readonly #address: string;
  readonly #port: number;
  readonly #server: Server;
  readonly #sockets = new Map<string, Set<Socket>>();

  constructor(address: string, port: number, serve: (socket: Socket, client: string) => void) {
    this.#address = address;
    this.#port = port;
    this.#server = createServer((socket) => {
      if (this.#admit(socket)) serve(socket, clientOf(socket));
    });
    this.#server.maxConnections = MOST;
  }

  /** Rejects with the system's error when the port cannot be had. */
  async start(): Promise<void> {
    await listenOn(this.#server, this.#address, this.#port);
  }

  /** Resets the connections of one client: it is told at once, or is not there to be told. */
  dropClient(client: string): void {
    for (const socket of this.#sockets.get(client) ?? []) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
    await closed;
  }

  #admit(socket: Socket): boolean {
    const client = clientOf(socket);
    const sockets = this.#sockets.get(client) ?? new Set();
    if (sockets.size >= MOST_PER_CLIENT || client === '') {
      socket.on('error', () => {});
      socket.destroy();
      return false;
    }
    this.#sockets.set(client, sockets.add(socket));
    socket.on('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(client) === sockets) this.#sockets.delete(client);
    });
    return true;
  }
}

/** IPv4 address as text; empty when the peer is gone already. */
function clientOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}
