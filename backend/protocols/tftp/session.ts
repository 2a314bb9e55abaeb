import { messageOf, systemCode } from '../../errors.ts';
import type { FileSource } from '../file-source.ts';
import { BlockReader } from './block-reader.ts';
import { keepAwake } from './keep-awake.ts';
import type { Negotiated } from './negotiate.ts';
import {
  dataHeaderSize,
  decode,
  encodeError,
  encodeOptionAck,
  ErrorCode,
  writeDataHeader,
} from './packets.ts';
import type { TransferSocket } from './socket.ts';
import { Transfer } from './transfer.ts';
import type { Step, TransferEnd } from './transfer.ts';

/** One read in progress: joins the pure `Transfer` to a socket, a timer and a file. It owns the socket. */
export class Session {
  readonly #socket: TransferSocket;
  readonly #source: FileSource;
  readonly #reader: BlockReader;
  readonly #negotiated: Negotiated;
  readonly #transfer: Transfer;
  readonly #onEnd: (end: TransferEnd) => void;
  #packet: Buffer;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #deadline = Infinity;
  #next = 1;
  #last = 0;
  #isBlocked = false;
  #isOver = false;

  constructor(
    socket: TransferSocket,
    source: FileSource,
    negotiated: Negotiated,
    giveUpMs: number,
    onEnd: (end: TransferEnd) => void,
  ) {
    const { blockSize, windowSize, timeoutMs } = negotiated;
    this.#socket = socket;
    this.#source = source;
    this.#negotiated = negotiated;
    this.#onEnd = onEnd;
    this.#reader = new BlockReader(source, windowSize * blockSize);
    this.#packet = Buffer.allocUnsafe(dataHeaderSize + blockSize);
    this.#transfer = new Transfer({
      size: source.size,
      blockSize,
      windowSize,
      timeoutMs,
      giveUpMs,
      hasOptionAck: negotiated.accepted.length > 0,
    });
    socket.listen(
      (packet) => this.#receive(packet),
      (error) => this.#end({ isComplete: false, cause: lossOf(error) }),
    );
  }

  get bytes(): number {
    return this.#transfer.bytes;
  }

  get resent(): number {
    return this.#transfer.resent;
  }

  start(): void {
    this.#take(this.#transfer.start(performance.now()));
  }

  /** Ends the transfer from our side and tells the client. */
  abort(cause: string): void {
    this.#end({ isComplete: false, cause, error: cause });
  }

  #receive(packet: Buffer): void {
    if (this.#isOver) return;
    const message = decode(packet);
    if (message?.op === 'ack') this.#take(this.#transfer.onAck(message.block, performance.now()));
    else if (message?.op === 'error') this.#take(this.#transfer.onError(message.code, message.message));
  }

  #take(step: Step): void {
    if (step.end) return this.#end(step.end);
    if (step.send === 'oack') this.#socket.send(encodeOptionAck(this.#negotiated.accepted));
    if (step.send === 'data') {
      this.#next = step.first;
      this.#last = step.last;
      if (!this.#isBlocked) this.#sendBlocks();
    }
    if (this.#isOver) return;
    this.#arm(step.deadline);
    if (step.send === 'data') keepAwake(this.#transfer.expectedMs);
  }

  /** Stops while the interface takes no more, as behind a traffic shaper, and goes on when it does. */
  #sendBlocks(): void {
    const { blockSize, windowSize } = this.#negotiated;
    try {
      while (this.#next <= this.#last && !this.#isBlocked) this.#sendBlock(this.#next++);
      const position = this.#last * blockSize;
      if (position < this.#source.size) this.#reader.prepare(position, windowSize * blockSize);
    } catch (error) {
      this.abort(messageOf(error));
    }
  }

  #sendBlock(block: number): void {
    const { blockSize } = this.#negotiated;
    const position = (block - 1) * blockSize;
    const length = Math.min(blockSize, this.#source.size - position);
    writeDataHeader(this.#packet, block);
    if (length > 0) this.#reader.copy(this.#packet, dataHeaderSize, position, length);
    const packet = length === blockSize ? this.#packet : this.#packet.subarray(0, dataHeaderSize + length);
    if (!this.#socket.send(packet)) this.#waitForQueue();
  }

  /** The kernel still reads the packet that is queued: leave it alone, and send the next block when the queue is empty. */
  #waitForQueue(): void {
    this.#isBlocked = true;
    this.#packet = Buffer.allocUnsafe(this.#packet.length);
    const poll = setInterval(() => {
      if (!this.#isOver && !this.#socket.isIdle) return;
      clearInterval(poll);
      this.#isBlocked = false;
      if (!this.#isOver) this.#sendBlocks();
    }, 1);
  }

  /** A timer that fires too early is set again: that is cheaper than moving it with each ACK. */
  #arm(deadline: number): void {
    this.#deadline = deadline;
    if (this.#timer && this.#timerAt <= deadline) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, deadline - performance.now()));
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = performance.now();
    if (now < this.#deadline - 1) this.#arm(this.#deadline);
    else this.#take(this.#transfer.onTimeout(now));
  }

  #end(end: TransferEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.close(end.error === undefined ? undefined : encodeError(ErrorCode.other, end.error));
    this.#onEnd(end);
  }
}

function lossOf(error: Error): string {
  return systemCode(error) === 'ECONNREFUSED' ? 'the client closed its port' : messageOf(error);
}
