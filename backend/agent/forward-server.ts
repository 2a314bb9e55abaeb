import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf, systemCode } from '../errors.ts';
import { firstLine, joinSockets } from './forward-link.ts';

const FIRST_LINE_MS = 10_000;
const CONNECT_MS = 10_000;
/** connections at once, of all ports together */
const MAX_CONNECTIONS = 1024;

export interface ForwardServerOptions {
  /** of a Unix socket, which processes on the host can open although the lab's network is another */
  socketPath: string;
  /** the address of a node that can be connected to; throws a sentence for one that cannot */
  addressOf: (node: string) => string;
  log: (line: string) => void;
}

/**
 * TCP connections from the host to nodes (WalT: TCP_TO_NODE). A client sends `<node> <port>` and a newline, is answered
 * `OK`, or `KO <reason>` and the end, and is joined with that port of the node from then on.
 */
export class ForwardServer {
  readonly #options: ForwardServerOptions;
  readonly #server: Server;
  /** addresses of nodes by the sockets that lead to them */
  readonly #open = new Map<Socket, string>();
  readonly #clients = new Set<Socket>();

  constructor(options: ForwardServerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      // What breaks a connection is no event for us; `close` follows and says all.
      client.on('error', () => client.destroy());
      this.#clients.add(client);
      client.once('close', () => this.#clients.delete(client));
      this.#serve(client).catch((error: unknown) => {
        if (client.writable) client.end(`KO ${messageOf(error)}\n`);
        else client.destroy();
      });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** A socket that an earlier daemon has left is replaced. */
  async start(): Promise<void> {
    const { socketPath, log } = this.#options;
    rmSync(socketPath, { force: true });
    const umask = process.umask(0o177);
    try {
      this.#server.listen(socketPath);
    } finally {
      process.umask(umask);
    }
    await once(this.#server, 'listening');
    chmodSync(socketPath, 0o600);
    this.#server.on('error', (error) => log(`connections to nodes: ${error.message}`));
  }

  async #serve(client: Socket): Promise<void> {
    const request = /^(\S+) (\d{1,5})$/.exec((await firstLine(client, FIRST_LINE_MS)) ?? '');
    const [, node = '', port = ''] = request ?? [];
    if (!(Number(port) > 0 && Number(port) < 65_536)) throw new Error('Expected is <node> <port>.');
    const target = await this.#connect(this.#options.addressOf(node), node, Number(port), client);
    if (client.destroyed) {
      target.destroy();
      return;
    }
    client.write('OK\n');
    joinSockets(client, target);
  }

  async #connect(host: string, node: string, port: number, client: Socket): Promise<Socket> {
    const socket = connect({ host, port, allowHalfOpen: true });
    this.#open.set(socket, host);
    socket.once('close', () => this.#open.delete(socket));
    const where = `port ${port} of ${node}`;
    return await new Promise((resolve, reject) => {
      const refuse = (sentence: string): void => {
        socket.destroy();
        reject(new Error(sentence));
      };
      socket.setTimeout(CONNECT_MS, () => refuse(`Nothing answers on ${where}.`));
      socket.on('error', (error) => {
        const refused = systemCode(error) === 'ECONNREFUSED';
        refuse(refused ? `Nothing listens on ${where}.` : `${where} cannot be reached: ${error.message}.`);
      });
      socket.once('close', () => refuse(`The node of ${where} went away.`));
      client.once('close', () => {
        if (socket.connecting) refuse('The client is gone.');
      });
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.setNoDelay(true);
        // A node that is gone shows after a minute also when nobody sends.
        socket.setKeepAlive(true, 30_000);
        resolve(socket);
      });
    });
  }

  /** Resets every connection to a node that was switched off. */
  dropClient(address: string): void {
    for (const [socket, host] of this.#open) if (host === address) socket.destroy(new Error('node off'));
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of [...this.#clients, ...this.#open.keys()]) socket.destroy();
    await closed;
  }
}
