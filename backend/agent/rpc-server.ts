import type { Socket } from 'node:net';
import type { Publish } from '../events/bus.ts';
import { LineReader } from './line-reader.ts';
import { TcpListener } from './tcp-listener.ts';

/** A call as WalT's nodes write it: a Python tuple of method, arguments and keywords. Arguments are never evaluated. */
const CALL = /^\('API_CALL', *'([a-z_]{1,64})', *\((.*)\), *\{.*\}\)$/;

export interface RpcServerOptions {
  address: string;
  port?: number;
  publish: Publish;
  log: (line: string) => void;
}

/**
 * WalT's node RPC (TCP 12345): `REQ_API_SESSION`, `NSAPI`, then one call per line. Only `sync_clock` and
 * `report_lldp_neighbor` exist for nodes. `sync_clock` answers at the turn of a second, with that second.
 */
export class RpcServer extends TcpListener {
  readonly #publish: Publish;

  constructor({ address, port = 12345, publish, log }: RpcServerOptions) {
    super({ address, port, log, serve: (socket, client) => this.#serve(socket, client) });
    this.#publish = publish;
  }

  #serve(socket: Socket, client: string): void {
    const greeting = ['REQ_API_SESSION', 'NSAPI'];
    socket.setTimeout(60_000, () => socket.destroy());
    new LineReader(socket, (line) => {
      const expected = greeting.shift();
      if (expected !== undefined) {
        const known = line.trim() === expected || (expected === 'REQ_API_SESSION' && line.trim() === '10');
        if (!known) socket.destroy();
        else if (expected === 'NSAPI') socket.write('10\n');
        return;
      }
      this.#call(line.trim(), socket, client);
    });
  }

  #call(line: string, socket: Socket, client: string): void {
    if (line.startsWith("('CLOSE'")) {
      socket.end();
      return;
    }
    const method = CALL.exec(line)?.[1];
    if (method) this.#publish({ kind: 'agent', phase: 'asked', client, detail: method });
    if (method === 'sync_clock') this.#atNextSecond(socket);
    else if (method === 'report_lldp_neighbor') socket.write("('RESULT', None)\n");
    else socket.write("('EXCEPTION', 'unknown method')\n");
  }

  #atNextSecond(socket: Socket): void {
    const next = Math.floor(Date.now() / 1000) + 1;
    const timer = setTimeout(() => socket.write(`('RESULT', ${next})\n`), next * 1000 - Date.now());
    socket.once('close', () => clearTimeout(timer));
  }
}
