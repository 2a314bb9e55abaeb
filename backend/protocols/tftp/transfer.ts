/**
 * What a transfer wants done: send the OACK, or the blocks `first` to `last`, or an end. A step is valid until the
 * next call.
 */
export interface Step {
  send: 'nothing' | 'oack' | 'data';
  /** block numbers count from 1 and do not roll over here */
  first: number;
  last: number;
  /** call `onTimeout` at this time (ms) if nothing comes before */
  deadline: number;
  end?: TransferEnd;
}
export interface TransferEnd {
  /** the client has the whole file */
  readonly isComplete: boolean;
  /** why it ended early, or what was unusual */
  readonly cause?: string;
  /** text of an ERROR to send */
  readonly error?: string;
}

export interface TransferOptions {
  /** bytes */
  readonly size: number;
  readonly blockSize: number;
  readonly windowSize: number;
  /** an OACK goes first, and waits for ACK 0 */
  readonly hasOptionAck: boolean;
  /** time between attempts that the client asked for */
  readonly timeoutMs?: number;
  /** no progress for so long ends the transfer */
  readonly giveUpMs: number;
}

const firstTimeoutMs = 1000;
const shortestTimeoutMs = 100;
const longestTimeoutMs = 8000;
/** clocks and schedulers are no finer than this: two resends are never closer */
const shortestResumeMs = 2;
/** much firmware never acknowledges the last block: it has what it wants */
const attemptsOfLastBlock = 3;

