import { once } from 'node:events';
import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { BootyardError, systemCode } from '../errors.ts';
import { type ChangeBody, ChangeFeed } from './change-feed.ts';
import { ServerConnection, type ServerParts } from './server-connection.ts';

export type { ChangeBody } from './change-feed.ts';
export type { ServedHandlers, ServerParts, Snapshot } from './server-connection.ts';

/**
 * The daemon's side of the API: JSON-RPC 2.0 on a Unix socket that its owner alone may open. Parameters and results
 * are checked against the contract; a BootyardError reaches the client whole, any other error is logged with its stack
 * and reaches the client as one sentence.
 */
export class ApiServer {
  readonly #socketPath: string;
  readonly #parts: ServerParts;
  readonly #feed = new ChangeFeed();
  readonly #connections = new Set<ServerConnection>();
  #server: Server | undefined;

  constructor(options: ServerParts & { socketPath: string }) {
    this.#socketPath = options.socketPath;
    this.#parts = options;
  }

  /** Throws `api.running` when another daemon answers on the socket; the file of a dead one is replaced. */
  async start(): Promise<void> {
    await removeStaleSocket(this.#socketPath);
    const server = createServer((socket) => {
      const connection = new ServerConnection(socket, this.#parts, this.#feed);
      this.#connections.add(connection);
      socket.on('close', () => this.#connections.delete(connection));
    });
    const umask = process.umask(0o177);
    try {
      server.listen(this.#socketPath);
    } finally {
      process.umask(umask);
    }
    await once(server, 'listening');
    await chmod(this.#socketPath, 0o600);
    server.on('error', (error) => this.#parts.log(`api: ${error.message}`));
    this.#server = server;
  }

  /** Numbers a change and sends it to all who follow. */
  publishChange(change: ChangeBody): void {
    this.#feed.publish(change);
  }

  /** Ends every connection after what waits on it was sent, and removes the socket. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    await Promise.all([...this.#connections].map((connection) => connection.end()));
    await closed;
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new BootyardError('api.socket', `${path} is in the way and not a socket: remove it.`, { path });
  }
  if (await isAnswered(path)) {
    throw new BootyardError('api.running', `Another daemon answers on ${path} already.`, { path });
  }
  await rm(path, { force: true });
}

async function isAnswered(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
