import type { BufferPool } from './buffer-pool.ts';
import { PLAIN_REPLY } from './rpc.ts';
import { NO_BUFFER, XdrWriter, type ReplyBuffer } from './xdr.ts';

const LAST_FRAGMENT = 0x8000_0000;
const RECORD_MARK = 4;

/** Takes over `buffer`; its first `length` bytes are to be sent. */
type Send = (buffer: ReplyBuffer, length: number) => void;

/**
 * Collects the replies to one chunk of requests in one buffer, so that they leave in one write. A reply that does not
 * fit sends those before it and goes on in another buffer.
 */
export class ReplyBatch extends XdrWriter {
  readonly #pool: BufferPool;
  readonly #send: Send;

  constructor(pool: BufferPool, send: Send) {
    super(NO_BUFFER);
    this.#pool = pool;
    this.#send = send;
  }

  beginRecord(): void {
    this.start = this.position;
    this.reserve(RECORD_MARK + PLAIN_REPLY);
    this.position += RECORD_MARK;
  }

  /** @param following bytes of the record that are written later, as pieces */
  endRecord(following = 0): void {
    const length = this.position - this.start - RECORD_MARK + following;
    this.buffer.view.setUint32(this.start, (LAST_FRAGMENT | length) >>> 0);
  }

  /** Takes the current record back. */
  cancelRecord(): void {
    this.position = this.start;
  }

  /** bytes of the buffer that is being filled */
  get capacity(): number {
    return this.buffer.bytes.length;
  }

  /** Sends what there is and gives up the buffer. */
  flush(): void {
    const { buffer, position } = this;
    if (buffer === NO_BUFFER) return;
    this.buffer = NO_BUFFER;
    this.position = this.start = 0;
    if (position > 0) this.#send(buffer, position);
    else this.#pool.give(buffer);
  }

  protected override makeRoom(length: number): void {
    const { buffer, position, start } = this;
    const begun = position - start;
    const next = this.#pool.take(begun + length);
    buffer.bytes.copy(next.bytes, 0, start, position);
    this.buffer = next;
    this.start = 0;
    this.position = begun;
    if (buffer === NO_BUFFER) return;
    if (start > 0) this.#send(buffer, start);
    else this.#pool.give(buffer);
  }
}
