import type { ByteStream } from './contract.ts';
import { STREAM_WINDOW } from './stream.ts';

const CHUNK = 64 * 1024;
/** A writer that goes on although `write` said false is cut off here: memory is bounded whatever happens. */
const LIMIT = 32 * 1024 * 1024;

export interface StreamSender {
  data(stream: number, data: string): void;
  end(stream: number, message: string | undefined): void;
}

/** The server's end of one byte stream: counts what the client has not acknowledged and tells the writer to wait. */
export class ServerStream implements ByteStream {
  readonly id: number;
  readonly #sender: StreamSender;
  readonly #closed: () => void;
  #unacknowledged = 0;
  #full = false;
  #open = true;
  #drainListeners: (() => void)[] = [];
  #dataListeners: ((data: Uint8Array) => void)[] = [];
  #closeListeners: (() => void)[] = [];

  /** `closed` is called once, whoever ended the stream. */
  constructor(id: number, sender: StreamSender, closed: () => void) {
    this.id = id;
    this.#sender = sender;
    this.#closed = closed;
  }

  write(data: Uint8Array): boolean {
    if (!this.#open) return true;
    if (this.#unacknowledged + data.length > LIMIT) {
      this.end('The stream ended because its reader is too slow: open it again.');
      return true;
    }
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      this.#sender.data(this.id, bytes.toString('base64', at, Math.min(at + CHUNK, bytes.length)));
    }
    this.#unacknowledged += bytes.length;
    this.#full ||= this.#unacknowledged >= STREAM_WINDOW;
    return !this.#full;
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onData(listener: (data: Uint8Array) => void): void {
    this.#dataListeners.push(listener);
  }

  /** Called when the client closed the stream or went away; not after `end`. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  end(message?: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#sender.end(this.id, message);
    this.#closed();
  }

  /** The client took `bytes` more; it cannot take what was not sent. */
  acknowledge(bytes: number): void {
    this.#unacknowledged = Math.max(0, this.#unacknowledged - Math.max(0, bytes));
    if (!this.#open || !this.#full || this.#unacknowledged > STREAM_WINDOW / 2) return;
    this.#full = false;
    for (const listener of this.#drainListeners) listener();
  }

  receive(data: string): void {
    if (!this.#open) return;
    const bytes = Buffer.from(data, 'base64');
    for (const listener of this.#dataListeners) listener(bytes);
  }

  /** The client closed it, or is gone. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closed();
    for (const listener of this.#closeListeners) listener();
  }
}
