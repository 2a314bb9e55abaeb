import {
  createServer as createHttpServer,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';

export interface DoorParts {
  options: ServerOptions;
  /** PEM; without it all is taken for plain HTTP */
  tls?: { key: string; cert: string };
  /** ms for a client to begin, and for a handshake */
  patience: number;
  /** ms without a byte after which a connection ends */
  idle: number;
  serve: RequestListener;
}

/** The type of a client's first record (RFC 8446 §5.1: handshake); no method of HTTP begins with it. */
const HANDSHAKE = 22;

/** One TCP port for HTTP with TLS and without; the first byte of a connection tells. */
export class Door {
  readonly server: TcpServer;
  readonly #plain: Server;
  readonly #secure: Server | undefined;

  constructor({ options, tls, patience, idle, serve }: DoorParts) {
    this.#plain = createHttpServer(options, serve);
    this.#secure = tls && createHttpsServer({ ...options, ...tls, handshakeTimeout: patience }, serve);
    this.server = createTcpServer({ noDelay: true }, (socket) => this.#sniff(socket, patience));
    for (const server of this.#inner) {
      server.timeout = idle;
      // Neither listens by itself: this starts their watch over heads that do not end.
      server.emit('listening');
    }
  }

  get #inner(): Server[] {
    return this.#secure ? [this.#plain, this.#secure] : [this.#plain];
  }

  #sniff(socket: Socket, patience: number): void {
    const giveUp = (): void => void socket.destroy();
    socket.on('error', () => {});
    socket.setTimeout(patience, giveUp);
    socket.once('data', (first: Buffer) => {
      const secure = first[0] === HANDSHAKE ? this.#secure : undefined;
      socket.pause();
      socket.setTimeout(0, giveUp);
      socket.unshift(first);
      (secure ?? this.#plain).emit('connection', socket);
      // TLS takes from the socket by itself.
      if (!secure) process.nextTick(() => socket.resume());
    });
  }

  /** Ends the watch over connections; they are closed by who knows them. */
  close(): void {
    for (const server of [this.server, ...this.#inner]) server.close();
  }
}
