/** What one direction of a shaped link does; absent: nothing. */
export interface LinkLimits {
  /** ms that a frame is under way after it was sent */
  delayMs?: number | undefined;
  /** bits per second; Ethernet headers count, preamble and checksum do not */
  bandwidth?: number | undefined;
  /** probability that a frame is lost, 0 to 1 */
  loss?: number | undefined;
}

/** Frames wait for the link at most this long, as in a switch with a small buffer; but a few always may. */
const QUEUE_MS = 100;
const QUEUE_BYTES = 24 << 10;
/** All that may be in one direction of a link at a time: 100 ms at 2.5 Gbit/s. More is dropped. */
const MOST_BYTES = 32 << 20;
/** What a waiting frame costs beside its bytes, roughly. */
const FRAME_COST = 256;

/**
 * One direction of a wire: frames leave it in order, each when the link has sent it and the delay has passed. Times are in
 * ms on any one clock. A frame's time is computed from those of its predecessors, not from when `take` is called: calls
 * that come late make no frame after it later, so the rate is exact.
 */
export class ShapedLink {
  readonly #limits: LinkLimits;
  readonly #random: () => number;
  #frames: { bytes: Buffer; due: number }[] = [];
  #first = 0;
  #held = 0;
  /** when the link has sent all that it has accepted */
  #free = 0;

  constructor(limits: LinkLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Takes a frame as it arrives; false when it is lost, by chance or for want of room. `size`: bytes that the link sends. */
  offer(bytes: Buffer, now: number, size = bytes.length): boolean {
    const { delayMs = 0, bandwidth, loss = 0 } = this.#limits;
    if (loss > 0 && this.#random() < loss) return false;
    if (this.#held + bytes.length + FRAME_COST > MOST_BYTES) return false;
    const start = Math.max(this.#free, now);
    if (bandwidth !== undefined) {
      const room = Math.max(QUEUE_BYTES, (bandwidth / 8000) * QUEUE_MS);
      if ((start - now) * (bandwidth / 8000) + size > room) return false;
      this.#free = start + size / (bandwidth / 8000);
    } else this.#free = start;
    this.#frames.push({ bytes, due: this.#free + delayMs });
    this.#held += bytes.length + FRAME_COST;
    return true;
  }

  /** The next frame that has arrived by `now`. */
  take(now: number): Buffer | undefined {
    const frame = this.#frames[this.#first];
    if (frame === undefined || frame.due > now) return undefined;
    this.#first++;
    this.#held -= frame.bytes.length + FRAME_COST;
    if (this.#first > 1024 && this.#first * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#first);
      this.#first = 0;
    }
    return frame.bytes;
  }

  /** When the next frame arrives; undefined when none is under way. */
  get due(): number | undefined {
    return this.#frames[this.#first]?.due;
  }

  /** Bytes under way, with what they cost beside. */
  get held(): number {
    return this.#held;
  }
}
