import { systemCode } from '../../errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { ByteQueue } from './byte-queue.ts';
import { Command, CommandFlag, MOST_DATA, NbdError, REQUEST_HEAD } from './constants.ts';
import type { NbdStore } from './export.ts';
import type { Outbox } from './outbox.ts';
import { DATA_HEAD, errorChunk, holeChunk, simpleReply, writeDataHead } from './replies.ts';
import { check, decodeRequest, type Request, type Terms } from './request.ts';
import { WriteJob, type Piece } from './write-job.ts';

/** Requests of one connection that may be under way. */
const MOST_REQUESTS = 32;
/** Bytes of data under way and of replies that wait; nothing is begun while there are more. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Longer reads are made piece by piece, while nothing else of the connection is under way. */
const LONG_READ = 2 * 1024 * 1024;
/** What a client reads alone is read at once, up to so many bytes: others wait as long as a disk takes for these. */
const QUICK_READ = 128 * 1024;

export interface TransmissionParts {
  queue: ByteQueue;
  outbox: Outbox;
  pool: BufferPool;
  store: NbdStore;
  terms: Terms;
  /** `work` may be called again */
  onProgress: () => void;
  /** The connection is to be closed when all is sent; no cause when the client wished so. */
  onEnd: (cause: string | undefined) => void;
  /** The store could not do what a request asks for. The client has its answer. */
  onFailure: (error: unknown) => void;
}

/**
 * The transmission phase of one connection. Requests are carried out at the same time and answered as they end. What is
 * under way is bounded: past that, what the client sends is left to wait in the network.
 */
export class Transmission {
  bytesRead = 0;
  bytesWritten = 0;
  readonly #parts: TransmissionParts;
  #underWay = 0;
  #bytes = 0;
  /** The WRITE whose data is coming in. */
  #writing: WriteJob | undefined;
  /** A request that waits until nothing else is under way. */
  #held: Request | undefined;
  #isAlone = false;
  #isEnded = false;
  #onIdle: () => void = () => {};
  #onRoom: () => void = () => {};

  constructor(parts: TransmissionParts) {
    this.#parts = parts;
  }

  /** Begins what can be begun. True: more bytes are needed. False: `onProgress` will come. */
  work(): boolean {
    const { queue, outbox } = this.#parts;
    if (outbox.waiting <= LONG_READ) this.#onRoom();
    while (!this.#isEnded && !this.#isAlone && !this.#isCongested()) {
      if (this.#held) {
        if (this.#underWay > 0) return false;
        this.#workAlone(this.#held);
      } else if (this.#writing) {
        this.#takeData(this.#writing);
        if (this.#writing && queue.length === 0) return true;
      } else {
        if (queue.length < REQUEST_HEAD) return true;
        this.#begin(decodeRequest(queue.take(REQUEST_HEAD)));
      }
    }
    return false;
  }

  /** The client is gone. Ends when nothing uses the store any more. */
  async abandon(): Promise<void> {
    this.#isEnded = true;
    this.#onRoom();
    if (this.#writing) this.#dropWriting(this.#writing);
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #isCongested(): boolean {
    return this.#underWay >= MOST_REQUESTS || this.#bytes + this.#parts.outbox.waiting > MOST_BYTES;
  }

  #begin(request: Request | undefined): void {
    if (!request) return this.#end('not an NBD request');
    const { command, length } = request;
    if (command === Command.disconnect) return void (this.#held = request);
    const error = check(request, this.#parts.terms);
    if (command === Command.write) return this.#beginWrite(request, error);
    if (error !== NbdError.none) return this.#reply(request, error);
    if (command !== Command.read) return void this.#carryOut(request, () => this.#change(request));
    if (this.#parts.terms.structured && this.#parts.store.isHole(request.offset, length)) {
      return this.#parts.outbox.send(holeChunk(request));
    }
    if (length <= LONG_READ) return void this.#carryOut(request, () => this.#read(request));
    if (request.flags & CommandFlag.df) return this.#reply(request, NbdError.overflow);
    this.#held = request;
  }

  /** Never rejects: an error of the store is the reply. */
  async #carryOut(request: Request, work: () => Promise<void>): Promise<void> {
    this.#underWay++;
    try {
      await work();
    } catch (error) {
      this.#reply(request, this.#failure(error));
    }
    this.#done();
  }

  #done(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.#onIdle();
    this.#parts.onProgress();
  }

  async #change(request: Request): Promise<void> {
    const { store } = this.#parts;
    const { command, flags, offset, length } = request;
    if (command === Command.trim) await store.trim(offset, length);
    else if (command === Command.writeZeroes) {
      await store.zero(offset, length, (flags & CommandFlag.noHole) !== 0);
    }
    if (command === Command.flush || flags & CommandFlag.fua) await store.flush();
    this.#reply(request, NbdError.none);
  }

  async #read(request: Request): Promise<void> {
    const isLone = this.#underWay === 1 && this.#parts.queue.length === 0 && request.length <= QUICK_READ;
    const buffer = await this.#fill(request.offset, request.length, isLone);
    const start = writeDataHead(buffer, request, this.#parts.terms.structured, true);
    this.#parts.outbox.send(buffer.subarray(start, DATA_HEAD + request.length), buffer);
    this.bytesRead += request.length;
  }

  /** A pooled buffer with room for a head and then the bytes of a range. */
  async #fill(offset: number, length: number, isLone = false): Promise<Buffer> {
    const { pool, store } = this.#parts;
    const buffer = pool.take(DATA_HEAD + length);
    this.#bytes += length;
    try {
      await store.read(buffer.subarray(DATA_HEAD, DATA_HEAD + length), offset, isLone);
      return buffer;
    } catch (error) {
      pool.give(buffer);
      throw error;
    } finally {
      this.#bytes -= length;
    }
  }

