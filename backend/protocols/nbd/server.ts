import { createServer, type Server, type Socket } from 'node:net';
import type { NbdEvent, Publish } from '../../events/bus.ts';
import { EventShares } from '../event-shares.ts';
import { listenOn, portError } from '../bind.ts';
import { BufferPool } from './buffer-pool.ts';
import { NbdConnection } from './connection.ts';
import type { NbdExports } from './export.ts';

const MOST_PER_CLIENT = 16;
const MOST = 256;
const HANDSHAKE_MS = 10_000;

export interface NbdServerParts {
  exports: NbdExports;
  publish: Publish;
  /** ms that a client has to choose an export; 10 s unless given */
  handshakeTimeout?: number;
}

/**
 * Network block devices: fixed newstyle negotiation and the baseline of the transmission phase, without TLS (doc/proto.md
 * of the NetworkBlockDevice project). What is served, and to whom, `exports` says.
 */
export class NbdServer {
  readonly #parts: NbdServerParts;
  readonly #server: Server;
  readonly #pool = new BufferPool();
  readonly #shares = new EventShares();
  readonly #clients = new Map<string, Map<Socket, NbdConnection>>();

  constructor(parts: NbdServerParts) {
    this.#parts = parts;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MOST;
  }

  /** @throws BootyardError `nbd.port` when the port cannot be had */
  async listen(address: string, port = 10809): Promise<void> {
    await listenOn(this.#server, address, port).catch((error: unknown) => {
      throw portError(error, { name: 'NBD', transport: 'TCP', address, port });
    });
  }

  /** Ends all connections. When this ends, no store is in use any more. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#clients.keys()].map((client) => this.dropClient(client)));
    await closed;
  }

  /** A node is off: its connections are reset. When this ends, none of them uses a store any more. */
  async dropClient(address: string): Promise<void> {
    const connections = [...(this.#clients.get(address) ?? [])];
    for (const [socket] of connections) socket.resetAndDestroy();
    await Promise.all(connections.map(([, connection]) => connection.ended));
  }

  #accept(socket: Socket): void {
    const client = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const connections = this.#clients.get(client) ?? new Map<Socket, NbdConnection>();
    if (client === '' || connections.size >= MOST_PER_CLIENT) {
      socket.on('error', () => {});
      return void socket.destroy();
    }
    this.#clients.set(client, connections);
    const connection = new NbdConnection(socket, {
      exports: this.#parts.exports(client),
      pool: this.#pool,
      handshakeTimeout: this.#parts.handshakeTimeout ?? HANDSHAKE_MS,
      report: (event) => this.#report(client, event),
    });
    connections.set(socket, connection);
    void this.#forgetAfter(connection, socket, client, connections);
  }

  async #forgetAfter(
    connection: NbdConnection,
    socket: Socket,
    client: string,
    connections: Map<Socket, NbdConnection>,
  ): Promise<void> {
    await connection.ended;
    connections.delete(socket);
    if (connections.size === 0 && this.#clients.get(client) === connections) this.#clients.delete(client);
  }

  /** A client that connects without end must not flood the events. */
  #report(client: string, event: NbdEvent): void {
    const withheld = this.#shares.admit(client, performance.now());
    if (withheld === undefined) return;
    const more = withheld > 0 ? `${withheld} more events of this client were not listed` : undefined;
    const cause = [event.cause, more].filter(Boolean).join('; ') || undefined;
    this.#parts.publish({ kind: 'nbd', client, ...event, cause });
  }
}
