import type { RemoteInfo, Socket } from 'node:dgram';
import { bindUdp, portError } from './bind.ts';

/** bytes that may wait for a slow or shaped interface; more answers are dropped, and clients ask again */
const MOST_QUEUED = 1 << 20;

export interface UdpServiceOptions {
  /** what users call the service, such as `DNS`; in lower case it is the error code's noun */
  name: string;
  /** dotted; answers come from this address */
  address: string;
  port: number;
  /** bytes that may wait for this process; the kernel has a limit */
  recvBufferSize?: number;
  /** The answer to one datagram, or nothing. Called for whatever arrives, so it must not throw, nor its promise reject. */
  answer: (packet: Buffer, client: string) => Buffer | undefined | Promise<Buffer | undefined>;
}

/** A UDP service in which each datagram gets one answer at most. */
export class UdpService {
  readonly #options: UdpServiceOptions;
  #socket: Socket | undefined;

  constructor(options: UdpServiceOptions) {
    this.#options = options;
  }

  /** Throws `<name>.port` when the port cannot be had. */
  async start(): Promise<void> {
    const { name, address, port, recvBufferSize } = this.#options;
    const socket = await bindUdp(address, port, recvBufferSize ? { recvBufferSize } : {}).catch(
      (error: unknown) => {
        throw portError(error, { name, transport: 'UDP', address, port });
      },
    );
    socket.on('message', (packet, from) => this.#receive(packet, from));
    socket.on('error', () => {
      // Errors of single packets (an unreachable client) concern no other client.
    });
    this.#socket = socket;
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    const socket = this.#socket;
    // Port 0 means that no answer is wanted (RFC 768), and Node throws on sending there.
    if (!socket || from.port === 0 || socket.getSendQueueSize() > MOST_QUEUED) return;
    const reply = this.#options.answer(packet, from.address);
    if (reply instanceof Promise) void reply.then((late) => this.#send(late, from));
    else this.#send(reply, from);
  }

  #send(reply: Buffer | undefined, { port, address }: RemoteInfo): void {
    if (reply) this.#socket?.send(reply, port, address, ignore);
  }
}

function ignore(): void {
  // An answer that cannot be sent is lost like one that the network loses.
}
