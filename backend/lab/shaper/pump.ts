import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { FrameSplitter, frameSize } from './frames.ts';
import { ShapedLink, type LinkLimits } from './link.ts';

/** Below this the event loop's timers are too coarse: they count whole ms and come late. */
const COARSE_MS = 2;
/** How long the process sleeps at once while a frame is about to arrive; between, it looks for new frames. */
const FINE_MS = 0.1;
/** Bytes that QEMU has not taken yet; frames beyond are lost, as they are by a card without buffers. */
const MOST_UNSENT = 4 << 20;

const never = new Int32Array(new SharedArrayBuffer(4));

/** Moves frames from one stream of QEMU's to another, as a link with these limits does. */
export class Pump {
  readonly #link: ShapedLink;
  readonly #splitter = new FrameSplitter();
  readonly #target: Socket;
  #timer: NodeJS.Timeout | undefined;
  #isFine = false;

  constructor(source: Socket, target: Socket, limits: LinkLimits) {
    this.#link = new ShapedLink(limits);
    this.#target = target;
    source.on('data', (chunk: Buffer) => {
      if (!this.#take(chunk)) source.destroy();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#isFine = false;
  }

  /** False when the stream is broken. */
  #take(chunk: Buffer): boolean {
    const frames = this.#splitter.push(chunk);
    const now = performance.now();
    for (const frame of frames ?? []) this.#link.offer(frame, now, frameSize(frame));
    this.#send();
    return frames !== undefined;
  }

  /** Sends what is due, and comes back when there is more. */
  #send(): void {
    const target = this.#target;
    const now = performance.now();
    const frames: Buffer[] = [];
    for (let frame = this.#link.take(now); frame !== undefined; frame = this.#link.take(now)) {
      frames.push(frame);
    }
    // One write for all: each has its price.
    if (frames.length > 0 && target.writable && target.writableLength < MOST_UNSENT) {
      target.write(Buffer.concat(frames));
    }
    const { due } = this.#link;
    if (due === undefined || this.#isFine || this.#timer !== undefined || target.destroyed) return;
    const wait = due - performance.now();
    if (wait < COARSE_MS) this.#sendSoon();
    else {
      this.#timer = setTimeout(
        () => {
          this.#timer = undefined;
          this.#send();
        },
        Math.floor(wait - COARSE_MS / 2),
      );
    }
  }

  /** Sleeps less than the event loop can, without keeping a processor busy. */
  #sendSoon(): void {
    this.#isFine = true;
    setImmediate(() => {
      if (!this.#isFine) return;
      const wait = (this.#link.due ?? 0) - performance.now();
      if (wait > 0) Atomics.wait(never, 0, 0, Math.min(wait, FINE_MS));
      this.#isFine = false;
      this.#send();
    });
  }
}
