import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { portError } from '../bind.ts';

/** Connections that one address may have, and that all may have together; more are closed at once (RFC 7766 §6.2.2). */
const MOST_PER_CLIENT = 16;
const MOST_TOGETHER = 256;
const IDLE_MS = 10_000;
/** A query with one question and its options is far shorter; a longer message ends the connection. */
const MOST_QUERY_BYTES = 4096;
/** Bytes of answers that a client has not taken: no further query of its is read before. */
const MOST_UNSENT = 64 << 10;

export interface DnsTcpOptions {
  address: string;
  port: number;
  /** The answer to one message, or nothing. Must not throw, nor its promise reject. */
  answer: (message: Buffer, client: string) => Buffer | undefined | Promise<Buffer | undefined>;
  log: (line: string) => void;
}

/** DNS over TCP (RFC 7766): messages with a length of two bytes before them, several on a connection, in order. */
export class DnsTcp {
  readonly #options: DnsTcpOptions;
  readonly #server: Server;
  readonly #open = new Map<Socket, string>();

  constructor(options: DnsTcpOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Throws `dns.port` when the port cannot be had. */
  async start(): Promise<void> {
    const { address, port, log } = this.#options;
    try {
      const listening = once(this.#server, 'listening');
      this.#server.listen(port, address);
      await listening;
    } catch (error) {
      throw portError(error, { name: 'DNS', transport: 'TCP', address, port });
    }
    // Such as a connection that cannot be accepted for want of memory: the others go on.
    this.#server.on('error', (error) => log(`TCP port ${port}: ${error.message}`));
  }

  /** Resets the connections of a client that is gone. */
  drop(client: string): void {
    for (const [socket, owner] of this.#open) if (owner === client) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#open.keys()) socket.resetAndDestroy();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    // A peer that resets a connection is no event for us; `close` follows and says all.
    socket.on('error', () => socket.destroy());
    const client = socket.remoteAddress ?? '';
    const own = [...this.#open.values()].filter((owner) => owner === client).length;
    if (client === '' || own >= MOST_PER_CLIENT || this.#open.size >= MOST_TOGETHER) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, client);
    socket.once('close', () => this.#open.delete(socket));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.setNoDelay(true);
    serve(socket, (message) => this.#options.answer(message, client));
  }
}

type Answer = (message: Buffer) => ReturnType<DnsTcpOptions['answer']>;

function serve(socket: Socket, answer: Answer): void {
  let waiting: Buffer = Buffer.alloc(0);
  let isAsking = false;
  const work = async (): Promise<void> => {
    while (waiting.length >= 2 && !socket.destroyed) {
      if (socket.writableLength > MOST_UNSENT) {
        socket.pause();
        return;
      }
      const length = waiting.readUInt16BE(0);
      if (length > MOST_QUERY_BYTES) {
        socket.destroy();
        return;
      }
      if (waiting.length < 2 + length) return;
      const asked = answer(waiting.subarray(2, 2 + length));
      waiting = waiting.subarray(2 + length);
      const reply = asked instanceof Promise ? await later(asked) : asked;
      if (reply) socket.write(framed(reply));
      else socket.destroy();
    }
  };
  /** Answers keep the order of their questions: nothing is read while another server is asked. */
  const later = async (asked: Promise<Buffer | undefined>): Promise<Buffer | undefined> => {
    isAsking = true;
    socket.pause();
    const reply = await asked;
    isAsking = false;
    socket.resume();
    return reply;
  };
  socket.on('data', (chunk: Buffer) => {
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
    if (!isAsking) void work();
  });
  socket.on('drain', () => {
    if (isAsking) return;
    void work();
    if (socket.writableLength <= MOST_UNSENT) socket.resume();
  });
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
}
