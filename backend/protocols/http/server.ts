import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemCode } from '../../errors.ts';
import { EventShares } from '../event-shares.ts';
import { listenOn, portError } from '../bind.ts';
import { ClientConnections } from '../client-connections.ts';
import { Exchange, type TransferReport } from './exchange.ts';
import type { BootHttpServerParts, HttpTimeouts } from './parts.ts';

const MOST_PER_CLIENT = 32;
/** Requests that a client may send ahead on one connection. */
const MOST_PIPELINED = 64;
const TIMEOUTS: HttpTimeouts = { head: 10_000, request: 30_000, idle: 60_000 };

/** Serves boot files: GET and HEAD of `/boot/…`, with Range and keep-alive (RFC 9110, 9112). */
export class BootHttpServer {
  readonly #parts: BootHttpServerParts;
  readonly #server: Server;
  readonly #connections = new ClientConnections(MOST_PER_CLIENT);
  readonly #shares = new EventShares();
  readonly #pipelines = new WeakMap<Socket, Pipeline>();

  constructor(parts: BootHttpServerParts) {
    this.#parts = parts;
    const { head, request, idle } = { ...TIMEOUTS, ...parts.timeouts };
    this.#server = createServer({
      headersTimeout: head,
      requestTimeout: request,
      connectionsCheckingInterval: head / 2,
      keepAliveTimeout: idle,
      requireHostHeader: false,
      noDelay: true,
      maxHeaderSize: 16 * 1024,
    });
    this.#server.timeout = idle;
    this.#server.on('timeout', (socket) =>
      this.#connections.end(socket, `the client took nothing for ${idle / 1000} s`),
    );
    this.#server.maxConnections = 512;
    this.#server.on('connection', (socket) => this.#connections.admit(socket));
    this.#server.on('request', (request, response) => this.#enqueue(request, response));
    this.#server.on('clientError', refuseGarbage);
  }

  /** @throws BootyardError `http.port` when the port cannot be had */
  async start(): Promise<void> {
    const { address, port = 80 } = this.#parts;
    await listenOn(this.#server, address, port).catch((error: unknown) => {
      throw portError(error, { name: 'HTTP', transport: 'TCP', address, port });
    });
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#connections.closeAll();
    await closed;
  }

  /** A node is off: its connections are reset. */
  dropClient(address: string): void {
    this.#connections.drop(address);
  }

  /** Pipelined requests are answered one after the other: each has the socket for itself. */
  #enqueue(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const pipeline = this.#pipelines.get(socket) ?? { waiting: 0, last: Promise.resolve() };
    this.#pipelines.set(socket, pipeline);
    if (pipeline.waiting >= MOST_PIPELINED) {
      return this.#connections.end(socket, `the client sent more than ${MOST_PIPELINED} requests ahead`);
    }
    pipeline.waiting++;
    const exchange = new Exchange(request, response, this.#connections.clientOf(socket), {
      resolve: this.#parts.resolve,
      report: (client) => this.#reportOf(client),
      causeOf: (ended) => this.#connections.causeOf(ended),
    });
    pipeline.last = pipeline.last.then(async () => {
      try {
        await exchange.run();
      } catch {
        socket.destroy();
      }
      pipeline.waiting--;
    });
  }

  /**
   * A flood of requests must not become a flood of events: an exchange is listed whole or not at all, and what was
   * withheld is told as a number.
   */
  #reportOf(client: string): TransferReport {
    const { publish } = this.#parts;
    const withheld = this.#shares.admit(client, performance.now());
    if (withheld === undefined) return () => {};
    if (withheld > 0) {
      const cause = `${withheld} more requests of this client were not listed`;
      publish({ kind: 'http', client, phase: 'refused', path: '', bytes: 0, cause });
    }
    return (event) => publish({ kind: 'http', client, ...event });
  }
}

interface Pipeline {
  waiting: number;
  /** never rejects */
  last: Promise<void>;
}

function refuseGarbage(error: Error, socket: Duplex): void {
  if (!socket.writable || systemCode(error) === 'ECONNRESET') return void socket.destroy();
  const [status, sentence] = garbageAnswer(systemCode(error));
  const body = `${sentence}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function garbageAnswer(code: string | undefined): [status: string, sentence: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'The request head is longer than 16 KiB.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request did not come in time.'];
    default:
      return ['400 Bad Request', 'This is not an HTTP request; a space in a path must be sent as %20.'];
  }
}
