/** A longer record means a client that does not speak RPC: even a WRITE of 1 MiB is shorter. */
const LONGEST = 4 * 1024 * 1024;
/** Bytes kept of a record that arrives in pieces; only WRITEs are longer and decoded to their end. */
const KEPT = 16 * 1024;
const LAST_FRAGMENT = 0x8000_0000;

/**
 * Splits a TCP stream into RPC records (RFC 5531 §11). A record that lies whole in one chunk is given without a copy.
 * Others are gathered: their first 16 KiB are kept and the rest is passed over, so a connection holds little; a
 * record whose beginning `isWanted` is kept whole.
 */
export class RecordReader {
  /** The record that `next` found: `bytes[start..end)`, valid until the next call. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** The record is alone in its memory, which nobody needs after it. */
  isAlone = false;
  /** Set when the stream cannot be RPC; nothing is found after it. */
  bad = false;

  readonly #isWanted: (beginning: Uint8Array) => boolean;
  readonly #take: (length: number) => Uint8Array;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #header = 0;
  #headerBytes = 0;
  /** bytes of the current fragment that are still to come; meaningful when `#inFragment` */
  #remaining = 0;
  #inFragment = false;
  #last = false;
  #gathered: Uint8Array | undefined;
  #kept = 0;
  #total = 0;

  /** @param take gives memory for at least so many bytes of a record that is wanted */
  constructor(
    isWanted: (beginning: Uint8Array) => boolean = () => false,
    take = (length: number) => new Uint8Array(length),
  ) {
    this.#isWanted = isWanted;
    this.#take = take;
  }

  /** The chunk before must be used up: `next` returned false. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** True when there is one more whole record. */
  next(): boolean {
    if (this.bad) return false;
    return this.#nextInChunk() || this.#nextGathered();
  }

  #nextInChunk(): boolean {
    const chunk = this.#chunk;
    const at = this.#offset;
    if (this.#inFragment || this.#headerBytes > 0 || this.#total > 0 || chunk.length - at < 4) return false;
    const header = (chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!;
    const length = header & 0x7fff_ffff;
    if (header >= 0 || length > chunk.length - at - 4) return false;
    this.bytes = chunk;
    this.start = at + 4;
    this.end = this.#offset = at + 4 + length;
    this.isAlone = false;
    return true;
  }

  #nextGathered(): boolean {
    while (this.#offset < this.#chunk.length) {
      if (!this.#inFragment && !this.#readHeader()) return false;
      this.#gather();
      if (this.#remaining > 0) return false;
      this.#inFragment = false;
      if (this.#last) return this.#finish();
    }
    return false;
  }

  /** False when the header is not complete yet or means nonsense. */
  #readHeader(): boolean {
    while (this.#headerBytes < 4) {
      if (this.#offset >= this.#chunk.length) return false;
      this.#header = ((this.#header << 8) | this.#chunk[this.#offset++]!) >>> 0;
      this.#headerBytes++;
    }
    this.#last = this.#header >= LAST_FRAGMENT;
    this.#remaining = this.#header & 0x7fff_ffff;
    this.#headerBytes = 0;
    this.#header = 0;
    this.#inFragment = true;
    this.#total += this.#remaining;
    this.bad = this.#total > LONGEST;
    return !this.bad;
  }

  #gather(): void {
    const take = Math.min(this.#remaining, this.#chunk.length - this.#offset);
    this.#gathered ??= new Uint8Array(KEPT);
    const rest = this.#keep(this.#gathered, this.#chunk.subarray(this.#offset, this.#offset + take));
    if (rest.length > 0 && this.#isWanted(this.#gathered)) this.#keep(this.#grow(this.#gathered), rest);
    this.#offset += take;
    this.#remaining -= take;
  }

  /** Returns what has no room. */
  #keep(target: Uint8Array, bytes: Uint8Array): Uint8Array {
    const length = Math.min(bytes.length, target.length - this.#kept);
    target.set(bytes.subarray(0, length), this.#kept);
    this.#kept += length;
    return bytes.subarray(length);
  }

  /** Memory that is not touched yet costs nothing: what never arrives is never there. */
  #grow(kept: Uint8Array): Uint8Array {
    const length = Math.min(Math.max(this.#total, kept.length * 2), LONGEST);
    this.#gathered = this.#take(length);
    this.#gathered.set(kept);
    return this.#gathered;
  }

  #finish(): boolean {
    this.bytes = this.#gathered ?? new Uint8Array(0);
    this.start = 0;
    this.end = this.#kept;
    this.isAlone = true;
    this.#gathered = undefined;
    this.#kept = 0;
    this.#total = 0;
    return true;
  }
}