/**
 * Server side of one read: RFC 1350 lock-step and RFC 7440 windows. Pure: it knows no socket, no timer, no file. Times are
 * ms of any clock that only goes forward.
 *
 * Blocks are sent again when time is up, and when a windowed client acknowledges an earlier block than the last one sent
 * (RFC 7440 §4), but then at most once in two round trips: clients that answer each misplaced block would otherwise start a
 * storm. In lock-step a repeated ACK is never answered with data (the Sorcerer's Apprentice, RFC 1123 §4.2.3.1).
 */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #lastBlock: number;
  readonly #step: Step = { send: 'nothing', first: 0, last: 0, deadline: 0 };
  #awaitsOptionAck: boolean;
  /** highest block that the client has acknowledged */
  #acknowledged = 0;
  /** highest block sent since then */
  #sent = 0;
  /** highest block ever sent */
  #highest = 0;
  #sentAt = 0;
  /** the last sending was of new blocks only, so that its answer measures the round trip */
  #isFresh = true;
  #resumedAt = -Infinity;
  #isResumeDue = false;
  #roundTrip: number | undefined;
  #attempts = 0;
  #progressAt = 0;
  #resent = 0;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#awaitsOptionAck = options.hasOptionAck;
    this.#lastBlock = Math.floor(options.size / options.blockSize) + 1;
  }

  /** bytes that the client has acknowledged */
  get bytes(): number {
    return Math.min(this.#acknowledged * this.#options.blockSize, this.#options.size);
  }

  /** blocks that were sent more than once, counted each time */
  get resent(): number {
    return this.#resent;
  }

  /** ms until the next ACK, as far as measured */
  get expectedMs(): number {
    return this.#roundTrip ?? Infinity;
  }

  start(now: number): Step {
    this.#progressAt = now;
    return this.#awaitsOptionAck ? this.#sendOptionAck(now) : this.#sendWindow(now);
  }

  /** `block` as in the packet: 16 bits. */
  onAck(block: number, now: number): Step {
    if (this.#awaitsOptionAck) {
      if (block !== 0) return this.#nothing();
      this.#awaitsOptionAck = false;
      this.#noteProgress(now);
      return this.#sendWindow(now);
    }
    const advance = (block - this.#acknowledged) & 0xffff;
    if (advance === 0) {
      return this.#options.windowSize === 1 || this.#sent === this.#acknowledged
        ? this.#nothing()
        : this.#resume(now);
    }
    // An ACK of a block that was never sent, or a late one of a block before: neither means anything.
    if (advance > this.#sent - this.#acknowledged) return this.#nothing();
    this.#acknowledged += advance;
    this.#noteProgress(now);
    if (this.#acknowledged === this.#lastBlock) return this.#finish({ isComplete: true });
    return this.#acknowledged < this.#sent ? this.#resume(now) : this.#sendWindow(now);
  }

  onError(code: number, message: string): Step {
    if (this.#acknowledged === 0 && this.#options.hasOptionAck) {
      return this.#finish({ isComplete: false, cause: 'the client stopped after it learned the options' });
    }
    const text = message === '' ? `error ${code}` : message;
    return this.#finish({ isComplete: false, cause: `the client stopped: ${text}` });
  }

  onTimeout(now: number): Step {
    if (this.#isResumeDue) return this.#resend(now);
    this.#attempts++;
    const isAtLast = this.#sent === this.#lastBlock && !this.#awaitsOptionAck;
    if (isAtLast && this.#attempts > attemptsOfLastBlock) {
      return this.#finish({ isComplete: false, cause: 'the client did not acknowledge the last block' });
    }
    const giveUpMs = Math.max(this.#options.giveUpMs, 3 * (this.#options.timeoutMs ?? 0));
    if (now - this.#progressAt >= giveUpMs) {
      const cause = this.#awaitsOptionAck
        ? 'the client did not answer the option acknowledgement'
        : `the client did not acknowledge block ${this.#acknowledged + 1}`;
      return this.#finish({ isComplete: false, cause, error: 'Timed out' });
    }
    return this.#awaitsOptionAck ? this.#sendOptionAck(now) : this.#resend(now);
  }

  #noteProgress(now: number): void {
    if (this.#isFresh) {
      const sample = now - this.#sentAt;
      this.#roundTrip = this.#roundTrip === undefined ? sample : 0.875 * this.#roundTrip + 0.125 * sample;
    }
    this.#attempts = 0;
    this.#progressAt = now;
    this.#isResumeDue = false;
  }

  /** Sends again from the first missing block, unless that was done less than two round trips ago: then when they are over. */
  #resume(now: number): Step {
    const earliest = this.#resumedAt + 2 * Math.max(this.#roundTrip ?? 0, shortestResumeMs);
    if (now >= earliest) return this.#resend(now);
    this.#isResumeDue = true;
    const step = this.#nothing();
    step.deadline = earliest;
    return step;
  }

  #resend(now: number): Step {
    this.#resumedAt = now;
    return this.#sendWindow(now);
  }

  #sendWindow(now: number): Step {
    const step = this.#step;
    step.send = 'data';
    step.first = this.#acknowledged + 1;
    step.last = Math.min(this.#acknowledged + this.#options.windowSize, this.#lastBlock);
    this.#isFresh = step.first > this.#highest;
    this.#resent += Math.max(0, Math.min(this.#highest, step.last) - step.first + 1);
    this.#highest = Math.max(this.#highest, step.last);
    this.#sent = step.last;
    return this.#await(now);
  }

  #sendOptionAck(now: number): Step {
    this.#isFresh = this.#attempts === 0;
    this.#step.send = 'oack';
    return this.#await(now);
  }

  #await(now: number): Step {
    this.#sentAt = now;
    this.#isResumeDue = false;
    this.#step.deadline = now + this.#timeout();
    return this.#step;
  }

  /** The client's own wish or four round trips, doubled with each attempt. */
  #timeout(): number {
    const { timeoutMs } = this.#options;
    const measured = this.#roundTrip === undefined ? firstTimeoutMs : 4 * this.#roundTrip;
    const base = timeoutMs ?? Math.min(firstTimeoutMs, Math.max(shortestTimeoutMs, measured));
    return Math.min(base * 2 ** this.#attempts, Math.max(base, longestTimeoutMs));
  }

  #nothing(): Step {
    this.#step.send = 'nothing';
    return this.#step;
  }

  #finish(end: TransferEnd): Step {
    this.#step.send = 'nothing';
    this.#step.end = end;
    return this.#step;
  }
}
