import type { Socket } from 'node:net';

/** The open connections of each client: bounds their number, and resets those of a client that is off. */
export class ClientConnections {
  readonly #most: number;
  readonly #sockets = new Map<string, Set<Socket>>();
  /** A closed socket no longer knows its peer. */
  readonly #clients = new WeakMap<Socket, string>();

  constructor(mostPerClient: number) {
    this.#most = mostPerClient;
  }

  /** Closes `socket` when its client has too many. */
  admit(socket: Socket): void {
    const client = addressOf(socket);
    this.#clients.set(socket, client);
    const sockets = this.#sockets.get(client) ?? new Set();
    if (sockets.size >= this.#most) return void socket.destroy();
    this.#sockets.set(client, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(client) === sockets) this.#sockets.delete(client);
    });
  }

  /** IPv4 address as text */
  clientOf(socket: Socket): string {
    return this.#clients.get(socket) ?? addressOf(socket);
  }

  drop(client: string): void {
    for (const socket of this.#sockets.get(client) ?? []) socket.resetAndDestroy();
  }
  closeAll(): void {
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
  }
}

function addressOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.replace(/^::ffff:/, '');
}
