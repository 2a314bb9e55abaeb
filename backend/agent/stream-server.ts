import type { Socket } from 'node:net';
import { messageOf } from '../errors.ts';
import type { Publish } from '../events/bus.ts';
import { LineReader, logLine, readable } from './line-reader.ts';
import { LinePace } from './line-pace.ts';
import { TcpListener } from './tcp-listener.ts';

/** How long a client may take for its first line. ms */
const FIRST_LINE_MS = 15_000;
const TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000;

export interface StreamServerOptions {
  address: string;
  port?: number;
  publish: Publish;
  log: (line: string) => void;
  /** Shell text `export walt_…=…` for REQ_FETCH_NODE_CONFIG. */
  nodeConfig: (client: string) => string | Promise<string>;
  /** More requests, by name: each takes a connection and returns what takes its further lines. */
  requests?: Readonly<Record<string, (socket: Socket, client: string) => (line: string) => void>>;
}

/**
 * WalT's multi-purpose stream server (TCP 12347): the first line names the request, by number or by name. Nodes use it
 * to send logs, to say that they have booted, and to stay in touch from then on.
 */
export class StreamServer extends TcpListener {
  readonly #options: StreamServerOptions;
  /** the connection that speaks for a node: a stale one that closes later changes nothing */
  readonly #authoritative = new Map<string, Socket>();

  constructor(options: StreamServerOptions) {
    const { address, port = 12347, log } = options;
    super({ address, port, log, serve: (socket, client) => this.#serve(socket, client) });
    this.#options = options;
  }

  #serve(socket: Socket, client: string): void {
    let handle: ((line: string) => void) | undefined;
    const impatience = setTimeout(() => socket.destroy(), FIRST_LINE_MS);
    socket.once('close', () => clearTimeout(impatience));
    new LineReader(socket, (line) => {
      if (handle) return handle(line);
      clearTimeout(impatience);
      handle = this.#request(line.trim(), socket, client);
      if (!handle) socket.destroy();
    });
  }

  #request(name: string, socket: Socket, client: string): ((line: string) => void) | undefined {
    switch (name) {
      case '0':
      case 'REQ_NEW_INCOMING_LOGS':
        return this.#logs(socket, client);
      case '14':
      case 'REQ_NOTIFY_BOOTUP_STATUS':
      case 'REQ_NODE_NET_SERVICE':
        return this.#bootup(socket, client);
      case '17':
      case 'REQ_FETCH_NODE_CONFIG':
        void this.#nodeConfig(socket, client);
        return () => undefined;
      default: {
        const { requests = {} } = this.#options;
        return Object.hasOwn(requests, name) ? requests[name]?.(socket, client) : undefined;
      }
    }
  }

  async #nodeConfig(socket: Socket, client: string): Promise<void> {
    try {
      socket.end(await this.#options.nodeConfig(client));
    } catch (error) {
      this.#options.log(`the configuration of node ${client} cannot be told: ${messageOf(error)}`);
      socket.destroy();
    }
  }

  /** `<stream>`, then `NO_TIMESTAMPS` or `TIMESTAMPS_INSIDE`, then lines until `CLOSE` (WalT's log protocol). */
  #logs(socket: Socket, client: string): (line: string) => void {
    const pace = new LinePace(socket);
    let stream: string | undefined;
    let mode: string | undefined;
    let closed = false;
    const publish = (line: string, timestamp: number): void => {
      pace.count();
      this.#options.publish({ kind: 'log', client, stream: stream ?? '', ...logLine(line), timestamp });
    };
    socket.once('close', () => {
      if (!closed && mode) publish('<disconnected!>', Date.now());
    });
    return (line) => {
      if (stream === undefined) stream = readable(line).slice(0, 256);
      else if (mode === undefined) {
        mode = line.trim();
        if (mode !== 'NO_TIMESTAMPS' && mode !== 'TIMESTAMPS_INSIDE') socket.destroy();
      } else if (line === 'CLOSE') {
        closed = true;
        socket.end();
      } else {
        const { text, timestamp } =
          mode === 'TIMESTAMPS_INSIDE' ? splitTimestamp(line) : { text: line, timestamp: Date.now() };
        publish(text, timestamp);
      }
    };
  }

  /** The node is booted when its first byte arrives after our OK, not when it connects; it is lost when this ends. */
  #bootup(socket: Socket, client: string): (line: string) => void {
    let booted = false;
    socket.once('close', () => {
      if (this.#authoritative.get(client) !== socket) return;
      this.#authoritative.delete(client);
      this.#options.publish({ kind: 'agent', phase: 'lost', client });
    });
    socket.write('OK\n');
    return () => {
      if (booted) return;
      booted = true;
      this.#authoritative.set(client, socket);
      this.#options.publish({ kind: 'agent', phase: 'booted', client });
    };
  }
}

/** `<seconds since the epoch> <text>`; a time of over 10 years ago or over 1 s ahead is replaced by now, as WalT does. */
export function splitTimestamp(line: string, now = Date.now()): { text: string; timestamp: number } {
  const space = line.indexOf(' ');
  const seconds = Number(space < 0 ? line : line.slice(0, space));
  const timestamp = seconds * 1000;
  if (space < 0 || !Number.isFinite(timestamp)) return { text: line, timestamp: now };
  const text = line.slice(space + 1);
  const believable = timestamp > now - TEN_YEARS_MS && timestamp < now + 1000;
  return { text, timestamp: believable ? timestamp : now };
}
