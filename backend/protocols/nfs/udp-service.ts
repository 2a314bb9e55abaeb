import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { BufferPool } from './buffer-pool.ts';
import { SMALL_REPLIES } from './buffer-pool.ts';
import { Accept, answer, writeAccepted, type DeferredReply, type RpcCall, type RpcProgram } from './rpc.ts';
import { XdrWriter, type ReplyBuffer } from './xdr.ts';

/** Most data in one datagram, bytes: rtmax for UDP. With its header a reply stays below the 64 KiB of a datagram. */
export const UDP_DATA = 32 * 1024;
/** Replies on their way. Requests that come while there are more are dropped; their senders will ask again. */
const MOST_REPLIES = 64;
const RECEIVE_BUFFER = 1024 * 1024;

export interface UdpParts {
  address: string;
  port: number;
  programs: readonly RpcProgram[];
  pool: BufferPool;
  /** The call that requests of `client` are decoded into. */
  callOf: (client: string) => RpcCall;
  /** Called after each request. */
  onServed: (client: string) => void;
}

/** Answers RPC calls that come as datagrams on one port. */
export class UdpService {
  readonly #parts: UdpParts;
  readonly #socket: Socket;
  #replies = 0;
  #closed = false;

  constructor(parts: UdpParts) {
    this.#parts = parts;
    this.#socket = createSocket('udp4');
  }

  /** Rejects with the system's error when the port cannot be had. */
  async start(): Promise<void> {
    const socket = this.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(this.#parts.port, this.#parts.address, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.setRecvBufferSize(RECEIVE_BUFFER);
    // Such as ECONNREFUSED by a client that is gone: nothing to be done about it.
    socket.on('error', () => {});
    socket.on('message', (message, from) => this.#onMessage(message, from));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #onMessage(message: Buffer, from: RemoteInfo): void {
    if (this.#replies >= MOST_REPLIES || from.port === 0) return;
    const { pool, programs, callOf, onServed } = this.#parts;
    const call = callOf(from.address);
    call.handles.renew();
    const buffer = pool.take(SMALL_REPLIES);
    const out = new XdrWriter(buffer);
    const answered = answer(call, programs, out, message, 0, message.length);
    onServed(from.address);
    if (!answered) return pool.give(buffer);
    this.#replies++;
    if (call.deferred) void this.#answerLater(call.deferred, call.xid, buffer, from);
    else this.#send(buffer, out.position, from);
  }

  async #answerLater(
    deferred: DeferredReply,
    xid: number,
    buffer: ReplyBuffer,
    to: RemoteInfo,
  ): Promise<void> {
    const out = new XdrWriter(buffer);
    await deferred.ready?.catch(() => {});
    writeAccepted(out, xid, deferred.accept ?? Accept.success);
    try {
      await deferred.complete(out);
    } catch {
      out.rewind(0);
      writeAccepted(out, xid, Accept.systemError);
    }
    this.#send(buffer, out.position, to);
  }

  #send(buffer: ReplyBuffer, length: number, to: RemoteInfo): void {
    const done = (): void => {
      this.#replies--;
      this.#parts.pool.give(buffer);
    };
    if (this.#closed) return done();
    this.#socket.send(buffer.bytes, 0, length, to.port, to.address, done);
  }
}
