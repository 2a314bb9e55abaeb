import type { RemoteInfo, Socket } from 'node:dgram';
import { once } from 'node:events';
import { bindUdp } from '../bind.ts';
import { decode, encodeError, ErrorCode } from './packets.ts';

/**
 * The port of one transfer. Two sockets share it: one connected to the client, which costs least to send on and which the
 * kernel keeps clear of anybody else, and one that tells everybody else ERROR 5 (RFC 1350 §4).
 */
export class TransferSocket {
  readonly #connected: Socket;
  readonly #strangers: Socket;

  private constructor(connected: Socket, strangers: Socket) {
    this.#connected = connected;
    this.#strangers = strangers;
  }

  /** Rejects with the system's error. */
  static async open(address: string, client: { address: string; port: number }): Promise<TransferSocket> {
    const strangers = await bindUdp(address, 0, { reuseAddr: true });
    strangers.on('message', (packet, from) => answerStranger(strangers, packet, from));
    strangers.on('error', ignore);
    try {
      const connected = await bindUdp(address, strangers.address().port, { reuseAddr: true });
      const ready = once(connected, 'connect');
      connected.connect(client.port, client.address);
      await ready;
      return new TransferSocket(connected, strangers);
    } catch (error) {
      strangers.close();
      throw error;
    }
  }

  /** `onError`: the client's port is closed, or the network is gone. */
  listen(onPacket: (packet: Buffer) => void, onError: (error: Error) => void): void {
    this.#connected.on('message', onPacket);
    this.#connected.on('error', onError);
  }

  /** False: the kernel has not taken the packet yet and still needs its bytes. */
  send(packet: Uint8Array): boolean {
    this.#connected.send(packet);
    return this.#connected.getSendQueueCount() === 0;
  }

  get isIdle(): boolean {
    return this.#connected.getSendQueueCount() === 0;
  }

  /** `last` is sent before, if given. */
  close(last?: Uint8Array): void {
    this.#strangers.close();
    if (last) this.#connected.send(last, () => this.#connected.close());
    else this.#connected.close();
  }
}

function answerStranger(socket: Socket, packet: Buffer, from: RemoteInfo): void {
  // Nobody can answer to port 0, and the attempt throws.
  if (from.port === 0) return;
  const message = decode(packet);
  // An ERROR is never answered: two servers would tell each other for ever.
  if (!message || message.op === 'error') return;
  socket.send(encodeError(ErrorCode.unknownTransfer, 'Unknown transfer ID'), from.port, from.address);
}

function ignore(): void {
  // What a stranger's address does with the answer is of no interest.
}
