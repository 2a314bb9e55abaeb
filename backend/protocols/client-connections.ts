import type { Socket } from 'node:net';

/** The open connections of each client: bounds their number, and resets those of a client that is off. */
export class ClientConnections {
  readonly #most: number;
  readonly #sockets = new Map<string, Set<Socket>>();
  /** A closed socket no longer knows its peer. */
  readonly #clients = new WeakMap<Socket, string>();
  readonly #causes = new WeakMap<Socket, string>();

  constructor(mostPerClient: number) {
    this.#most = mostPerClient;
  }

  /** Closes `socket` when its client has too many. */
  admit(socket: Socket): void {
    const client = addressOf(socket);
    this.#clients.set(socket, client);
    const sockets = this.#sockets.get(client) ?? new Set();
    if (sockets.size >= this.#most) return this.end(socket, 'the client has too many connections');
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

  /** Why this server ended the connection, a clause; undefined when it did not. */
  causeOf(socket: Socket): string | undefined {
    return this.#causes.get(socket);
  }

  end(socket: Socket, cause: string): void {
    this.#mark(socket, cause);
    socket.destroy();
  }
  drop(client: string): void {
    for (const socket of this.#sockets.get(client) ?? []) {
      this.#mark(socket, 'the node is off');
      socket.resetAndDestroy();
    }
  }
  closeAll(): void {
    for (const sockets of this.#sockets.values()) {
      for (const socket of sockets) this.end(socket, 'the lab was stopped');
    }
  }

  /** One that its client has closed before stays so. */
  #mark(socket: Socket, cause: string): void {
    if (!socket.destroyed) this.#causes.set(socket, cause);
  }
}

function addressOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.replace(/^::ffff:/, '');
}
