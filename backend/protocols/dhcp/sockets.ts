import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { once } from 'node:events';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';

/**
 * Two sockets on one port. The one bound to any address hears broadcasts. The one bound to the server's address hears
 * unicasts and sends everything: its source address is right, and the kernel sends 255.255.255.255 out of the interface
 * that has this address, whatever routes there are.
 */
export class DhcpSockets {
  readonly #any: Socket;
  readonly #own: Socket;

  private constructor(any: Socket, own: Socket) {
    this.#any = any;
    this.#own = own;
  }

  /** Throws `dhcp.port` when the port is taken or may not be bound. */
  static async open(
    address: string,
    port: number,
    onPacket: (packet: Buffer, from: RemoteInfo) => void,
    onError: (error: Error) => void,
  ): Promise<DhcpSockets> {
    // Sharing the port between our two sockets would also share it with a stranger's: look first.
    const probe = await bound('0.0.0.0', port, false);
    await closed(probe);
    const any = await bound('0.0.0.0', port, true);
    const own = await bound(address, port, true).catch(async (error: unknown) => {
      await closed(any);
      throw error;
    });
    own.setBroadcast(true);
    for (const socket of [any, own]) {
      socket.on('message', onPacket);
      socket.on('error', onError);
    }
    return new DhcpSockets(any, own);
  }

  send(packet: Uint8Array, port: number, address: string, done: (error: Error | null) => void): void {
    this.#own.send(packet, port, address, done);
  }

  /** bytes that the kernel has not taken yet */
  get queued(): number {
    return this.#own.getSendQueueSize();
  }

  async close(): Promise<void> {
    await Promise.all([closed(this.#any), closed(this.#own)]);
  }
}

async function bound(address: string, port: number, reuseAddr: boolean): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    reuseAddr,
    // A storm of nodes that power on together waits here while a reply is made.
    recvBufferSize: 1 << 20,
    // Addresses are never names here, and the usual look-up would cost each packet a turn of the loop.
    lookup: (host, _options, done) => done(null, host, 4),
  });
  try {
    const listening = once(socket, 'listening');
    socket.bind(port, address);
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    throw new BootyardError('dhcp.port', portMessage(error, address, port), { address, port });
  }
}

function portMessage(error: unknown, address: string, port: number): string {
  const where = `UDP port ${port} of ${address}`;
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return `The DHCP server cannot use ${where}: another program has it; stop that program first.`;
    case 'EACCES':
      return `The DHCP server may not use ${where}: start it inside the lab's network namespace.`;
    case 'EADDRNOTAVAIL':
      return `The DHCP server cannot use ${where}: no network interface has that address.`;
    default:
      return `The DHCP server cannot use ${where}: ${messageOf(error)}.`;
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
