import { ReplyBuffer } from './xdr.ts';

const KIB = 1024;
/** Room for the replies to one chunk of small requests; for one piece of a long reply; for the longest reply. */
const SIZES = [128 * KIB, (512 + 16) * KIB, (1024 + 16) * KIB] as const;
export const SMALL_REPLIES = SIZES[0];
export const LARGEST_REPLY = SIZES[2];

/** Room for a WRITE of 1 MiB, and what smaller ones are not worth. */
const RECORD = (1024 + 16) * KIB;
const LEAST_RECORD = 256 * KIB;

/** Free buffers kept of each size; 13.3 MiB in all. */
const KEEP = 8;
/** Bytes that may be in use before clients are held back to one buffer each. */
const PLENTY = 32 * KIB * KIB;

/** Reply buffers, used again last in, first out, so that the next one is still in the processor's cache. */
export class BufferPool {
  readonly #free = new Map<number, ReplyBuffer[]>(SIZES.map((size) => [size, []]));
  readonly #records: Uint8Array<ArrayBuffer>[] = [];
  /** bytes of buffers taken and neither given back nor forgotten */
  #inUse = 0;

  /** True while many clients together leave many replies unread. */
  get scarce(): boolean {
    return this.#inUse > PLENTY;
  }

  /** Counts `bytes` that belong to no buffer as in use. */
  hold(bytes: number): void {
    this.#inUse += bytes;
  }

  /** @throws RangeError when no buffer is that large */
  take(atLeast: number): ReplyBuffer {
    const size = SIZES.find((candidate) => candidate >= atLeast);
    if (size === undefined) throw new RangeError(`no reply has ${atLeast} bytes`);
    this.#inUse += size;
    return this.#free.get(size)?.pop() ?? new ReplyBuffer(size);
  }

  /** Nothing may hold `buffer` any more, the kernel included. */
  give(buffer: ReplyBuffer): void {
    this.forget(buffer);
    const free = this.#free.get(buffer.bytes.length);
    if (free && free.length < KEEP) free.push(buffer);
  }

  /** Memory for a WRITE that comes in pieces. To have it new from the kernel each time takes longer than to fill it. */
  takeRecord(length: number): Uint8Array<ArrayBuffer> {
    if (length < LEAST_RECORD || length > RECORD) return new Uint8Array(length);
    return this.#records.pop() ?? new Uint8Array(RECORD);
  }

  /** Memory that `takeRecord` gave, or that it never saw. */
  giveRecord(memory: ArrayBuffer): void {
    if (memory.byteLength === RECORD && this.#records.length < KEEP)
      this.#records.push(new Uint8Array(memory));
  }

  /** `buffer` may still be in use by a connection that is closing: it is left to the garbage collector. */
  forget(buffer: ReplyBuffer): void {
    this.#inUse -= buffer.bytes.length;
  }
}
