import type { RemoteInfo, Socket } from 'node:dgram';
import { bindUdp, portError } from '../bind.ts';

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

/** Throws `dhcp.port`. */
function bound(address: string, port: number, reuseAddr: boolean): Promise<Socket> {
  // A storm of nodes that power on together waits in the buffer while a reply is made.
  return bindUdp(address, port, { reuseAddr, recvBufferSize: 1 << 20 }).catch((error: unknown) => {
    throw portError(error, { name: 'DHCP', transport: 'UDP', address, port });
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