  #workAlone(request: Request): void {
    this.#held = undefined;
    if (request.command === Command.disconnect) return this.#end(undefined);
    this.#isAlone = true;
    void this.#carryOut(request, async () => {
      try {
        await this.#readLong(request);
      } finally {
        this.#isAlone = false;
      }
    });
  }

  /** A structured reply may come in several chunks; a simple one has one head, and then no way to tell of an error. */
  async #readLong(request: Request): Promise<void> {
    const { outbox, terms } = this.#parts;
    const end = request.offset + request.length;
    for (let offset = request.offset; offset < end && !this.#isEnded; offset += LONG_READ) {
      const length = Math.min(LONG_READ, end - offset);
      const isFirst = offset === request.offset;
      try {
        const buffer = await this.#fill(offset, length);
        const part = terms.structured ? { ...request, offset, length } : request;
        const start = writeDataHead(buffer, part, terms.structured, offset + length === end);
        const hasHead = terms.structured || isFirst;
        outbox.send(buffer.subarray(hasHead ? start : DATA_HEAD, DATA_HEAD + length), buffer);
      } catch (error) {
        if (terms.structured || isFirst) throw error;
        return this.#end('the store failed within a reply');
      }
      this.bytesRead += length;
      if (outbox.waiting > LONG_READ) await new Promise<void>((resolve) => (this.#onRoom = resolve));
    }
  }

  #beginWrite(request: Request, error: NbdError): void {
    if (request.length > MOST_DATA) return this.#end('a WRITE of more than 32 MiB');
    this.#underWay++;
    this.#writing = new WriteJob(request, error, this.#parts.pool);
    if (this.#writing.isReceived) this.#takeData(this.#writing);
  }

  #takeData(job: WriteJob): void {
    const piece = job.take(this.#parts.queue);
    if (job.isReceived) this.#writing = undefined;
    if (piece) void this.#store(job, piece);
    else if (job.isReceived && job.pending === 0) void this.#finishWrite(job);
  }

  /** Never rejects. */
  async #store(job: WriteJob, piece: Piece): Promise<void> {
    const { pool, store } = this.#parts;
    const { data, position, pooled } = piece;
    job.pending++;
    this.#bytes += data.length;
    try {
      await store.write(data, position);
      this.bytesWritten += data.length;
    } catch (error) {
      job.error = this.#failure(error);
    }
    this.#bytes -= data.length;
    if (pooled) pool.give(pooled);
    job.pending--;
    if (job.isReceived && job.pending === 0) await this.#finishWrite(job);
    else this.#parts.onProgress();
  }

  /** Never rejects. */
  async #finishWrite(job: WriteJob): Promise<void> {
    const { request } = job;
    if (job.error === NbdError.none && request.flags & CommandFlag.fua) {
      try {
        await this.#parts.store.flush();
      } catch (error) {
        job.error = this.#failure(error);
      }
    }
    this.#reply(request, job.error);
    this.#done();
  }

  /** The rest of its data will never come; pieces that the store has are waited for. */
  #dropWriting(job: WriteJob): void {
    this.#writing = undefined;
    job.abandon();
    if (job.pending === 0) this.#done();
  }

  #reply(request: Request, error: NbdError): void {
    const isChunk = request.command === Command.read && this.#parts.terms.structured;
    this.#parts.outbox.send(isChunk ? errorChunk(request, error) : simpleReply(request, error));
  }

  #failure(error: unknown): NbdError {
    this.#parts.onFailure(error);
    return nbdErrorOf(error);
  }

  #end(cause: string | undefined): void {
    this.#isEnded = true;
    this.#parts.queue.clear();
    this.#parts.onEnd(cause);
  }
}

function nbdErrorOf(error: unknown): NbdError {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return NbdError.noSpace;
    case 'ENOMEM':
      return NbdError.noMemory;
    default:
      return NbdError.io;
  }
}
