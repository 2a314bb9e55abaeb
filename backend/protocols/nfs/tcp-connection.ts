import type { Socket } from 'node:net';
import type { Activity } from './activity.ts';
import type { BufferPool } from './buffer-pool.ts';
import { isWrite } from './nfs3-share.ts';
import { RecordReader } from './record-reader.ts';
import { ReplyBatch } from './reply-batch.ts';
import { Accept, answer, writeAccepted } from './rpc.ts';
import type { DeferredReply, RpcCall, RpcProgram, StreamedReply } from './rpc.ts';
import { SendQueue } from './send-queue.ts';

/** Bytes of buffers that may wait for a client; nothing more is done for it while there are more. */
const MOST_WAITING = 1024 * 1024;
/** Bytes of buffers that may wait for a disk. */
const MOST_DEFERRED = 4 * 1024 * 1024;
const KEEPALIVE_MS = 15_000;

/** Answers the RPC calls of one TCP connection. */
export class TcpConnection {
  readonly #socket: Socket;
  readonly #call: RpcCall;
  readonly #programs: readonly RpcProgram[];
  readonly #pool: BufferPool;
  readonly #activity: Activity;
  readonly #records: RecordReader;
  readonly #queue: SendQueue;
  readonly #batch: ReplyBatch;
  /** The reply that is being sent piece by piece; no other is begun before its end. */
  #streamed: StreamedReply | undefined;
  /** bytes of buffers that data is being read into from a disk */
  #deferredBytes = 0;
  #paused = false;

  constructor(
    socket: Socket,
    call: RpcCall,
    programs: readonly RpcProgram[],
    pool: BufferPool,
    activity: Activity,
  ) {
    this.#socket = socket;
    this.#call = call;
    this.#programs = programs;
    this.#pool = pool;
    this.#activity = activity;
    this.#records = new RecordReader(isWrite, (length) => pool.takeRecord(length));
    this.#queue = new SendQueue(socket, pool, () => this.#resume());
    this.#batch = new ReplyBatch(pool, this.#queue.send);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#queue.abandon();
      activity.end();
    });
  }

  #onData(chunk: Buffer): void {
    this.#records.feed(chunk);
    this.#work();
  }

  /** Answers the records of the current chunk until none is left or too much waits. */
  #work(): void {
    this.#call.handles.renew();
    while (!this.#congested()) {
      if (this.#streamed) {
        if (!this.#sendPiece(this.#streamed)) return this.#abort();
      } else if (!this.#records.next()) return this.#finish();
      else if (!this.#answerRecord()) return this.#abort();
    }
    this.#batch.flush();
    this.#paused = true;
    this.#socket.pause();
    // What flush handed over may have gone out at once: then nobody else would call.
    if (!this.#congested()) setImmediate(() => this.#resume());
  }

  #finish(): void {
    this.#batch.flush();
    if (this.#records.bad) return this.#abort();
    this.#activity.note();
  }

  /** A stream that is not RPC, or no longer: nothing that follows can be trusted. */
  #abort(): void {
    this.#batch.flush();
    this.#socket.destroy();
  }

  #congested(): boolean {
    const { waiting } = this.#queue;
    if (waiting > MOST_WAITING || this.#deferredBytes > MOST_DEFERRED) return true;
    return waiting + this.#deferredBytes > 0 && this.#pool.scarce;
  }

  #resume(): void {
    if (!this.#paused || this.#socket.destroyed || this.#congested()) return;
    this.#paused = false;
    this.#work();
    if (!this.#paused) this.#socket.resume();
  }

  #answerRecord(): boolean {
    const { bytes, start, end } = this.#records;
    const batch = this.#batch;
    batch.beginRecord();
    this.#call.isAlone = this.#records.isAlone;
    const answered = answer(this.#call, this.#programs, batch, bytes, start, end);
    const { deferred, streamed, xid } = this.#call;
    if (!answered || deferred) batch.cancelRecord();
    else batch.endRecord(streamed?.length);
    this.#streamed = streamed;
    if (deferred) void this.#answerLater(deferred, xid);
    return answered;
  }

  #sendPiece(streamed: StreamedReply): boolean {
    const state = streamed.writePiece(this.#batch);
    this.#batch.flush();
    if (state !== 'more') this.#streamed = undefined;
    return state !== 'failed';
  }

  /** Never rejects. The buffer is given on only when nobody reads into it any more, even if the client is gone. */
  async #answerLater(deferred: DeferredReply, xid: number): Promise<void> {
    if (deferred.ready) await this.#hold(deferred.ready, deferred.held ?? 0);
    const reply = new ReplyBatch(this.#pool, this.#queue.send);
    reply.beginRecord();
    writeAccepted(reply, xid, deferred.accept ?? Accept.success);
    reply.reserve(deferred.size);
    const bytes = reply.capacity;
    this.#deferredBytes += bytes;
    try {
      await deferred.complete(reply);
    } catch {
      reply.cancelRecord();
      reply.beginRecord();
      writeAccepted(reply, xid, Accept.systemError);
    }
    if (deferred.spare) this.#pool.giveRecord(deferred.spare);
    reply.endRecord();
    this.#deferredBytes -= bytes;
    reply.flush();
    this.#resume();
  }

  /** Never rejects: whoever completes the reply meets the error. */
  async #hold(ready: Promise<void>, bytes: number): Promise<void> {
    this.#deferredBytes += bytes;
    this.#pool.hold(bytes);
    await ready.catch(() => {});
    this.#pool.hold(-bytes);
    this.#deferredBytes -= bytes;
  }
}
