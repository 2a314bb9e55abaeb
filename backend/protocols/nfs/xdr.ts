/**
 * XDR (RFC 4506) over byte arrays. Reading never throws: a read past the end sets `bad` and gives zeros, and whoever
 * decodes looks at `bad` once, after the last argument.
 */
export class XdrReader {
  bytes: Uint8Array = new Uint8Array(0);
  position = 0;
  end = 0;
  bad = false;
  /** Where the last `opaque` lies in `bytes`. */
  opaqueStart = 0;
  opaqueEnd = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.bad = false;
    this.opaqueStart = start;
    this.opaqueEnd = start;
  }

  u32(): number {
    const at = this.position;
    if (at + 4 > this.end) return this.#fail();
    this.position = at + 4;
    const bytes = this.bytes;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  /** An unsigned hyper as a number: exact below 2^53, near enough above to be seen as too large. */
  u64(): number {
    return this.u32() * 0x1_0000_0000 + this.u32();
  }

  skip(length: number): void {
    if (length > this.end - this.position) this.#fail();
    else this.position += length;
  }

  /** Variable-length opaque or string of at most `limit` bytes; returns its length and sets opaqueStart and -End. */
  opaque(limit: number): number {
    const length = this.u32();
    const left = this.end - this.position;
    if (this.bad || length > limit || length > left || ((length + 3) & ~3) > left) {
      this.opaqueStart = this.opaqueEnd = this.end;
      return this.#fail();
    }
    this.opaqueStart = this.position;
    this.opaqueEnd = this.position + length;
    this.position += (length + 3) & ~3;
    return length;
  }

  /** The last opaque as text. */
  text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString(
      'utf8',
      this.opaqueStart,
      this.opaqueEnd,
    );
  }

  #fail(): number {
    this.bad = true;
    this.position = this.end;
    return 0;
  }
}

/** Memory that replies are written to: the same bytes seen three ways. */
export class ReplyBuffer {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly words: Uint32Array;

  /** @param size bytes, a multiple of 4 */
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer, 0, size);
    this.words = new Uint32Array(this.bytes.buffer, 0, size / 4);
  }
}

/** What a writer holds that has nothing to write to yet. */
export const NO_BUFFER = new ReplyBuffer(0);

/**
 * Writes XDR into a reply buffer. Whoever writes more than a few hundred bytes first calls `reserve`; a write
 * beyond the buffer throws a RangeError, which the dispatcher answers with SYSTEM_ERR.
 */
export class XdrWriter {
  protected buffer: ReplyBuffer;
  position = 0;
  /** Where the current reply begins. */
  protected start = 0;

  constructor(buffer: ReplyBuffer) {
    this.buffer = buffer;
  }

  /** A place in the current reply, to go back to: still right after `reserve` has moved the reply. */
  mark(): number {
    return this.position - this.start;
  }

  rewind(mark: number): void {
    this.position = this.start + mark;
  }

  get bytes(): Buffer {
    return this.buffer.bytes;
  }

  /** Makes sure that `length` more bytes fit. May move what was written of this reply to another buffer. */
  reserve(length: number): void {
    if (length > this.buffer.bytes.length - this.position) this.makeRoom(length);
  }

  u32(value: number): void {
    this.buffer.view.setUint32(this.position, value);
    this.position += 4;
  }

  /** A non-negative safe integer as an unsigned hyper. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_0000_0000));
    this.u32(value >>> 0);
  }

  bool(value: boolean): void {
    this.u32(value ? 1 : 0);
  }

  /** Copies `count` words that are in network order already. */
  words(source: Uint32Array, from: number, count: number): void {
    const target = this.buffer.words;
    let to = this.position >>> 2;
    if (to + count > target.length) throw new RangeError('reply buffer is full');
    for (let index = from; index < from + count; index++) target[to++] = source[index]!;
    this.position += count * 4;
  }

  /** Variable-length opaque: length, bytes, zero padding. */
  opaque(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.u32(length);
    if (this.position + length + 4 > this.bytes.length) throw new RangeError('reply buffer is full');
    const target = this.buffer.bytes;
    let at = this.position;
    for (let index = start; index < end; index++) target[at++] = source[index]!;
    this.position = at;
    this.pad(length);
  }

  /** Bytes that are XDR already. */
  raw(source: Uint8Array): void {
    if (this.position + source.length > this.bytes.length) throw new RangeError('reply buffer is full');
    this.bytes.set(source, this.position);
    this.position += source.length;
  }

  /** Zero bytes up to the next multiple of four after an opaque of `length` bytes. */
  pad(length: number): void {
    for (let rest = -length & 3; rest > 0; rest--) this.buffer.bytes[this.position++] = 0;
  }

  protected makeRoom(length: number): void {
    throw new RangeError(`${length} more bytes do not fit the reply`);
  }
}
